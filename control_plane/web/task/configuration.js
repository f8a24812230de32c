// @ts-check
// CONFIGURATION: hyperparameters by section, user properties, configuration objects.

import { call } from "../core/api.js";
import { to } from "../core/address.js";
import { h } from "../core/dom.js";
import { iconButton, button } from "../widgets/controls.js";
import { saved, section } from "../widgets/section.js";
import { ask } from "../widgets/dialog.js";
import { attempt } from "../widgets/toast.js";
import { textEditor, textView } from "../widgets/text.js";
import { field } from "../widgets/controls.js";
import { draftOnly, notPublished, sectionNames } from "./state.js";

const PROPERTIES = "properties";

/** @typedef {{section: string, name: string, value: string, type?: string, description?: string}} Item */

/** @param {HTMLElement} element @param {string[]} path of the task @param {string} kind @param {string} name */
export function configurationTab(element, path, kind, name) {
  const side = h("nav", { class: "side", "aria-label": "Configuration" });
  const main = h("div", { class: "stack" });
  element.replaceChildren(h("div", { class: "split" }, side, main));
  /** @type {{update: (task: any) => void, node: HTMLElement} | null} */
  let part = null;
  let shown = "", sideText = "";

  /** @param {any} task */
  function update(task) {
    const sections = sectionNames(Object.keys(task.hyperparams ?? {})).filter((one) => one !== PROPERTIES);
    const objects = Object.keys(task.configuration ?? {});
    const chosen = kind === "objects" ? `objects/${name || objects[0] || ""}` : kind === PROPERTIES ? PROPERTIES : `hyperparameters/${name || sections[0] || ""}`;
    drawSide(task, sections, objects, chosen);
    if (chosen !== shown || !part) {
      shown = chosen;
      const wanted = chosen.split("/").slice(1).join("/");
      part = chosen === PROPERTIES ? parameters(PROPERTIES) : chosen.startsWith("objects/") ? object(wanted) : parameters(wanted);
      main.replaceChildren(wanted || chosen === PROPERTIES ? part.node : h("p", { class: "quiet" }, chosen.startsWith("objects") ? "This task has no configuration objects." : "This task has no hyperparameters."));
    }
    part.update(task);
  }

  /** @param {any} task @param {string[]} sections @param {string[]} objects @param {string} chosen */
  function drawSide(task, sections, objects, chosen) {
    const text = JSON.stringify([sections, objects, chosen, draftOnly(task)]);
    if (text === sideText) return;
    sideText = text;
    const link = (/** @type {string[]} */ words, /** @type {string} */ label) => h("a", { href: to([...path, "configuration", ...words]), "aria-current": words.join("/") === chosen ? "page" : null }, label);
    const add = draftOnly(task) ? [] : [button("Add", () => attempt(() => newSection(task)), { icon: "plus", kind: "small" })];
    side.replaceChildren(h("p", { class: "group quiet small" }, "Hyperparameters"), ...sections.map((one) => link(["hyperparameters", one], one)), ...add,
      h("p", { class: "group quiet small" }, "User properties"), link([PROPERTIES], "Properties"),
      h("p", { class: "group quiet small" }, "Configuration objects"), ...objects.map((one) => link(["objects", one], one)));
  }
  return { update };
}

/** @param {any} task */
function newSection(task) {
  const place = h("input", { class: "input", type: "text", value: "General" });
  const name = h("input", { class: "input", type: "text" });
  const value = h("input", { class: "input", type: "text" });
  return ask({
    title: "Add hyperparameter", body: [field("Section", place), field("Name", name), field("Value", value)], action: "Add",
    run: async () => {
      if (!place.value.trim() || !name.value.trim()) throw new Error("Section and name are needed.");
      await call("tasks.edit_hyper_params", { task: task.id, hyperparams: [{ section: place.value.trim(), name: name.value.trim(), value: value.value }], replace_hyperparams: "none" });
    },
  });
}

/** @param {any} task @param {string} name @returns {Item[]} */
function items(task, name) {
  return /** @type {Item[]} */ (Object.values(task.hyperparams?.[name] ?? {})).sort((a, b) => a.name.localeCompare(b.name));
}

