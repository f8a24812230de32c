// @ts-check
// The table's question, from the address: what is filtered, sorted and shown.

import { keep, query } from "../core/address.js";
import { ALWAYS, DEFAULT, columnOf } from "./columns.js";

const REMEMBERED = "clearml.columns";
/** Filters that are lists of values, by their name in the address and in the question. */
export const LISTS = /** @type {const} */ ({ status: "status", type: "type", tags: "tags", user: "user", parent: "parent" });

/** The columns that are chosen. */
export function columns() {
  const keys = (query().get("cols") ?? localStorage.getItem(REMEMBERED) ?? DEFAULT.join(",")).split(",");
  return /** @type {import("./columns.js").TaskColumn[]} */ (keys.map(columnOf).filter(Boolean));
}

/** @param {string[]} keys */
export function keepColumns(keys) {
  localStorage.setItem(REMEMBERED, keys.join(","));
  keep({ cols: keys.join(",") === DEFAULT.join(",") ? null : keys.join(",") });
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
    if (wanted.length) asked[field] = name === "tags" && state.get("tagmode") === "all" ? ["__$all", ...wanted] : wanted;
  }
  const text = state.get("q");
  if (text) asked._any_ = { fields: ["name", "id", "comment", "tags", "project.name"].slice(0, 4), pattern: state.get("regex") ? text : text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&") };
  for (const [key, value] of state) {
    if (key.startsWith("range.")) {
      const [low, high] = value.split("..");
      asked[key.slice(6)] = [low === "" ? null : low, high === "" ? null : high];
    } else if (key.startsWith("is.")) asked[key.slice(3)] = value.split(",").map(decodeURIComponent);
  }
  return asked;
}

/** Whether anything narrows the table down. */
export function isFiltered() {
  return [...query().keys()].some((key) => key === "q" || key in LISTS || key.startsWith("range.") || key.startsWith("is."));
}

/** The fields that the columns need. @param {import("./columns.js").TaskColumn[]} shown */
export function fields(shown) {
  return [...new Set([...ALWAYS, ...shown.flatMap((column) => column.fields)])];
}
