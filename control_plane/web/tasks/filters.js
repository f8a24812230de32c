// @ts-check
// Narrowing the task table down: by values of a column, by tags, by ranges of metrics; kept in the address.

import { call } from "../core/api.js";
import { keep, query } from "../core/address.js";
import { h } from "../core/dom.js";
import { findProjects } from "../core/finders.js";
import { STATUS } from "../core/format.js";
import { button, tagChip } from "../widgets/controls.js";
import { closeMenu, panelAt } from "../widgets/menu.js";
import { attempt } from "../widgets/toast.js";
import { FIXED, columnOf } from "./columns.js";
import { LISTS, RANGES, keepValues, values } from "./query.js";

/** @typedef {{value: string, label: string}} Choice */

/** What can be chosen for a column. @param {string} name @param {string} project @returns {Promise<Choice[]>} */
async function choices(name, project) {
  const projects = project === "*" ? [] : [project];
  const plain = (/** @type {string[]} */ all) => all.map((value) => ({ value, label: value }));
  if (name === "status") return Object.entries(STATUS).filter(([value]) => value !== "unknown").map(([value, label]) => ({ value, label }));
  if (name === "type") return plain((await call("tasks.get_types", { projects })).types);
  if (name === "tags") return plain((await call("projects.get_task_tags", { projects })).tags);
  if (name === "project") return (await findProjects("")).map((/** @type {any} */ one) => ({ value: one.id, label: one.name }));
  if (name === "user") return (await call("projects.get_user_names", { projects })).users.map((/** @type {any} */ one) => ({ value: one.id, label: one.name }));
  return (await call("projects.get_task_parents", { projects })).parents.map((/** @type {any} */ one) => ({ value: one.id, label: one.name }));
}

/** What ids in the address are called. @type {Map<string, string>} */
const named = new Map();

/** Learn the names of what is filtered by, for the chips. @param {string} project */
export async function learnNames(project) {
  for (const name of ["user", "parent", "project"]) {
    if (values(name).some((value) => !named.has(value))) for (const one of await choices(name, project)) named.set(one.value, one.label);
  }
}

/**
 * A panel of values to choose from.
 * @param {Element} anchor @param {string} name @param {string} label @param {string} project @param {() => void} changed
 */
