// @ts-check
// ARTIFACTS: the models that go in and come out, and what the task stored.

import { call } from "../core/api.js";
import { fileAddress, to } from "../core/address.js";
import { findModels } from "../core/finders.js";
import { h } from "../core/dom.js";
import { bytes, when } from "../core/format.js";
import { button, copyText, facts, field, iconButton } from "../widgets/controls.js";
import { ask } from "../widgets/dialog.js";
import { picker } from "../widgets/picker.js";
import { saved, section } from "../widgets/section.js";
import { textView } from "../widgets/text.js";
import { attempt, toast } from "../widgets/toast.js";
import { draftOnly } from "./state.js";

/** @param {HTMLElement} element */
export function artifactsTab(element) {
  const parts = [inputModels(), outputModels(), stored()];
  element.replaceChildren(h("div", { class: "stack" }, parts.map((part) => part.node)));
  return { update: (/** @type {any} */ task) => parts.forEach((part) => part.update(task)) };
}

/** @param {any} entry of `models.input` or `models.output` */
function modelId(entry) {
  return typeof entry.model === "object" ? entry.model?.id : entry.model;
}

/** A model's name leads to its page. @param {any} entry */
function modelRow(entry) {
  const model = typeof entry.model === "object" ? entry.model : { id: entry.model };
  const name = model?.name ?? entry.name;
  const uri = model?.uri;
  return facts([["Model", h("a", { href: to(["projects", model?.project?.id ?? "*", "models", model?.id ?? "", "network"]) }, name)], ["As", entry.name], ["Framework", model?.framework], ["File", uri ? fileLink(uri) : ""]]);
}

/** @param {string} uri */
export function fileLink(uri) {
  const address = fileAddress(uri);
  const copy = iconButton("copy", "Copy the address", () => attempt(async () => { await copyText(uri); toast("Copied."); }));
  return h("span", {}, address ? h("a", { href: `${address}?download`, download: "" }, uri) : uri, copy);
}

function inputModels() {
  /** @type {any} */
  let now = null;
  const part = section({
    title: "Input models", why: draftOnly, read: (task) => { now = task; return task.models?.input ?? []; },
    view: (all, task) => (all.length ? h("div", { class: "stack" }, all.map((/** @type {any} */ entry) => h("div", { class: "model-entry" }, modelRow(entry), draftOnly(task) ? null : h("div", { class: "form-actions" },
      button("Select another model", () => attempt(() => choose(task, entry)), { icon: "edit", kind: "small" }), iconButton("trash", `Remove ${entry.name}`, () => attempt(() => remove(task, entry))))))) : h("p", { class: "quiet" }, "None.")),
    extras: [{ label: "Add model", icon: "plus", run: () => choose(now, null) }],
  });
  return part;
}

/** @param {any} task @param {any} entry the one that is replaced, or null */
async function choose(task, entry) {
  const model = picker({ label: "Model", find: (text) => findModels(text, task.project?.id ?? null), placeholder: "Type to search models of every project" });
  const name = h("input", { class: "input", type: "text", value: entry?.name ?? "", placeholder: "The model's own name" });
  await ask({
    title: "Select model", body: [field("Model", model.node), field("Name in the task", name)], action: "Select",
    run: async () => {
      const { id, name: own } = model.value();
      if (!id) throw new Error("Choose a model of the list.");
      const key = name.value.trim() || own;
      if (entry && entry.name !== key) await call("tasks.delete_models", { task: task.id, models: [{ name: entry.name, type: "input" }] });
      await call("tasks.add_or_update_model", { task: task.id, name: key, model: id, type: "input" });
    },
  });
}

/** @param {any} task @param {any} entry */
async function remove(task, entry) {
  await call("tasks.delete_models", { task: task.id, models: [{ name: entry.name, type: "input" }] });
  saved(`Removed “${entry.name}”.`, () => call("tasks.add_or_update_model", { task: task.id, name: entry.name, model: modelId(entry), type: "input" }));
}

function outputModels() {
  return section({
    title: "Output models", read: (task) => task.models?.output ?? [],
    view: (all) => (all.length ? h("div", { class: "stack" }, all.map(modelRow)) : h("p", { class: "quiet" }, "None.")),
  });
}

function stored() {
  return section({
    title: "Artifacts", read: (task) => task.execution?.artifacts ?? [],
    view: (all) => (all.length ? h("div", { class: "stack" }, all.map(artifact)) : h("p", { class: "quiet" }, "None.")),
  });
}

/** @param {any} one */
function artifact(one) {
  const preview = one.type_data?.preview;
  return h("details", { class: "artifact", open: true }, h("summary", {}, h("strong", {}, one.key), h("span", { class: "quiet" }, ` ${one.type ?? ""} ${bytes(one.content_size)}`)),
    facts([["File", one.uri ? fileLink(one.uri) : ""], ["Mode", one.mode], ["SHA-256", one.hash], ["Stored", one.timestamp ? when(one.timestamp * 1000) : ""],
      ...(one.display_data ?? []).map((/** @type {any} */ pair) => [pair[0], String(pair[1])])]),
    preview ? textView(preview, { label: `preview of ${one.key}` }) : null);
}
