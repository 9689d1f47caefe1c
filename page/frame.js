"use strict";
// A file becomes a grey frame, or a sentence why it is none. Rules and sentences are those of the
// command `busi-predict` (frame_rules.json), asked in the same order.

class Refused extends Error {} // its message is the sentence
class Broken extends Error {} // its message is the reason

const PLAIN_CHUNKS = new Set(["IHDR", "PLTE", "eXIf", "IDAT", "IEND"]); // others: colour profiles, alpha

/** Read a file as {width, height, grey}: one byte a pixel, rows from the top. */
async function readFrame(file, rules) {
  const refuse = (rule, values = {}) => {
    const named = { file: file.name, ...values };
    throw new Refused(rules.sentences[rule].replace(/{(\w+)}/g, (_, key) => named[key]));
  };
  if (file.size === 0) refuse("empty");
  const start = new Uint8Array(await file.slice(0, 160).arrayBuffer());
  const kind = kindOf(start);
  if (kind === "DICOM") refuse("dicom");
  if (!kind) refuse("no_image");
  if (kind === "TIFF") throw new Refused(`${file.name} is a TIFF, which browsers do not read: save it as PNG.`);
  const bytes = new Uint8Array(await file.arrayBuffer());
  const damaged = (error) =>
    refuse("damaged", { reason: error instanceof Broken ? error.message : `it is no whole ${kind}` });
  let header;
  try {
    header = { kind, ...HEADERS[kind](bytes, new DataView(bytes.buffer)) };
  } catch (error) { // a read past the end of the file, most often
    damaged(error);
  }
  const { width, height, frames = 1, bits = 8 } = header;
  const million = (pixels) => (pixels / 1e6).toFixed(0);
  if (width * height > rules.max_pixels)
    refuse("huge", { millions: million(width * height), limit: million(rules.max_pixels) });
  if (Math.min(width, height) < rules.min_side) refuse("small", { width, height, limit: rules.min_side });
  if (frames > 1) refuse("frames", { frames });
  if (bits > 8) refuse("deep", { mode: `${bits} bits` });
  let pixels;
  try {
    pixels = await decode(header);
  } catch (error) {
    damaged(error);
  }
  const frame = { width: pixels.width, height: pixels.height, grey: greyOf(pixels) };
  const colour = colourOf(pixels, rules);
  if (colour) refuse(colour);
  const { deviation, extreme } = statistics(frame.grey, rules);
  if (deviation < rules.flat) refuse("uniform");
  if (extreme > rules.extreme) refuse("mask");
  return frame;
}

/** What the first bytes say a file is; its name says nothing. */
function kindOf(start) {
  const text = String.fromCharCode(...start);
  if (text.startsWith("\x89PNG\r\n\x1a\n")) return "PNG";
  if (text.startsWith("\xff\xd8\xff")) return "JPEG";
  if (text.startsWith("BM")) return "BMP";
  if (text.startsWith("II*\0") || text.startsWith("MM\0*")) return "TIFF";
  return text.slice(128, 132) === "DICM" ? "DICOM" : "";
}

/** Width, height, frames, bits a channel, and what decoding needs; from the header alone. */
const HEADERS = {
  PNG(bytes, view) {
    const header = { width: view.getUint32(16), height: view.getUint32(20), bits: bytes[24] };
    Object.assign(header, { type: bytes[25], interlaced: bytes[28], plain: [bytes.subarray(0, 8)], data: [] });
    for (let at = 8; at + 8 <= bytes.length; ) {
      const [length, name] = [view.getUint32(at), String.fromCharCode(...bytes.subarray(at + 4, at + 8))];
      const inside = bytes.subarray(at + 8, at + 8 + length);
      if (name === "acTL") header.frames = view.getUint32(at + 8);
      if (name === "eXIf") header.turned = true;
      if (name === "PLTE") header.palette = inside;
      if (name === "IDAT") header.data.push(inside);
      if (PLAIN_CHUNKS.has(name)) header.plain.push(bytes.subarray(at, at + 12 + length));
      at += 12 + length;
    }
    return header;
  },
  JPEG(bytes, view) {
    const plain = [bytes.subarray(0, 2)];
    const header = { plain };
    for (let at = 2; ; ) {
      const [marker, length] = [view.getUint16(at), view.getUint16(at + 2)];
      if (marker >> 8 !== 0xff || length < 2) throw new Broken("a segment is missing");
      if (marker === 0xffda) {
        plain.push(bytes.subarray(at));
        header.ends = hasEnd(bytes, at);
        if (!header.width) throw new Broken("it has no size");
        return header;
      }
      if (marker >= 0xffc0 && marker <= 0xffcf && ![0xffc4, 0xffc8, 0xffcc].includes(marker)) // SOF
        Object.assign(header, { bits: bytes[at + 4], height: view.getUint16(at + 5), width: view.getUint16(at + 7) });
      if (marker !== 0xffe2) /* a colour profile */ plain.push(bytes.subarray(at, at + 2 + length));
      at += 2 + length;
    }
  },
  BMP(bytes, view) {
    const [width, height] = [view.getInt32(18, true), Math.abs(view.getInt32(22, true))];
    const rows = view.getUint32(30, true) ? 0 : Math.ceil((width * view.getUint16(28, true)) / 32) * 4;
    return { width, height, plain: [bytes], ends: bytes.length >= view.getUint32(10, true) + rows * height };
  },
};

