// Open every page of the lab book, or of the report, from the disk, in light and dark: nothing may fail, call out,
// or be out of reach for a screen reader. node labbook/check.mjs <site> <chromium> <packages>
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const [site, chromium, packages] = process.argv.slice(2).map((path) => resolve(path));
const require = createRequire(join(packages, "package.json"));
const puppeteer = require("puppeteer-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const pages = readdirSync(site, { recursive: true })
  .filter((name) => name.endsWith(".html") && !name.includes("_static"))
  .map((name) => join(site, name));
const ids = new Map();
const idsOf = (file) => {
  if (!ids.has(file)) {
    const found = readFileSync(file, "utf8").matchAll(/\sid="([^"]+)"/g);
    ids.set(file, new Set([...found].map((match) => match[1])));
  }
  return ids.get(file);
};
const wrong = new Set();
const browser = await puppeteer.launch({
  executablePath: chromium,
  args: ["--no-sandbox", "--allow-file-access-from-files=false"],
});
for (const file of pages) {
  for (const theme of ["light", "dark"]) {
    const tell = (text) => wrong.add(`${file.slice(site.length + 1)} (${theme}): ${text}`);
    const page = await browser.newPage();
    page.setDefaultTimeout(120000); // a busy machine is no fault of the page
    page.on("console", (message) => message.type() === "error" && tell(message.text()));
    page.on("pageerror", (error) => tell(error.message));
    page.on("requestfailed", (request) => tell(`failed: ${request.url()}`));
    page.on("request", (request) => {
      if (!/^(file|data|blob):/.test(request.url())) tell(`asks elsewhere: ${request.url()}`);
    });
    await page.evaluateOnNewDocument((mode) => {
      localStorage.setItem("mode", mode);
      localStorage.setItem("theme", mode);
    }, theme);
    await page.goto(pathToFileURL(file).href, { waitUntil: "load" });
    await page.evaluate(() => window.MathJax?.startup?.promise);
    const links = await page.$$eval("a[href]", (all) => all.map((a) => a.href));
    for (const link of new Set(links)) {
      if (!link.startsWith("file:")) continue;
      const [path, anchor] = link.split("#");
      const target = fileURLToPath(path.split("?")[0]);
      if (!existsSync(target)) tell(`dead link: ${link}`);
      else if (anchor && target.endsWith(".html") && !idsOf(target).has(decodeURIComponent(anchor)))
        tell(`no such place: ${link}`);
    }
    const math = await page.$$eval(".math", (all) => all.filter((m) => !m.querySelector("mjx-container")).length);
    if (math) tell(`${math} formulas are not set`);
    await page.evaluate(axe);
    const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
    for (const v of found.violations)
      tell(`axe ${v.id}: ${v.help} (${v.nodes.length}, first ${v.nodes[0].html.slice(0, 140)})`);
    await page.close();
  }
}
if (existsSync(join(site, "search.html"))) {
  const page = await browser.newPage();
  const search = pathToFileURL(join(site, "search.html")).href;
  await page.goto(`${search}?q=bootstrap`, { waitUntil: "load" });
  const found = page.waitForSelector("#search-results li", { timeout: 10000 });
  await found.catch(() => wrong.add("search finds nothing"));
}
await browser.close();
console.log([...wrong].join("\n") || `${pages.length} pages in light and dark: nothing wrong.`);
process.exit(wrong.size ? 1 : 0);
