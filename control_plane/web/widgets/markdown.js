// @ts-check
// Markdown as nodes: headings, lists, code, emphasis, links. What it does not know stays text; HTML in it is text too.

import { h } from "../core/dom.js";

/** @param {string} text */
export function markdown(text) {
  const lines = text.replaceAll("\r\n", "\n").split("\n");
  const nodes = [];
  for (let at = 0; at < lines.length; ) {
    const line = lines[at];
    const heading = line.match(/^(#{1,4})\s+(.*)/);
    if (line.startsWith("```")) {
      const end = lines.findIndex((other, index) => index > at && other.startsWith("```"));
      const until = end < 0 ? lines.length : end;
      nodes.push(h("pre", {}, lines.slice(at + 1, until).join("\n")));
      at = until + 1;
    } else if (heading) {
      nodes.push(h(`h${Math.min(heading[1].length + 1, 4)}`, {}, inline(heading[2])));
      at += 1;
    } else if (/^\s*([-*]|\d+\.)\s/.test(line)) {
      const isNumbered = /^\s*\d/.test(line);
      const items = [];
      for (; at < lines.length && /^\s*([-*]|\d+\.)\s/.test(lines[at]); at += 1) items.push(h("li", {}, inline(lines[at].replace(/^\s*([-*]|\d+\.)\s+/, ""))));
      nodes.push(h(isNumbered ? "ol" : "ul", {}, items));
    } else if (!line.trim()) at += 1;
    else {
      const part = [];
      for (; at < lines.length && lines[at].trim() && !/^(#{1,4}\s|```|\s*([-*]|\d+\.)\s)/.test(lines[at]); at += 1) part.push(lines[at]);
      nodes.push(h("p", {}, inline(part.join(" "))));
    }
  }
  return h("div", { class: "markdown" }, nodes);
}

const PIECE = /`([^`]+)`|\*\*([^*]+)\*\*|\*([^*]+)\*|\[([^\]]+)\]\((https?:\/\/[^\s)]+)\)/g;

/** @param {string} text */
function inline(text) {
  const nodes = [];
  let from = 0;
  for (const found of text.matchAll(PIECE)) {
    nodes.push(text.slice(from, found.index));
    from = found.index + found[0].length;
    const [, code, bold, italic, label, href] = found;
    if (code) nodes.push(h("code", {}, code));
    else if (bold) nodes.push(h("strong", {}, bold));
    else if (italic) nodes.push(h("em", {}, italic));
    else nodes.push(h("a", { href, target: "_blank", rel: "noopener noreferrer" }, label));
  }
  return [...nodes, text.slice(from)];
}
