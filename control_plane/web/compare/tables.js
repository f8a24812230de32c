// @ts-check
// Values of several tasks or models beside each other, with those marked that differ.

import { h } from "../core/dom.js";
import { STATUS, duration, runTime, when } from "../core/format.js";
import { emptyState } from "../widgets/controls.js";
import { go } from "../core/router.js";
import { packages, sectionNames } from "../task/state.js";
import { TASKS } from "./kinds.js";

/** @typedef {{group: string, rows: {name: string, values: string[]}[]}} Group */

/**
 * The first is what the others are compared to: their values that are not the same as its are marked.
 * @param {any[]} things @param {Group[]} groups @param {boolean} onlyDiffering @param {{areNumbers?: boolean, kind?: import("./kinds.js").Kind}} [options]
 */
export function sideBySide(things, groups, onlyDiffering, { areNumbers = false, kind = TASKS } = {}) {
  const heading = (/** @type {any} */ one, /** @type {number} */ index) => h("th", { scope: "col", class: areNumbers ? "number" : null },
    h("a", { href: kind.href(one) }, one.name), h("div", { class: "compare-head" }, kind.status(one),
      index ? h("button", { type: "button", class: "link small", title: `Compare the others to ${one.name}`, click: () => rebase(things, one.id) }, "make base") : h("span", { class: "quiet small" }, "base")));
  const cell = (/** @type {string} */ value, /** @type {string} */ base) => h("td", { class: `${value === base ? "same" : "differs"}${areNumbers ? " number" : ""}${value.includes("\n") ? " text" : ""}` }, value || h("span", { class: "quiet" }, "–"));
  const body = groups.flatMap(({ group, rows }) => {
    const shown = rows.filter((row) => !onlyDiffering || differs(row.values));
    return shown.length ? [h("tr", { class: "group" }, h("th", { colspan: things.length + 1, scope: "colgroup" }, group)), ...shown.map((row) => h("tr", { "data-name": row.name }, h("th", { scope: "row" }, row.name), row.values.map((value) => cell(value, row.values[0]))))] : [];
  });
  if (!body.length) return emptyState(onlyDiffering ? "Nothing differs." : "There is nothing to compare here.");
  return h("div", { class: "compare-scroll" }, h("table", { class: "compare" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, h("span", { class: "visually-hidden" }, "Name")), things.map(heading))), h("tbody", {}, body)));
}

/** Put one first. @param {any[]} things @param {string} id */
function rebase(things, id) {
  const address = new URL(location.href);
  address.searchParams.set("ids", [id, ...things.map((one) => one.id).filter((one) => one !== id)].join(","));
  go(address.href);
}

/** The tables as a file. @param {any[]} things @param {Group[]} groups */
export function csvOf(things, groups) {
  const line = (/** @type {string[]} */ cells) => cells.map((cell) => `"${cell.replaceAll('"', '""')}"`).join(",");
  return [line(["group", "name", ...things.map((one) => one.name)]), ...groups.flatMap(({ group, rows }) => rows.map((row) => line([group, row.name, ...row.values])))].join("\r\n") + "\r\n";
}

/** @param {string[]} values */
export function differs(values) {
  return new Set(values).size > 1;
}

/** @param {any[]} tasks @param {boolean} onlyDiffering */
export function detailsView(tasks, onlyDiffering) {
  const row = (/** @type {string} */ name, /** @type {(task: any) => any} */ read) => ({ name, values: tasks.map((task) => String(read(task) ?? "")) });
  const names = [...new Set(tasks.flatMap((task) => (task.execution?.artifacts ?? []).map((/** @type {any} */ one) => one.key)))];
  const groups = [
    { group: "Task", rows: [row("Project", (task) => task.project?.name), row("Type", (task) => task.type), row("Status", (task) => STATUS[task.status] ?? task.status), row("User", (task) => task.user?.name), row("Tags", (task) => (task.tags ?? []).join(", ")), row("Started", (task) => when(task.started)), row("Run time", (task) => duration(runTime(task))), row("Iteration", (task) => task.last_iteration), row("Description", (task) => task.comment)] },
    { group: "Source code", rows: ["repository", "branch", "version_num", "tag", "entry_point", "working_dir", "binary"].map((name) => row(name.replaceAll("_", " "), (task) => task.script?.[name])) },
    { group: "Packages", rows: packageRows(tasks) },
    { group: "Uncommitted changes", rows: [row("Changes", (task) => task.script?.diff)] },
    { group: "Container", rows: ["image", "arguments", "setup_shell_script"].map((name) => row(name.replaceAll("_", " "), (task) => task.container?.[name])) },
    { group: "Artifacts", rows: names.map((name) => row(name, (task) => (task.execution?.artifacts ?? []).find((/** @type {any} */ one) => one.key === name)?.hash?.slice(0, 12))) },
  ];
  return { node: sideBySide(tasks, groups, onlyDiffering), groups: () => groups, start: undefined, leave: undefined };
}

/** @param {any[]} tasks */
function packageRows(tasks) {
  const split = tasks.map((task) => new Map(packages(task.script?.requirements?.pip).split("\n").map((line) => line.trim()).filter((line) => line && !line.startsWith("#")).map((line) => {
    const at = line.search(/[\s=<>!~@;[]/);
    return at < 0 ? [line, "any"] : [line.slice(0, at), line.slice(at).trim()];
  })));
  return [...new Set(split.flatMap((one) => [...one.keys()]))].sort().map((name) => ({ name, values: split.map((one) => String(one.get(name) ?? "")) }));
}

/** @param {any[]} tasks @param {boolean} onlyDiffering */
export function parametersView(tasks, onlyDiffering) {
  const sections = sectionNames(tasks.flatMap((task) => Object.keys(task.hyperparams ?? {})));
  const groups = sections.map((section) => {
    const names = [...new Set(tasks.flatMap((task) => Object.keys(task.hyperparams?.[section] ?? {})))].sort();
    return { group: section, rows: names.map((name) => ({ name, values: tasks.map((task) => String(task.hyperparams?.[section]?.[name]?.value ?? "")) })) };
  });
  return { node: sideBySide(tasks, groups, onlyDiffering), groups: () => groups, start: undefined, leave: undefined };
}
