"use strict";
// The page: unpack the runtime and the network, take an image, show what the network says.

const $ = (id) => document.getElementById(id);
const facts = JSON.parse($("facts").textContent);
let referBelow = facts.refer_below; // the slider moves it
let shown = null; // the answer on the page
let turn = 0; // of the newest image: an older one that is still computed is dropped

/** Turn the base64 of a gzip file, kept in a script element, into bytes. */
async function unpack(id, length, stage) {
  const packed = atob($(id).textContent);
  $(id).remove();
  const stream = new Blob([Uint8Array.from(packed, (c) => c.charCodeAt(0))]).stream();
  const reader = stream.pipeThrough(new DecompressionStream("gzip")).getReader();
  const bytes = new Uint8Array(length);
  let at = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    bytes.set(part.value, at);
    at += part.value.length;
    progress(stage, at / length);
  }
  return bytes;
}

function progress(stage, share) {
  $("stage").textContent = stage;
  if (share === null) $("progress").removeAttribute("value");
  else $("progress").value = share;
}

const painted = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));

async function start() {
  try {
    await painted();
    const glue = await unpack("glue", facts.bytes.glue, "Unpacking the runtime");
    const wasmBinary = await unpack("wasm", facts.bytes.wasm, "Unpacking the runtime");
    const model = await unpack("model", facts.bytes.model, "Unpacking the network");
    const mjs = URL.createObjectURL(new Blob([glue], { type: "text/javascript" }));
    Object.assign(ort.env.wasm, { numThreads: 1, wasmBinary, wasmPaths: { mjs } });
    progress("Starting the network", null);
    await painted();
    const session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"], logSeverityLevel: 3 });
    URL.revokeObjectURL(mjs);
    await ask(session, { width: 32, height: 32, grey: new Uint8Array(32 * 32) }); // the first takes longest
    return session;
  } catch (error) {
    throw new Refused(`This browser could not start the network (${error.message}): try a current Chrome, Edge, Firefox or Safari.`);
  } finally {
    $("loading").hidden = true;
  }
}

/** Ask the network about a grey frame: probabilities (3), mask (size x size), milliseconds. */
async function ask(session, { width, height, grey }) {
  const image = new ort.Tensor("uint8", grey, [height, width]);
  const from = performance.now();
  const found = await session.run({ image });
  const milliseconds = performance.now() - from;
  const probabilities = Array.from(found.probabilities.data);
  if (!probabilities.every(Number.isFinite))
    throw new Refused("The network gave no number for this image: report it with the file.");
  return { probabilities, mask: found.mask.data, milliseconds };
}

/** Answer one file, or say in a sentence why not. */
async function take(file) {
  const own = ++turn;
  tell(`Reading ${file.name}.`);
  $("result").hidden = true;
  shown = null;
  try {
    const frame = await readFrame(file, facts.rules);
    const session = await ready;
    if (own !== turn) return;
    await painted();
    const answer = await ask(session, frame);
    if (own !== turn) return;
    shown = { name: file.name, frame, ...answer };
    show();
  } catch (error) {
    if (own !== turn) return;
    const sentence = error instanceof Refused ? error.message : `${file.name} could not be read (${error.message}): choose it again.`;
    tell(sentence, "refusal");
  }
}

/** Say something in words, in class "refusal" to all, in class "heard" to screen readers alone. */
function tell(text, manner = "") {
  $("status").textContent = text;
  $("status").className = manner;
  const below = matchMedia("(max-width: 45rem)").matches; // on a phone
  if (manner && below) $("answer-title").scrollIntoView();
}

const percent = (p) => (p > 0.999 ? "> 99.9\u00a0%" : p < 0.001 ? "< 0.1\u00a0%" : `${(100 * p).toFixed(1)}\u00a0%`);
const whole = (p) => `${(100 * p).toFixed(0)}\u00a0%`;
const capital = (word) => word[0].toUpperCase() + word.slice(1);

function show() {
  const { name, frame, probabilities, mask, milliseconds } = shown;
  const best = probabilities.indexOf(Math.max(...probabilities));
  const label = facts.classes[best];
  const referred = probabilities[best] < referBelow;
  $("verdict").textContent = referred ? "I'd refer this" : capital(label);
  $("verdict").className = referred ? "referred" : "";
  const compared = `${referred ? "below" : "not below"} the chosen ${whole(referBelow)}`;
  $("confidence").textContent = `Most likely ${label}; confidence ${percent(probabilities[best])}, ${compared}.`;
  $("probabilities").replaceChildren(...probabilities.map((p, i) => row(facts.classes[i], p, i === best)));
  const outlined = outline(mask, frame);
  draw(frame);
  const found = outlined.share
    ? `The outline is where the network sees a lesion, coarsely: ${percent(outlined.share)} of the frame.`
    : "The network outlines no lesion in this frame.";
  $("caption").textContent = `${name}, ${frame.width} x ${frame.height} pixels. ${found}`;
  $("canvas").setAttribute("aria-label", `The frame ${name}. ${found}`);
  $("outline").setAttribute("viewBox", `0 0 ${frame.width} ${frame.height}`);
  for (const path of $("outline").children) path.setAttribute("d", outlined.path);
  $("time").textContent = `Computed in ${milliseconds.toFixed(0)} milliseconds in this browser.`;
  $("result").hidden = false;
  tell(`${name}: ${$("verdict").textContent}. ${$("confidence").textContent}`, "heard");
}

