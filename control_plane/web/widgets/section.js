// @ts-check
// A part of a page that shows something of a document, and lets people change it while that may be done. What is being
// edited is left alone when the document changes.

import { h } from "../core/dom.js";
import { beforeLeaving } from "../core/router.js";
import { button, problem } from "./controls.js";
import { ask } from "./dialog.js";
import { icon } from "./icons.js";
import { attempt, toast } from "./toast.js";

const ANSWER_MS = 5000;

/** Forms in which something was typed that is not saved. @type {Set<Element>} */
const unsaved = new Set();

function isUnsaved() {
  for (const form of unsaved) if (!form.isConnected) unsaved.delete(form);
  return unsaved.size > 0;
}

let isAsking = false;

/** @returns {Promise<boolean>} */
async function mayDiscard() {
  if (!isUnsaved()) return true;
  if (isAsking) return false; // several calls may find that the session is over
  isAsking = true;
  const isSure = await ask({ title: "Not saved", body: "What you typed is not saved. Discard it?", action: "Discard", danger: true, run: () => {} });
  isAsking = false;
  if (isSure) unsaved.clear();
  return isSure;
}
beforeLeaving(mayDiscard);
addEventListener("beforeunload", (event) => { if (isUnsaved()) event.preventDefault(); });

/**
 * @typedef {{node: Node, save: () => Promise<void>}} Form `save` may throw: its message is shown and the form stays
 * @typedef {{label: string, icon?: string, when?: (value: any) => boolean, run: (value: any) => Promise<any>}} Extra
 */

/**
 * @param {{title: string, read: (document: any) => any, view: (value: any, document: any) => any,
 *   form?: (value: any, document: any) => Form, extras?: Extra[], why?: (document: any) => string | null,
 *   level?: string}} options `why` says why it cannot be edited now, or null
 */
export function section({ title, read, view, form, extras = [], why = () => null, level = "h3" }) {
  const tools = h("div", { class: "section-tools" });
  const body = h("div", { class: "section-body" });
  const node = h("section", { class: "section", "aria-label": title }, h("header", { class: "section-head" }, h(level, {}, title), tools), body);
  let editing = false, shown = "";
  /** @type {any} */
  let document = null;

  function draw() {
    const value = read(document);
    const reason = why(document);
    shown = JSON.stringify([value, reason]);
    body.replaceChildren(...[view(value, document)].flat(Infinity).filter(Boolean).map((/** @type {any} */ one) => (one instanceof Node ? one : new Text(one))));
    if (!form && !extras.length) return tools.replaceChildren();
    if (reason) {
      const lock = h("span", { class: "locked", title: reason, role: "note", "aria-label": reason }, icon("lock"));
      return tools.replaceChildren(lock);
    }
    const shownExtras = extras.filter((extra) => !extra.when || extra.when(value));
    tools.replaceChildren(...shownExtras.map((extra) => button(extra.label, () => attempt(async () => { await extra.run(value); changed(); }), { icon: extra.icon, kind: "small" })));
    if (form) tools.prepend(button("Edit", edit, { icon: "edit", kind: "small" }));
  }

  /** Ask the page for the document as it is now: it comes with `update`. What was typed stays in sight until then. */
  function changed() {
    shown = "";
    node.dispatchEvent(new CustomEvent("changed", { bubbles: true }));
    setTimeout(() => { if (!editing && shown === "") draw(); }, ANSWER_MS);
  }

  function edit() {
    editing = true;
    const { node: fields, save } = /** @type {any} */ (form)(read(document), document);
    const alert = h("div", {});
    const act = h("button", { type: "submit", class: "button primary" }, "Save");
    const submit = async (/** @type {Event} */ event) => {
      event.preventDefault();
      act.disabled = true;
      try {
        await save();
        unsaved.delete(typed);
        editing = false;
        changed();
      } catch (error) {
        alert.replaceChildren(problem(error));
        act.disabled = false;
      }
    };
    const cancel = () => {
      unsaved.delete(typed);
      editing = false;
      draw();
    };
    const escape = async () => { if (!unsaved.has(typed) || await mayDiscard()) cancel(); };
    tools.replaceChildren();
    const typed = h("form", { submit, class: "section-form", novalidate: true, input: () => unsaved.add(typed),
      keydown: (/** @type {KeyboardEvent} */ event) => { if (event.key === "Escape") escape(); else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) typed.requestSubmit(); } },
      fields, alert, h("div", { class: "form-actions" }, act, button("Cancel", cancel)));
    body.replaceChildren(typed);
    body.querySelector("input, textarea, select")?.focus();
  }

  /** Show this document. @param {any} next */
  function update(next) {
    document = next;
    if (!editing && JSON.stringify([read(next), why(next)]) !== shown) draw();
  }
  return { node, update, isEditing: () => editing };
}

/** Tell that something was saved, and offer to take it back. @param {string} text @param {() => Promise<any>} undo */
export function saved(text, undo) {
  toast(text, { action: { label: "Undo", run: undo } });
}
