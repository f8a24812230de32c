// @ts-check
// Long texts: shown with line numbers, searched, copied; edited in a box; differences with colours.

import { h } from "../core/dom.js";
import { copyText, iconButton } from "./controls.js";
import { attempt, toast } from "./toast.js";

const MOST_LINES = 5000;

/**
 * A text to look at.
 * @param {string} text @param {{isDiff?: boolean, label: string}} options
 */
export function textView(text, { isDiff = false, label }) {
  const lines = text.split("\n");
  if (lines[lines.length - 1] === "") lines.pop();
  const box = h("pre", { class: isDiff ? "text diff" : "text", tabindex: "0", role: "region", "aria-label": label });
  const count = h("span", { class: "quiet small", "aria-live": "polite" });
  const search = h("input", { type: "search", class: "input text-search", placeholder: "Search", "aria-label": `Search in ${label}`, input: () => draw(true) });

  /** @param {boolean} isSearch */
  function draw(isSearch) {
    const wanted = search.value.toLowerCase();
    let hits = 0;
    box.replaceChildren(...lines.slice(0, MOST_LINES).map((line) => {
      const [nodes, found] = marked(line, wanted);
      hits += found;
      return h("div", { class: isDiff ? `line ${diffKind(line)}` : "line" }, nodes);
    }));
    if (lines.length > MOST_LINES) box.append(h("div", { class: "line quiet" }, `… ${lines.length - MOST_LINES} more lines: copy the text to see them`));
    count.textContent = wanted ? (hits ? `${hits} found` : "not found") : "";
    if (isSearch) box.querySelector("mark")?.scrollIntoView({ block: "nearest" });
  }
  draw(false);
  const copy = iconButton("copy", `Copy ${label}`, () => attempt(async () => { await copyText(text); toast("Copied."); }));
  return h("div", { class: "text-box" }, h("div", { class: "text-tools" }, count, search, copy), box);
}

/** @param {string} line @param {string} wanted @returns {[any[], number]} */
function marked(line, wanted) {
  if (!wanted) return [[line || "\u200b"], 0];
  const nodes = [], low = line.toLowerCase();
  let from = 0, hits = 0;
  for (let at = low.indexOf(wanted); at >= 0; at = low.indexOf(wanted, from)) {
    nodes.push(line.slice(from, at), h("mark", {}, line.slice(at, at + wanted.length)));
    from = at + wanted.length;
    hits += 1;
  }
  return [[...nodes, line.slice(from)], hits];
}

/** @param {string} line */
function diffKind(line) {
  if (/^(diff |index |--- |\+\+\+ |new file|deleted file)/.test(line)) return "head";
  if (line.startsWith("@@")) return "hunk";
  return line.startsWith("+") ? "added" : line.startsWith("-") ? "removed" : "";
}

/**
 * A box to edit a long text in. Tab indents; Escape, then Tab leaves it; Escape twice gives up.
 * @param {string} text @param {string} label @param {number} [rows]
 */
export function textEditor(text, label, rows = 16) {
  let leaves = false;
  const keydown = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Escape") {
      if (!leaves) event.stopPropagation();
      leaves = true;
    } else if (event.key === "Tab" && !event.shiftKey && !leaves) {
      event.preventDefault();
      box.setRangeText("    ", box.selectionStart, box.selectionEnd, "end");
    } else leaves = false;
  };
  const box = h("textarea", { class: "input code", rows, spellcheck: "false", wrap: "off", "aria-label": label, value: text, keydown });
  return box;
}
