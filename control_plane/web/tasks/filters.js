// @ts-check
// Narrowing the task table down: by values of a column, by tags, by ranges of metrics; kept in the address.

import { call } from "../core/api.js";
import { keep, query } from "../core/address.js";
import { h } from "../core/dom.js";
import { STATUS } from "../core/format.js";
import { button, tagChip } from "../widgets/controls.js";
import { closeMenu, panelAt } from "../widgets/menu.js";
import { attempt } from "../widgets/toast.js";
import { LISTS, keepValues, values } from "./query.js";

/** @typedef {{value: string, label: string}} Choice */

/** What can be chosen for a column. @param {string} name @param {string} project @returns {Promise<Choice[]>} */
async function choices(name, project) {
  const projects = project === "*" ? [] : [project];
  const plain = (/** @type {string[]} */ all) => all.map((value) => ({ value, label: value }));
  if (name === "status") return Object.entries(STATUS).filter(([value]) => value !== "unknown").map(([value, label]) => ({ value, label }));
  if (name === "type") return plain((await call("tasks.get_types", { projects })).types);
  if (name === "tags") return plain((await call("projects.get_task_tags", { projects })).tags);
  if (name === "user") return (await call("projects.get_user_names", { projects })).users.map((/** @type {any} */ one) => ({ value: one.id, label: one.name }));
  return (await call("projects.get_task_parents", { projects })).parents.map((/** @type {any} */ one) => ({ value: one.id, label: one.name }));
}

/**
 * A panel of values to choose from.
 * @param {Element} anchor @param {string} name @param {string} label @param {string} project @param {() => void} changed
 */
export async function valuesPanel(anchor, name, label, project, changed) {
  const all = await attempt(() => choices(name, project));
  if (!all) return;
  const wanted = new Set(values(name));
  const apply = () => {
    keepValues(name, [...wanted]);
    changed();
  };
  const search = h("input", { class: "input", type: "search", placeholder: "Find", "aria-label": `Find ${label}`, input: () => draw() });
  const list = h("div", { class: "choice-list" });
  const draw = () => list.replaceChildren(...all.filter((one) => one.label.toLowerCase().includes(search.value.toLowerCase())).slice(0, 200).map((one) => {
    const change = (/** @type {any} */ event) => {
      if (event.target.checked) wanted.add(one.value);
      else wanted.delete(one.value);
      apply();
    };
    return h("label", { class: "check" }, h("input", { type: "checkbox", checked: wanted.has(one.value), change }), name === "tags" ? tagChip(one.label) : one.label);
  }));
  draw();
  const mode = name === "tags" && h("label", { class: "check" }, h("input", { type: "checkbox", checked: query().get("tagmode") === "all", change: (/** @type {any} */ event) => { keep({ tagmode: event.target.checked ? "all" : null }); changed(); } }), "All of them");
  const clear = button("Clear", () => { wanted.clear(); draw(); apply(); }, { kind: "small" });
  panelAt(anchor, h("div", { class: "filter-panel" }, all.length > 8 ? search : null, mode, all.length ? list : h("p", { class: "quiet" }, "Nothing to choose from."), clear), `Filter by ${label}`);
}

/**
 * A panel for a range of numbers, or for values of a hyperparameter.
 * @param {Element} anchor @param {import("./columns.js").TaskColumn} column @param {string} project @param {() => void} changed
 */
export async function customPanel(anchor, column, project, changed) {
  const field = /** @type {string} */ (column.sort);
  if (column.id.startsWith("m.")) return rangePanel(anchor, column.label, field, changed);
  const [, section, ...name] = column.id.split(".");
  const found = await attempt(() => call("projects.get_hyperparam_values", { projects: project === "*" ? [] : [project], section, name: name.join("."), include_subprojects: true }));
  if (!found) return;
  const key = `is.${field}`;
  const wanted = new Set((query().get(key) ?? "").split(",").filter(Boolean).map(decodeURIComponent));
  const list = found.values.map((/** @type {string} */ value) => h("label", { class: "check" }, h("input", { type: "checkbox", checked: wanted.has(value), change: (/** @type {any} */ event) => {
    if (event.target.checked) wanted.add(value);
    else wanted.delete(value);
    keep({ [key]: [...wanted].map(encodeURIComponent).join(",") });
    changed();
  } }), value || "(empty)"));
  panelAt(anchor, h("div", { class: "filter-panel" }, h("div", { class: "choice-list" }, list)), `Filter by ${column.label}`);
}

/** @param {Element} anchor @param {string} label @param {string} field @param {() => void} changed */
function rangePanel(anchor, label, field, changed) {
  const [low, high] = (query().get(`range.${field}`) ?? "..").split("..");
  const from = h("input", { class: "input", type: "number", step: "any", value: low, "aria-label": "From" });
  const until = h("input", { class: "input", type: "number", step: "any", value: high, "aria-label": "To" });
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    keep({ [`range.${field}`]: from.value || until.value ? `${from.value}..${until.value}` : null });
    closeMenu();
    changed();
  };
  panelAt(anchor, h("form", { class: "filter-panel", submit }, h("p", { class: "quiet small" }, label), h("div", { class: "range" }, from, "to", until), h("button", { class: "button primary small" }, "Apply")), `Filter by ${label}`);
}

/** Chips of what is filtered, each of which can be taken away. @param {() => void} changed */
export function filterChips(changed) {
  const chips = [];
  for (const name of Object.keys(LISTS)) {
    for (const value of values(name)) {
      const label = name === "status" ? STATUS[value] ?? value : value;
      chips.push(chip(`${name}: ${label}`, () => keepValues(name, values(name).filter((one) => one !== value))));
    }
  }
  for (const key of query().keys()) {
    if (/^(range|is)\./.test(key)) chips.push(chip(`${key.split(".").slice(1).join(".").slice(0, 40)}: ${query().get(key)}`, () => keep({ [key]: null })));
  }
  return chips;

  /** @param {string} text @param {() => void} drop */
  function chip(text, drop) {
    return h("span", { class: "chip" }, text, h("button", { type: "button", "aria-label": `Remove filter ${text}`, click: () => { drop(); changed(); } }, "×"));
  }
}
