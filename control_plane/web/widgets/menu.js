// @ts-check
// Menus at a button or at the pointer, and small panels that open below a button.

import { h } from "../core/dom.js";
import { icon } from "./icons.js";

/**
 * @typedef {{label: string, icon?: string, run: () => any, why?: string | null, danger?: boolean} | null} Item
 *   `why` says why it cannot be done now; null draws a line
 */

/** @type {HTMLElement | null} */
let open = null;
/** @type {Element | null} */
let before = null;

export function closeMenu() {
  open?.remove();
  open = null;
  if (before instanceof HTMLElement && before.isConnected) before.focus();
  before = null;
}

/** @param {Item[]} items @param {number} x @param {number} y @param {string} label */
export function menuAt(items, x, y, label) {
  const entries = items.map((item) => {
    if (!item) return h("hr", {});
    const choose = () => {
      closeMenu();
      item.run();
    };
    return h("button", { type: "button", role: "menuitem", class: item.danger ? "menu-item danger" : "menu-item", disabled: !!item.why, title: item.why, click: choose },
      icon(item.icon ?? ""), item.label);
  });
  const menu = h("div", { class: "menu", role: "menu", "aria-label": label, keydown: walk }, entries);
  place(menu, x, y);
  menu.querySelector("button:not(:disabled)")?.focus();
}

/**
 * A panel below a button; it stays until somebody clicks elsewhere.
 * @param {Element} anchor @param {any} body @param {string} label
 */
export function panelAt(anchor, body, label) {
  const box = anchor.getBoundingClientRect();
  const panel = h("div", { class: "menu panel", role: "dialog", "aria-label": label }, body);
  place(panel, box.left, box.bottom + 4);
  panel.querySelector("input, button, select")?.focus();
  return panel;
}

/** @param {HTMLElement} node @param {number} x @param {number} y */
function place(node, x, y) {
  closeMenu();
  before = document.activeElement;
  open = node;
  document.body.append(node);
  const { width, height } = node.getBoundingClientRect();
  node.style.left = `${Math.max(8, Math.min(x, innerWidth - width - 8))}px`;
  node.style.top = `${Math.max(8, Math.min(y, innerHeight - height - 8))}px`;
}

/** @param {KeyboardEvent} event */
function walk(event) {
  const items = /** @type {HTMLElement[]} */ ([...(open?.querySelectorAll("button:not(:disabled)") ?? [])]);
  const now = items.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
  if (!step) return;
  event.preventDefault();
  items[(now + step + items.length) % items.length]?.focus();
}

addEventListener("pointerdown", (event) => {
  if (open && !open.contains(/** @type {Node} */ (event.target))) closeMenu();
}, true);
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && open) {
    event.stopPropagation();
    closeMenu();
  }
}, true);
addEventListener("popstate", closeMenu);