export async function valuesPanel(anchor, name, label, project, changed) {
  const all = await attempt(() => choices(name, project));
  if (!all) return;
  for (const one of all) named.set(one.value, one.label);
  const wanted = new Set(values(name)), unwanted = new Set(name === "tags" ? values("notags") : []);
  const apply = () => {
    keepValues(name, [...wanted]);
    if (name === "tags") keepValues("notags", [...unwanted]);
    changed();
  };
  /** @param {Choice} one */
  const not = (one) => h("button", { type: "button", class: "not", "aria-pressed": String(unwanted.has(one.value)), "aria-label": `Without ${one.label}`, title: "Tasks without this tag", click: () => {
    if (!unwanted.delete(one.value)) unwanted.add(one.value);
    wanted.delete(one.value);
    draw();
    apply();
  } }, "not");
  const search = h("input", { class: "input", type: "search", placeholder: "Find", "aria-label": `Find ${label}`, input: () => draw() });
  const list = h("div", { class: "choice-list" });
  const draw = () => list.replaceChildren(...all.filter((one) => one.label.toLowerCase().includes(search.value.toLowerCase())).slice(0, 200).map((one) => {
    const change = (/** @type {any} */ event) => {
      if (event.target.checked) wanted.add(one.value);
      else wanted.delete(one.value);
      if (unwanted.delete(one.value)) draw();
      apply();
    };
    const label = h("label", { class: "check" }, h("input", { type: "checkbox", checked: wanted.has(one.value), change }), name === "tags" ? tagChip(one.label) : one.label);
    return name === "tags" ? h("div", { class: "choice-row" }, label, not(one)) : label;
  }));
  draw();
  const mode = name === "tags" && h("label", { class: "check" }, h("input", { type: "checkbox", checked: query().get("tagmode") === "all", change: (/** @type {any} */ event) => { keep({ tagmode: event.target.checked ? "all" : null }); changed(); } }), "All of them");
  const clear = button("Clear", () => { wanted.clear(); unwanted.clear(); draw(); apply(); }, { kind: "small" });
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

/**
 * A panel for a range of numbers or days.
 * @param {Element} anchor @param {string} label @param {string} field @param {() => void} changed
 * @param {{unit: "date" | "number", scale: number, hint: string}} [kind]
 */
export function rangePanel(anchor, label, field, changed, kind = { unit: "number", scale: 1, hint: "" }) {
  const shown = (/** @type {string} */ text) => (text && kind.scale !== 1 ? String(Number(text) / kind.scale) : text);
  const kept = (/** @type {string} */ text) => (text && kind.scale !== 1 ? String(Number(text) * kind.scale) : text);
  const [low, high] = (query().get(`range.${field}`) ?? "..").split("..").map(shown);
  const input = (/** @type {string} */ name, /** @type {string} */ value) => h("input", { class: "input", type: kind.unit, step: kind.unit === "number" ? "any" : null, value, "aria-label": name });
  const from = input("From", low), until = input("To", high);
  const set = (/** @type {string | null} */ range) => {
    keep({ [`range.${field}`]: range });
    closeMenu();
    changed();
  };
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    set(from.value || until.value ? `${kept(from.value)}..${kept(until.value)}` : null);
  };
  panelAt(anchor, h("form", { class: "filter-panel", submit }, h("p", { class: "quiet small" }, [label, kind.hint].filter(Boolean).join(" ")), h("div", { class: "range" }, from, "to", until),
    h("div", { class: "form-actions" }, h("button", { class: "button primary small" }, "Apply"), button("Clear", () => set(null), { kind: "small" }))), `Filter by ${label}`);
}

/** What a filter of the address narrows down, in words. @param {string} key @param {string} value */
function inWords(key, value) {
  const field = key.split(".").slice(1).join(".");
  const [name, kind] = Object.entries(RANGES).find(([, one]) => one.field === field) ?? [];
  const column = name ? FIXED[name] : columnByField(field);
  const label = column?.label ?? field.slice(0, 40);
  if (!key.startsWith("range.")) return `${label}: ${value.split(",").map(decodeURIComponent).join(", ")}`;
  const [low, high] = value.split("..").map((one) => (one && kind && kind.scale !== 1 ? `${Number(one) / kind.scale} min` : one));
  return `${label} ${[low && `from ${low}`, high && `to ${high}`].filter(Boolean).join(" ")}`;
}

/** A metric's or a hyperparameter's column among those shown. @param {string} field */
function columnByField(field) {
  return (query().get("cols") ?? "").split(",").map(columnOf).find((column) => column?.sort === field);
}

/** Chips of what is filtered, each of which can be taken away. @param {() => void} changed */
export function filterChips(changed) {
  const chips = [];
  for (const name of Object.keys(LISTS)) {
    for (const value of values(name)) {
      const label = name === "status" ? STATUS[value] ?? value : named.get(value) ?? value;
      chips.push(chip(`${name}: ${label}`, () => keepValues(name, values(name).filter((one) => one !== value))));
    }
  }
  for (const value of values("notags")) chips.push(chip(`without tag: ${value}`, () => keepValues("notags", values("notags").filter((one) => one !== value))));
  for (const [key, value] of query()) {
    if (/^(range|is)\./.test(key)) chips.push(chip(inWords(key, value), () => keep({ [key]: null })));
  }
  return chips;

  /** @param {string} text @param {() => void} drop */
  function chip(text, drop) {
    return h("span", { class: "chip", title: text }, h("span", { class: "ellipsis" }, text), h("button", { type: "button", "aria-label": `Remove filter ${text}`, click: () => { drop(); changed(); } }, "×"));
  }
}
