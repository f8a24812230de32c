// @ts-check
// Questions in front of the page. The browser's own dialog keeps the focus inside, and Escape closes it.

import { h } from "../core/dom.js";
import { problem } from "./controls.js";

/**
 * Ask with a form; resolves when it was done or dismissed.
 * @param {{title: string, body: any, action: string, danger?: boolean, wide?: boolean,
 *   run: () => Promise<any> | any}} question `run` may throw: its message is shown and the form stays
 * @returns {Promise<boolean>} whether it was done
 */
export function ask({ title, body, action, danger = false, wide = false, run }) {
  return new Promise((resolve) => {
    const alert = h("div", {});
    const act = h("button", { type: "submit", class: `button ${danger ? "danger" : "primary"}` }, action);
    const submit = async (/** @type {Event} */ event) => {
      event.preventDefault();
      act.disabled = true;
      try {
        await run();
        done = true;
        box.close();
      } catch (error) {
        alert.replaceChildren(problem(error));
      } finally {
        act.disabled = false;
      }
    };
    let done = false;
    const box = show(title, h("form", { class: "dialog-form", submit, novalidate: true }, h("div", { class: "dialog-body" }, alert, body),
      h("div", { class: "dialog-actions" }, h("button", { type: "button", class: "button", click: () => box.close() }, "Cancel"), act)), wide);
    box.addEventListener("close", () => resolve(done));
  });
}

/** Show something that is only looked at. @param {string} title @param {any} body @param {boolean} [wide] */
export function show(title, body, wide = false) {
  const close = h("button", { type: "button", class: "icon-button dialog-close", "aria-label": "Close", click: () => box.close() }, "×");
  const box = h("dialog", { class: wide ? "dialog wide" : "dialog", "aria-label": title }, h("header", { class: "dialog-head" }, h("h2", {}, title), close), body);
  box.addEventListener("close", () => box.remove());
  // A click beside the box closes it; one that began inside, on a list that is gone meanwhile, does not.
  let isBeside = false;
  box.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => { isBeside = event.target === box; });
  box.addEventListener("click", (/** @type {MouseEvent} */ event) => { if (isBeside && event.target === box) box.close(); });
  document.body.append(box);
  box.showModal();
  box.querySelector("[autofocus], input, textarea, select")?.focus();
  return box;
}