function hasEnd(bytes, from) {
  for (let at = bytes.length - 2; at > from; at--) if (bytes[at] === 0xff && bytes[at + 1] === 0xd9) return true;
  return false;
}

/** Pixels as {width, height, values, channels}. Ordinary PNG is decoded here: a canvas would blend alpha. */
async function decode(header) {
  if (header.kind === "PNG" && header.bits === 8 && !header.interlaced && !header.turned) return decodePng(header);
  if (header.ends === false) throw new Broken("it ends early");
  const type = `image/${header.kind.toLowerCase()}`;
  const options = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
  const whole = await new Blob(header.plain).arrayBuffer(); // Firefox decodes no JPEG that lies in pieces
  const bitmap = await createImageBitmap(new Blob([whole], { type }), options);
  const { width, height } = bitmap; // a camera's "turn me" has been obeyed
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  return { width, height, values: context.getImageData(0, 0, width, height).data, channels: 4 };
}

async function decodePng({ width, height, type, palette, data }) {
  const stored = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }[type];
  const row = width * stored;
  const raw = await inflate(data, (row + 1) * height);
  const values = new Uint8Array(row * height);
  for (let y = 0; y < height; y++) unfilter(raw, values, y, row, stored);
  if (type !== 3) return { width, height, values, channels: stored };
  const colours = new Uint8Array(3 * values.length);
  for (let i = 0; i < colours.length; i++) colours[i] = palette[3 * values[(i / 3) | 0] + (i % 3)];
  return { width, height, values: colours, channels: 3 };
}

/** Inflate to exactly `length` bytes: a file that promises little cannot unpack to much. */
async function inflate(parts, length) {
  const reader = new Blob(parts).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
  const whole = new Uint8Array(length);
  let at = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    if (at + part.value.length > length) throw new Broken("it holds more than its header says");
    whole.set(part.value, at);
    at += part.value.length;
  }
  if (at < length) throw new Broken("it ends early");
  return whole;
}

/** Undo the filter of one row (PNG specification, section 9). */
function unfilter(raw, values, y, row, step) {
  const [from, to] = [y * (row + 1) + 1, y * row];
  const filter = raw[from - 1];
  if (filter > 4) throw new Broken("it has an unknown filter");
  for (let i = 0; i < row; i++) {
    const left = i >= step ? values[to + i - step] : 0;
    const up = y ? values[to + i - row] : 0;
    const corner = y && i >= step ? values[to + i - row - step] : 0;
    const guess = [0, left, up, (left + up) >> 1, 0][filter];
    values[to + i] = raw[from + i] + (filter === 4 ? nearest(left, up, corner) : guess);
  }
}

function nearest(left, up, corner) {
  const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
  return a <= b && a <= c ? left : b <= c ? up : corner;
}

/** ITU-R BT.601 luminance in whole numbers, as PIL computes it; alpha is dropped. */
function greyOf({ values, channels }) {
  if (channels === 1) return values;
  const grey = new Uint8Array(values.length / channels);
  for (let i = 0, j = 0; i < grey.length; i++, j += channels)
    grey[i] = channels === 2 ? values[j]
      : (values[j] * 19595 + values[j + 1] * 38470 + values[j + 2] * 7471 + 0x8000) >> 16;
  return grey;
}

/** Name the rule that colours break: many coloured pixels, or saturated ones that touch. */
function colourOf({ width, height, values, channels }, rules) {
  if (channels < 3) return "";
  const spread = new Uint8Array(width * height);
  let coloured = 0;
  for (let i = 0, j = 0; i < spread.length; i++, j += channels) {
    const [r, g, b] = [values[j], values[j + 1], values[j + 2]];
    spread[i] = Math.max(r, g, b) - Math.min(r, g, b);
    coloured += spread[i] > rules.coloured;
  }
  if (coloured > rules.photograph * spread.length) return "photograph";
  let flow = 0;
  for (let i = 0; i < spread.length; i++) if (spread[i] > rules.saturated) flow += isAmid(spread, i, width, rules);
  return flow > rules.flow * spread.length ? "doppler" : "";
}

/** Whether all neighbours within the frame are saturated too. */
function isAmid(spread, i, width, rules) {
  const column = i % width;
  for (let dx = column ? -1 : 0; dx <= (column < width - 1 ? 1 : 0); dx++)
    for (const near of [i + dx - width, i + dx, i + dx + width]) if (spread[near] <= rules.saturated) return false;
  return true; // beyond the first and last row there is undefined, which is not <= anything
}

function statistics(grey, rules) {
  let [sum, squares, extreme] = [0, 0, 0];
  for (const value of grey) {
    sum += value;
    squares += value * value;
    extreme += value < rules.dark_below || value >= rules.bright_from;
  }
  const mean = sum / grey.length;
  return { deviation: Math.sqrt(Math.max(0, squares / grey.length - mean * mean)), extreme: extreme / grey.length };
}
