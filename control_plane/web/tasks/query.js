// @ts-check
// The table's question, from the address: what is filtered, sorted and shown.

import { keep, query, words } from "../core/address.js";
import { prefer, preference } from "../core/preferences.js";
import { ALWAYS, DEFAULT, columnOf } from "./columns.js";

/** Filters that are lists of values, by their name in the address and in the question. */
export const LISTS = /** @type {const} */ ({ status: "status", type: "type", tags: "tags", user: "user", parent: "parent", project: "project" });
/** Columns of numbers and times that are filtered by a range: in which unit people type it, and how much of it that is. */
export const RANGES = /** @type {Record<string, {field: string, unit: "date" | "number", scale: number, hint: string}>} */ ({
  started: { field: "started", unit: "date", scale: 1, hint: "" }, updated: { field: "last_update", unit: "date", scale: 1, hint: "" }, created: { field: "created", unit: "date", scale: 1, hint: "" },
  iteration: { field: "last_iteration", unit: "number", scale: 1, hint: "" }, runtime: { field: "active_duration", unit: "number", scale: 60, hint: "in minutes" },
});

/** Among the tasks of all projects one wants to see which is whose. @returns {string[]} */
export function usualColumns() {
  return words()[1] === "*" ? [DEFAULT[0], "project", ...DEFAULT.slice(1)] : DEFAULT;
}

/** The columns that are chosen. */
export function columns() {
  const keys = (query().get("cols") ?? preference("columns") ?? usualColumns().join(",")).split(",");
  const widths = preference("widths") ?? {};
  const known = /** @type {import("./columns.js").TaskColumn[]} */ (keys.map(columnOf).filter(Boolean));
  return known.map((column) => (widths[column.id] ? { ...column, width: widths[column.id], grows: false } : column));
}

/** @param {string[]} keys */
export function keepColumns(keys) {
  const isUsual = keys.join(",") === usualColumns().join(",");
  prefer("columns", isUsual ? null : keys.join(","));
  keep({ cols: isUsual ? null : keys.join(",") });
}

const NEVER = "1970-01-01T00:00:00Z";

/** A width that somebody gave a column. @param {import("../widgets/grid.js").Column} column @param {number} width */
export function keepWidth(column, width) {
  prefer("widths", { ...preference("widths"), [column.id]: Math.round(width) });
}

/** @returns {string[]} */
export function order() {
  return (query().get("sort") ?? "-last_update").split(",").filter(Boolean);
}

/** Sort by another field; again turns round, a third time ends it. @param {string} field @param {boolean} adds */
export function sortBy(field, adds) {
  const now = order();
  const was = now.find((one) => one.replace(/^-/, "") === field);
  const next = was === undefined ? field : was === field ? `-${field}` : null;
  const others = adds ? now.filter((one) => one !== was) : [];
  keep({ sort: [...others, ...(next ? [next] : [])].join(",") || null });
}

/** @param {string} name @returns {string[]} */
export function values(name) {
  return (query().get(name) ?? "").split(",").filter(Boolean).map(decodeURIComponent);
}

/** @param {string} name @param {string[]} wanted */
export function keepValues(name, wanted) {
  keep({ [name]: wanted.map(encodeURIComponent).join(",") });
}

/** Which tasks: everything but order, paging and fields. @param {string} project */
export function where(project) {
  const state = query();
  /** @type {Record<string, any>} */
  const asked = { system_tags: state.get("archived") ? ["archived"] : ["-archived"] };
  if (project !== "*") Object.assign(asked, { project: [project], include_subprojects: true, search_hidden: true });
  for (const [name, field] of Object.entries(LISTS)) {
    const wanted = values(name);
    if (name === "tags") Object.assign(asked, tagsAsked(wanted));
    else if (wanted.length && (name !== "project" || project === "*")) asked[field] = wanted;
  }
  if (asked.project) asked.include_subprojects = true;
  const text = state.get("q");
  if (text) asked._any_ = { fields: ["name", "id", "comment", "tags", "project.name"].slice(0, 4), pattern: state.get("regex") ? text : text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&") };
  for (const [key, value] of state) {
    if (key.startsWith("range.")) {
      const [low, high] = value.split("..");
      const field = key.slice(6);
      const isDate = Object.values(RANGES).some((one) => one.field === field && one.unit === "date");
      asked[field] = isDate ? dates(field, low, high) : [low === "" ? null : low, high === "" ? null : high];
    } else if (key.startsWith("is.")) asked[key.slice(3)] = value.split(",").map(decodeURIComponent);
  }
  return asked;
}

/** Any of these tags, or all of them, and none of those. @param {string[]} wanted */
function tagsAsked(wanted) {
  const without = values("notags");
  if (!wanted.length && !without.length) return {};
  const isAll = query().get("tagmode") === "all";
  const all = { ...(isAll && wanted.length ? { include: wanted } : {}), ...(without.length ? { exclude: without } : {}) };
  return { filters: { tags: { ...(!isAll && wanted.length ? { any: { include: wanted } } : {}), ...(Object.keys(all).length ? { all } : {}), op: "and" } } };
}

/** Days as moments, from the first's beginning to the last's end by the person's clock. @param {string} field @param {string} low @param {string} high */
function dates(field, low, high) {
  const at = (/** @type {string} */ day, /** @type {string} */ time) => new Date(`${day}T${time}`).toISOString();
  const from = low ? at(low, "00:00:00") : null, until = high ? at(high, "23:59:59.999") : null;
  if (field === "last_update") return [from && `>=${from}`, until && `<=${until}`].filter(Boolean);
  return [from ?? NEVER, until]; // an open beginning would let tasks without the date in
}

/** What narrows the table down, by its names in the address. */
export function filters() {
  return [...query().keys()].filter((key) => key === "q" || key === "notags" || key in LISTS || key.startsWith("range.") || key.startsWith("is."));
}

/** The fields that the columns need. @param {import("./columns.js").TaskColumn[]} shown */
export function fields(shown) {
  return [...new Set([...ALWAYS, ...shown.flatMap((column) => column.fields)])];
}