function row(name, p, isBest) {
  const line = document.createElement("tr");
  const [head, number, bar] = ["th", "td", "td"].map((tag) => line.appendChild(document.createElement(tag)));
  head.scope = "row";
  head.textContent = name;
  number.textContent = percent(p);
  const meter = bar.appendChild(document.createElement("div"));
  meter.className = isBest ? "bar best" : "bar";
  meter.setAttribute("aria-hidden", "true");
  meter.style.width = `${100 * p}%`;
  return line;
}

function draw({ width, height, grey }) {
  const pixels = new ImageData(width, height);
  new Uint32Array(pixels.data.buffer).forEach((_, i, words) => (words[i] = 0xff000000 | (0x10101 * grey[i])));
  Object.assign($("canvas"), { width, height });
  $("canvas").getContext("2d").putImageData(pixels, 0, 0);
}

const evenRound = (x) => (x % 1 === 0.5 ? 2 * Math.round(x / 2) : Math.round(x));

/** Where the mask of the square crosses 0.5, as an SVG path in pixels of the frame (marching squares). */
function outline(mask, { width, height }) {
  const size = facts.size;
  const scale = size / Math.max(width, height);
  const [w, h] = [width, height].map((side) => Math.max(1, evenRound(side * scale)));
  const [left, top] = [(size - w) >> 1, (size - h) >> 1];
  const at = (x, y) => {
    const inside = x >= 0 && y >= 0 && x < w && y < h; // beyond the frame there is no lesion
    return inside ? mask[(y + top) * size + x + left] - 0.5 : -0.5;
  };
  const point = ([x0, y0], [x1, y1]) => {
    const [a, b] = [at(x0, y0), at(x1, y1)];
    const part = a / (a - b);
    const place = [x0 + part * (x1 - x0), y0 + part * (y1 - y0)];
    return `${(((place[0] + 0.5) * width) / w).toFixed(1)} ${(((place[1] + 0.5) * height) / h).toFixed(1)}`;
  };
  let path = "";
  let share = 0;
  for (let y = -1; y < h; y++)
    for (let x = -1; x < w; x++) {
      share += at(x, y) > 0;
      const corners = [[x, y], [x + 1, y], [x + 1, y + 1], [x, y + 1]];
      const ends = corners.flatMap((corner, i) => {
        const next = corners[(i + 1) % 4];
        return at(...corner) > 0 !== at(...next) > 0 ? [point(corner, next)] : [];
      });
      for (let i = 0; i < ends.length; i += 2) path += `M${ends[i]}L${ends[i + 1]}`;
    }
  return { path, share: share / (w * h) };
}

function offer(files) {
  if (files.length) take(files[0]);
}

$("file").addEventListener("change", (event) => offer(event.target.files));
$("file").addEventListener("click", (event) => (event.target.value = "")); // the same file may be chosen again
for (const name of ["dragover", "dragleave", "drop"])
  document.addEventListener(name, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", name === "dragover");
    if (name === "drop") offer(event.dataTransfer.files);
  });
document.addEventListener("paste", (event) => {
  if (event.clipboardData.files.length) offer(event.clipboardData.files);
  else tell("The clipboard holds no image: copy one, or choose a file.", "refusal");
});
$("threshold").value = referBelow;
$("threshold-value").textContent = $("threshold-released").textContent = whole(referBelow);
$("threshold").addEventListener("input", (event) => {
  referBelow = Number(event.target.value);
  $("threshold-value").textContent = whole(referBelow);
  if (shown) show();
});
$("show-outline").addEventListener("change", (event) => ($("outline").style.display = event.target.checked ? "" : "none"));
for (const { name, url } of facts.samples) {
  const button = document.createElement("button");
  const image = button.appendChild(document.createElement("img"));
  Object.assign(image, { src: url, alt: "" });
  button.append(name);
  button.addEventListener("click", () => {
    const bytes = Uint8Array.from(atob(url.split(",")[1]), (c) => c.charCodeAt(0));
    take(new File([bytes], `${name} (synthetic)`));
  });
  $("samples").appendChild(document.createElement("li")).append(button);
}
const ready = start();
ready.then(() => turn || tell("Ready: choose an image."), (error) => tell(error.message, "refusal"));
