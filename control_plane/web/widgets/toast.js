// @ts-check
// Short notes at the edge of the page: what was done, or why not; perhaps with a way back.

import { h } from "../core/dom.js";

const SHOWN_MS = 8000;
/** @type {HTMLElement | null} */
let place = null;

/** @param {string} text @param {{action?: {label: string, run: () => any}, kind?: "good" | "bad"}} [options] */
export function toast(text, { action, kind = "good" } = {}) {
  if (!place) {
    place = h("div", { class: "toasts", role: "status", "aria-live": "polite" });
    document.body.append(/** @type {any} */ (place));
  }
  const close = () => note.remove();
  const act = action && h("button", { type: "button", class: "toast-action", click: () => { close(); attempt(action.run); } }, action.label);
  const note = h("div", { class: `toast ${kind}` }, h("span", {}, text), act,
    h("button", { type: "button", class: "toast-close", "aria-label": "Dismiss", click: close }, "×"));
  /** @type {any} */ (place).append(note);
  setTimeout(close, SHOWN_MS);
}

/**
 * Run an action of the user's, and tell why it failed.
 * @template T
 * @param {() => Promise<T> | T} action
 * @returns {Promise<T | undefined>}
 */
export async function attempt(action) {
  try {
    return await action();
  } catch (error) {
    toast(error instanceof Error ? error.message : String(error), { kind: "bad" });
    return undefined;
  }
}
