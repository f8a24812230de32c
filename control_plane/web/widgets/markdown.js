// @ts-check
// Markdown as nodes: headings, lists, tables, quotes, code, emphasis, links, pictures of this server. What it does not know
// stays text; HTML in it is text too.

import { fileAddress } from "../core/address.js";
import { h } from "../core/dom.js";

/** @param {string} text @param {(line: string) => Node | null} [embed] what a line stands for that is more than text */
export function markdown(text, embed = () => null) {
  const lines = text.replaceAll("\r\n", "\n").split("\n");
  const nodes = [];
  for (let at = 0; at < lines.length; ) {
    const line = lines[at];
    const heading = line.match(/^(#{1,4})\s+(.*)/);
    const more = embed(line);
    if (more) {
      nodes.push(more);
      at += 1;
    } else if (line.startsWith("```")) {
      const end = lines.findIndex((other, index) => index > at && other.startsWith("```"));
      const until = end < 0 ? lines.length : end;
      nodes.push(h("pre", {}, lines.slice(at + 1, until).join("\n")));
      at = until + 1;
    } else if (heading) {
      nodes.push(h(`h${Math.min(heading[1].length + 1, 4)}`, {}, inline(heading[2])));
      at += 1;
    } else if (/^\s*([-*]|\d+\.)\s/.test(line) && !/^\s*([-*_])(\s*\1){2,}\s*$/.test(line)) {
      const isNumbered = /^\s*\d/.test(line);
      const items = [];
      for (; at < lines.length && /^\s*([-*]|\d+\.)\s/.test(lines[at]); at += 1) items.push(h("li", {}, inline(lines[at].replace(/^\s*([-*]|\d+\.)\s+/, ""))));
      nodes.push(h(isNumbered ? "ol" : "ul", {}, items));
    } else if (line.includes("|") && isRule(lines[at + 1])) {
      const from = at;
      for (at += 2; at < lines.length && lines[at].includes("|"); ) at += 1;
      nodes.push(table(lines.slice(from, at)));
    } else if (line.startsWith(">")) {
      const quoted = [];
      for (; at < lines.length && lines[at].startsWith(">"); at += 1) quoted.push(lines[at].replace(/^>\s?/, ""));
      nodes.push(h("blockquote", {}, markdown(quoted.join("\n"))));
    } else if (/^\s*([-*_])(\s*\1){2,}\s*$/.test(line)) {
      nodes.push(h("hr", {}));
      at += 1;
    } else if (!line.trim()) at += 1;
    else {
      const part = [];
      for (; at < lines.length && lines[at].trim() && !/^(#{1,4}\s|```|<iframe|>|\s*([-*]|\d+\.)\s)/.test(lines[at]); at += 1) part.push(lines[at]);
      nodes.push(h("p", {}, inline(part.join(" "))));
    }
  }
  return h("div", { class: "markdown" }, nodes);
}

/** Whether a line parts a table's head from its body. @param {string | undefined} line */
function isRule(line) {
  return !!line && line.includes("-") && /^\s*\|?[\s:|-]+\|?\s*$/.test(line);
}

/** @param {string[]} lines head, rule, rows */
function table(lines) {
  const cells = (/** @type {string} */ line) => line.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());
  const sides = cells(lines[1]).map((rule) => (rule.endsWith(":") ? "number" : null));
  const row = (/** @type {string} */ line, /** @type {string} */ name) => h("tr", {}, cells(line).map((cell, index) => h(name, { class: sides[index] ?? null }, inline(cell))));
  return h("div", { class: "scroll-x" }, h("table", { class: "list" }, h("thead", {}, row(lines[0], "th")), h("tbody", {}, lines.slice(2).map((line) => row(line, "td")))));
}

const PIECE = /!\[([^\]]*)\]\(([^\s)]+)\)|`([^`]+)`|\*\*([^*]+)\*\*|\*([^*]+)\*|\[([^\]]+)\]\((https?:\/\/[^\s)]+)\)/g;

/** @param {string} text */
function inline(text) {
  const nodes = [];
  let from = 0;
  for (const found of text.matchAll(PIECE)) {
    nodes.push(text.slice(from, found.index));
    from = found.index + found[0].length;
    const [, alt, source, code, bold, italic, label, href] = found;
    if (source) nodes.push(picture(alt, source));
    else if (code) nodes.push(h("code", {}, code));
    else if (bold) nodes.push(h("strong", {}, bold));
    else if (italic) nodes.push(h("em", {}, italic));
    else nodes.push(h("a", { href, target: "_blank", rel: "noopener noreferrer" }, label));
  }
  return [...nodes, text.slice(from)];
}

/** A picture of this server, or the address of one elsewhere: nothing is loaded from other hosts. @param {string} alt @param {string} source */
function picture(alt, source) {
  const address = fileAddress(source);
  return address ? h("img", { src: address, alt }) : /^https?:/.test(source) ? h("a", { href: source, target: "_blank", rel: "noopener noreferrer" }, alt || source) : `![${alt}](${source})`;
}
