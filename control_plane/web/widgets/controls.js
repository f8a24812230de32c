// @ts-check
// Small parts that every page is made of.

import { h } from "../core/dom.js";
import { STATUS, ago, when } from "../core/format.js";
import { icon } from "./icons.js";

/**
 * A button with words, and perhaps a drawing.
 * @param {string} label
 * @param {(event: any) => void} action
 * @param {{icon?: string, kind?: string, title?: string | null, disabled?: boolean}} [options]
 */
export function button(label, action, options = {}) {
  const attributes = { type: "button", class: `button ${options.kind ?? ""}`, title: options.title, disabled: options.disabled };
  return h("button", { ...attributes, click: action }, options.icon ? icon(options.icon) : null, label);
}

/**
 * A button that is a drawing alone; its name is for those who do not see it.
 * @param {string} name @param {string} label @param {(event: any) => void} action @param {Record<string, any>} [more]
 */
export function iconButton(name, label, action, more = {}) {
  return h("button", { type: "button", class: "icon-button", "aria-label": label, title: label, click: action, ...more }, icon(name));
}

/** @param {string} status */
export function statusChip(status) {
  return h("span", { class: `status ${status}` }, h("span", { class: "dot" }), STATUS[status] ?? status);
}

/** @param {any} model */
export function modelStatus(model) {
  return statusChip(model.ready ? "published" : "created");
}

/** A tag has always the same colour. @param {string} tag @param {(() => void) | null} [remove] */
export function tagChip(tag, remove = null) {
  let hash = 0;
  for (const letter of tag) hash = (hash * 31 + letter.charCodeAt(0)) % 360;
  const away = remove && h("button", { type: "button", class: "tag-remove", "aria-label": `Remove tag ${tag}`, click: remove }, "×");
  return h("span", { class: "tag", style: `--hue: ${hash}`, title: tag }, h("span", { class: "ellipsis" }, tag), away);
}

const TAGS_IN_CELL = 2;

/** As many tags as a cell has room for, and how many more there are. @param {string[]} tags */
export function tagsCell(tags) {
  const more = tags.length - TAGS_IN_CELL;
  return [...tags.slice(0, TAGS_IN_CELL).map((tag) => tagChip(tag)), more > 0 ? h("span", { class: "quiet small more-tags", title: tags.join("\n") }, `+${more}`) : null];
}

/** A time that says the exact one when pointed at. @param {string | null | undefined} time */
export function timeText(time) {
  return time ? h("time", { datetime: time, title: when(time) }, ago(time)) : "";
}

/** @param {string} text @param {string} [hint] @param {Node | null} [action] */
export function emptyState(text, hint = "", action = null) {
  return h("div", { class: "empty" }, h("p", { class: "empty-title" }, text), hint ? h("p", { class: "quiet" }, hint) : null, action);
}

/** @param {unknown} error */
export function problem(error) {
  return h("p", { class: "error", role: "alert" }, error instanceof Error ? error.message : String(error));
}

/**
 * Tabs that are links: each has an address.
 * @param {{name: string, label: string, href: string}[]} tabs @param {string} chosen @param {string} label
 */
export function tabBar(tabs, chosen, label) {
  const shown = tabs.map((tab) => h("a", { href: tab.href, class: "tab", "aria-current": tab.name === chosen ? "page" : null }, tab.label));
  // On a narrow screen the chosen one may lie beyond the edge.
  requestAnimationFrame(() => shown.find((tab) => tab.hasAttribute("aria-current"))?.scrollIntoView({ block: "nearest", inline: "center" }));
  return h("nav", { class: "tabs", "aria-label": label }, shown);
}

/** A field with its name. @param {string} label @param {Node} control @param {string} [hint] */
export function field(label, control, hint = "") {
  return h("label", { class: "field" }, h("span", { class: "field-name" }, label), control, hint ? h("span", { class: "quiet small" }, hint) : null);
}

/** Names and values. @param {[string, any][]} rows */
export function facts(rows) {
  return h("dl", { class: "facts" }, rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value === "" || value === null || value === undefined ? h("span", { class: "quiet" }, "–") : value)]));
}

/** @param {string} text */
export async function copyText(text) {
  await navigator.clipboard.writeText(text);
}

/** The trail of projects to a place. @param {{label: string, href?: string}[]} trail */
export function breadcrumbs(trail) {
  const parts = trail.map(({ label, href }) => h("li", { title: label }, href ? h("a", { href }, label) : h("span", { "aria-current": "page" }, label)));
  return h("nav", { class: "breadcrumbs", "aria-label": "Breadcrumbs" }, h("ol", {}, parts));
}
