// @ts-check
// A line of a terminal as nodes: colours and weights of ANSI sequences; other sequences are left out.

import { h } from "../core/dom.js";

const SEQUENCE = /\x1b(?:\[([0-9;?]*)([ -/]*[@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])/g;

/** @typedef {{fg: string, bg: string, bold: boolean, dim: boolean, italic: boolean, underline: boolean}} Pen */

/** @returns {Pen} */
export function plainPen() {
  return { fg: "", bg: "", bold: false, dim: false, italic: false, underline: false };
}

/** @param {string} text @returns {string} */
export function withoutAnsi(text) {
  return text.replace(SEQUENCE, "");
}

/** @param {string} text @param {Pen} [pen] how what comes first is written; left as the end of the text left it */
export function ansi(text, pen = plainPen()) {
  if (!text.includes("\x1b")) return [styled(text, pen)];
  /** @type {(Node | string)[]} */
  const nodes = [];
  let from = 0;
  for (const found of text.matchAll(SEQUENCE)) {
    if (found.index > from) nodes.push(styled(text.slice(from, found.index), pen));
    from = found.index + found[0].length;
    if (found[2] === "m") apply(found[1] || "0", pen);
  }
  if (from < text.length) nodes.push(styled(text.slice(from), pen));
  return nodes;
}

/** @param {string} text @param {Pen} pen */
function styled(text, pen) {
  const style = [pen.fg && `color: ${pen.fg}`, pen.bg && `background: ${pen.bg}`, pen.bold && "font-weight: 700", pen.dim && "opacity: .7",
    pen.italic && "font-style: italic", pen.underline && "text-decoration: underline"].filter(Boolean);
  return style.length ? h("span", { style: style.join("; ") }, text) : text;
}

/** @param {string} codes @param {Pen} pen */
function apply(codes, pen) {
  const numbers = codes.split(";").map(Number);
  for (let i = 0; i < numbers.length; i += 1) {
    const code = numbers[i];
    if (code === 0) Object.assign(pen, plainPen());
    else if (code === 1) pen.bold = true;
    else if (code === 2) pen.dim = true;
    else if (code === 3) pen.italic = true;
    else if (code === 4) pen.underline = true;
    else if (code === 22) pen.bold = pen.dim = false;
    else if (code === 23) pen.italic = false;
    else if (code === 24) pen.underline = false;
    else if (code === 39) pen.fg = "";
    else if (code === 49) pen.bg = "";
    else if (code >= 30 && code <= 37) pen.fg = `var(--ansi-${code - 30})`;
    else if (code >= 90 && code <= 97) pen.fg = `var(--ansi-${code - 82})`;
    else if (code >= 40 && code <= 47) pen.bg = `var(--ansi-${code - 40})`;
    else if (code >= 100 && code <= 107) pen.bg = `var(--ansi-${code - 92})`;
    else if (code === 38 || code === 48) {
      const [colour, used] = extended(numbers.slice(i + 1));
      pen[code === 38 ? "fg" : "bg"] = colour;
      i += used;
    }
  }
}

/** @param {number[]} rest @returns {[string, number]} a colour, and how many numbers it took */
function extended(rest) {
  if (rest[0] === 2) return [`rgb(${rest.slice(1, 4).map((n) => Math.min(255, n || 0)).join(" ")})`, 4];
  const n = rest[1] ?? 0;
  if (n < 16) return [`var(--ansi-${n})`, 2];
  if (n >= 232) return [`rgb(${Array(3).fill(8 + (n - 232) * 10).join(" ")})`, 2];
  const level = (/** @type {number} */ x) => (x ? 55 + x * 40 : 0);
  return [`rgb(${[Math.floor((n - 16) / 36), Math.floor((n - 16) / 6) % 6, (n - 16) % 6].map(level).join(" ")})`, 2];
}