/** The parameters of a section, or the user properties. @param {string} name */
function parameters(name) {
  const isProperties = name === PROPERTIES;
  const search = h("input", { class: "input text-search", type: "search", placeholder: "Find", "aria-label": "Find a parameter", input: () => find() });
  const find = () => {
    // textContent: innerText would lay the page out anew for each of thousands of rows.
    for (const row of part.node.querySelectorAll("tr[data-name]")) /** @type {HTMLElement} */ (row).hidden = !row.textContent?.toLowerCase().includes(search.value.toLowerCase());
  };
  const part = section({
    title: isProperties ? "Properties" : name, why: isProperties ? notPublished : draftOnly, read: (task) => items(task, name),
    view: (all) => (all.length
      ? [all.length > 12 ? h("div", { class: "text-tools" }, search) : null, table(all.map((/** @type {Item} */ one) => h("tr", { "data-name": one.name }, h("td", { title: [one.type, one.description].filter(Boolean).join(" · ") || null }, one.name), h("td", {}, one.value ?? ""))), false)]
      : h("p", { class: "quiet" }, isProperties ? "None yet: anything worth noting can be kept here." : "None.")),
    form: (all, task) => form(all, task, name),
  });
  return part;
}

/** @param {any[]} rows @param {boolean} isEdited */
function table(rows, isEdited) {
  const body = h("tbody", {}, rows);
  const head = h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Name"), h("th", { scope: "col" }, "Value"), isEdited ? h("th", { class: "away" }, h("span", { class: "visually-hidden" }, "Remove")) : null));
  return h("table", { class: "params" }, head, body);
}

/** @param {Item[]} all @param {any} task @param {string} name */
function form(all, task, name) {
  const node = table(all.map(row), true);
  const body = node.querySelector("tbody");
  const add = button("Add parameter", () => {
    const made = row(null);
    body.append(made);
    made.querySelector("input").focus();
  }, { icon: "plus", kind: "small" });

  /** @param {Item | null} item */
  function row(item) {
    const key = h("input", { class: "input", type: "text", value: item?.name ?? "", "aria-label": "Name" });
    const value = h("input", { class: "input", type: "text", value: item?.value ?? "", "aria-label": item ? `Value of ${item.name}` : "Value" });
    const made = h("tr", {}, h("td", {}, key), h("td", {}, value), h("td", { class: "away" }, iconButton("trash", `Remove ${item?.name ?? "this parameter"}`, () => made.remove())));
    made.item = item;
    return made;
  }

  const save = async () => {
    const wanted = [...body.children].map((/** @type {any} */ one) => {
      const [key, value] = one.querySelectorAll("input");
      return { ...(one.item ?? {}), section: name, name: key.value.trim(), value: value.value };
    }).filter((one) => one.name || one.value);
    if (wanted.some((one) => !one.name)) throw new Error("Every parameter needs a name.");
    const twice = wanted.find((one, index) => wanted.findIndex((other) => other.name === one.name) !== index);
    if (twice) throw new Error(`“${twice.name}” is there twice.`);
    await put(task, name, wanted);
    saved("Parameters saved.", () => put(task, name, all));
  };
  return { node: h("div", { class: "stack" }, node, h("div", {}, add)), save };
}

/** Make these the parameters of a section. @param {any} task @param {string} name @param {Item[]} wanted */
async function put(task, name, wanted) {
  if (wanted.length) await call("tasks.edit_hyper_params", { task: task.id, hyperparams: wanted, replace_hyperparams: "section" });
  else await call("tasks.delete_hyper_params", { task: task.id, hyperparams: [{ section: name }] });
}

/** A configuration object: a text. @param {string} name */
function object(name) {
  /** @type {any} */
  let now = null;
  const set = (/** @type {any} */ item, /** @type {string} */ value) => call("tasks.edit_configuration", { task: now.id, configuration: [{ ...item, name, value }] });
  const change = async (/** @type {any} */ item, /** @type {string} */ value) => {
    const before = item.value ?? "";
    await set(item, value);
    saved("Configuration saved.", () => set(item, before));
  };
  return section({
    title: name || "Configuration objects", why: draftOnly, read: (task) => { now = task; return task.configuration?.[name] ?? {}; },
    view: (item) => (item.value ? textView(item.value, { label: `configuration ${name}` }) : h("p", { class: "quiet" }, "Empty.")),
    form: (item) => {
      const box = textEditor(item.value ?? "", `Configuration ${name}`, 20);
      return { node: box, save: () => change(item, box.value) };
    },
    extras: [{ label: "Clear", icon: "trash", when: (item) => !!item.value, run: (item) => change(item, "") }],
  });
}
