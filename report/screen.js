// The page works without this: it adds what a screen can and paper cannot.
"use strict";
const made = (tag, properties) => Object.assign(document.createElement(tag), properties);

// A figure opens at the size of the window.
const viewer = made("dialog", { className: "viewer" });
const close = made("button", { type: "button", textContent: "close" });
close.addEventListener("click", () => viewer.close());
viewer.addEventListener("click", (event) => event.target.tagName === "IMG" && viewer.close());
document.body.append(viewer);
for (const figure of document.querySelectorAll("main figure")) {
  const image = figure.querySelector("img");
  const caption = figure.querySelector("figcaption");
  if (!image || !caption) continue;
  const open = made("button", { type: "button", className: "open", textContent: "enlarge" });
  open.setAttribute("aria-label", `enlarge ${caption.textContent.trim().slice(0, 10)}`);
  const show = () => {
    viewer.replaceChildren(made("img", { src: image.src, alt: image.alt }), close);
    viewer.showModal();
  };
  open.addEventListener("click", show);
  image.addEventListener("click", show);
  caption.append(" ", open);
}

// A citation says what it cites.
for (const link of document.querySelectorAll('a[role="doc-biblioref"]')) {
  const entry = document.getElementById(link.getAttribute("href").slice(1));
  if (entry) link.title = entry.textContent.trim().replace(/\s+/g, " ");
}

// The list of contents follows.
const entries = new Map();
for (const link of document.querySelectorAll("#TOC a")) {
  const heading = document.getElementById(decodeURIComponent(link.hash.slice(1)));
  if (heading) entries.set(heading, link);
}
const mark = () => {
  const passed = [...entries.keys()].filter((h) => h.getBoundingClientRect().top < 120);
  const here = entries.get(passed.at(-1));
  for (const link of entries.values()) link.removeAttribute("aria-current");
  if (here) here.setAttribute("aria-current", "location");
};
if (entries.size) {
  addEventListener("scroll", mark, { passive: true });
  mark();
}

// How to cite, to the clipboard.
const cited = document.querySelector("#cite .citation");
if (cited && navigator.clipboard) {
  const copy = made("button", { type: "button", className: "open", textContent: "copy" });
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(cited.textContent);
    copy.textContent = "copied";
  });
  cited.after(" ", copy);
}
