// Open the page in headless Chromium, from the disk and from a server, give it files, and print what
// it said as JSON: answers, and everything that went wrong. Each file comes through the page's input.
// node page/check.mjs <page> <chromium> <node_modules> <folder of files> [folder for pictures]
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [html, chromium, packages, folder, pictures] = process.argv.slice(2).map((path) => resolve(path));
const require = createRequire(join(packages, "package.json"));
const puppeteer = require("puppeteer-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const wrong = [];
process.on("uncaughtException", (error) => {
  console.error([...wrong, error.stack].join("\n"));
  process.exit(1); // Chromium ends with its pipe
});
const browser = await puppeteer.launch({
  executablePath: chromium,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update"],
});

async function open(address, theme, width) {
  const page = await browser.newPage();
  const tell = (text) => wrong.push(`${address.slice(0, 5)} ${theme} ${width}: ${text}`);
  page.on("console", (message) => ["error", "warn"].includes(message.type()) && tell(message.text()));
  page.on("pageerror", (error) => tell(error.message));
  page.on("requestfailed", (request) => tell(`failed: ${request.url()}`));
  page.on("request", (request) => {
    if (request.url() !== address && !/^(data|blob):/.test(request.url())) tell(`asks elsewhere: ${request.url()}`);
  });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: theme }]);
  await page.setViewport({ width, height: 900 });
  await page.goto(address, { waitUntil: "load" });
  await page.waitForFunction(() => document.getElementById("loading").hidden, { timeout: 60000 });
  return page;
}

async function said(page) {
  return page.evaluate(() => {
    const status = document.getElementById("status");
    if (status.className === "refusal") return { refused: status.textContent };
    const { probabilities, milliseconds } = shown;
    return { probabilities, milliseconds, verdict: document.getElementById("verdict").textContent };
  });
}

async function give(page, path) {
  await page.evaluate(() => (document.getElementById("status").textContent = ""));
  await (await page.$("#file")).uploadFile(path);
  await page.waitForFunction(() => {
    const status = document.getElementById("status");
    return status.className === "refusal" || (shown && status.textContent && !status.textContent.startsWith("Reading"));
  }, { timeout: 60000 });
  return said(page);
}

async function examine(page, theme, width, name) {
  if (pictures) await page.screenshot({ path: join(pictures, `${theme}-${width}-${name}.png`), fullPage: true });
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  for (const v of found.violations) wrong.push(`axe ${theme} ${width} ${name}: ${v.id}, ${v.nodes[0].html.slice(0, 140)}`);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  if (wide > 0) wrong.push(`${theme} ${width} ${name}: ${wide} pixels too wide`);
}

const address = pathToFileURL(html).href;
const page = await open(address, "light", 1200);
const answers = {};
for (const name of readdirSync(folder).sort()) answers[name] = await give(page, join(folder, name));
for (const [name, answer] of Object.entries(answers)) { // timed once the engine has compiled what is hot
  if (answer.refused) continue;
  await give(page, join(folder, name));
  answer.milliseconds = await page.evaluate(async () => (await ask(await ready, shown.frame)).milliseconds);
}
await page.close();

const [fine, bad] = [true, false].map((good) => Object.keys(answers).find((name) => good === !answers[name].refused));
for (const [theme, width] of [["light", 1200], ["dark", 1200], ["light", 390], ["dark", 390]]) {
  const page = await open(address, theme, width);
  await examine(page, theme, width, "start");
  for (const [name, file] of [["answer", fine], ["refusal", bad]]) {
    if (!file) continue;
    await give(page, join(folder, file));
    await examine(page, theme, width, name);
  }
  await page.close();
}

// From a server, by keyboard, and without a connection once the page is there.
const server = createServer((_, response) => response.setHeader("content-type", "text/html").end(readFileSync(html)));
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const served = await open(`http://127.0.0.1:${server.address().port}/`, "light", 1200);
await served.setOfflineMode(true);
const reached = [];
const onward = async () => {
  await served.keyboard.press("Tab");
  reached.push(await served.evaluate(() => document.activeElement.id || document.activeElement.tagName));
};
await onward();
await onward();
await served.keyboard.press("Enter"); // the first sample
await served.waitForFunction(() => shown, { timeout: 60000 });
for (let i = 0; i < 4; i++) await onward();
const before = await served.$eval("#verdict", (element) => element.textContent);
await served.focus("#threshold");
await served.keyboard.press(before === "I'd refer this" ? "Home" : "End");
const after = await served.$eval("#verdict", (element) => element.textContent);
for (const way of ["drop", "paste"]) {
  const name = await served.evaluate(async (way) => {
    const [given, { url }] = [new DataTransfer(), facts.samples[1]];
    given.items.add(new File([Uint8Array.from(atob(url.split(",")[1]), (c) => c.charCodeAt(0))], `${way}.png`));
    const options = { bubbles: true, dataTransfer: given, clipboardData: given };
    document.body.dispatchEvent(way === "drop" ? new DragEvent(way, options) : new ClipboardEvent(way, options));
    while (!shown) await new Promise((done) => setTimeout(done, 20));
    return shown.name;
  }, way);
  if (name !== `${way}.png`) wrong.push(`${way}: ${name}`);
}
server.close();
console.log(JSON.stringify({ chromium: await browser.version(), answers, wrong, reached, verdicts: [before, after] }));
await browser.close();
