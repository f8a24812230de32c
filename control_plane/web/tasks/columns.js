// @ts-check
// The columns of the task table: those that every task has, and those for metrics and hyperparameters.

import { h } from "../core/dom.js";
import { duration, number, runTime } from "../core/format.js";
import { statusChip, tagsCell, timeText } from "../widgets/controls.js";

/** @typedef {import("../widgets/grid.js").Column & {fields: string[]}} TaskColumn */

/** @type {Record<string, TaskColumn>} */
export const FIXED = {
  type: { id: "type", isWide: true, label: "Type", width: 120, fields: ["type"], sort: "type", cell: (task) => task.type?.replaceAll("_", " ") },
  name: { id: "name", label: "Name", width: 245, grows: true, fields: ["name", "project.id"], sort: "name", cell: nameCell },
  tags: { id: "tags", isWide: true, label: "Tags", width: 150, fields: ["tags"], cell: (task) => tagsCell(task.tags ?? []) },
  status: { id: "status", isWide: true, label: "Status", width: 140, fields: ["status", "runtime.progress"], sort: "status", cell: statusCell },
  project: { id: "project", label: "Project", width: 180, fields: ["project.name"], sort: "project.name", cell: (task) => task.project?.name ?? "" },
  user: { id: "user", isWide: true, label: "User", width: 105, fields: ["user.name"], sort: "user.name", cell: (task) => task.user?.name ?? "" },
  started: { id: "started", label: "Started", width: 100, fields: ["started"], sort: "started", cell: (task) => timeText(task.started) },
  updated: { id: "updated", label: "Updated", width: 100, fields: ["last_update"], sort: "last_update", cell: (task) => timeText(task.last_update) },
  created: { id: "created", label: "Created", width: 110, fields: ["created"], sort: "created", cell: (task) => timeText(task.created) },
  iteration: { id: "iteration", label: "Iteration", width: 95, isNumber: true, fields: ["last_iteration"], sort: "last_iteration", cell: (task) => number(task.last_iteration) },
  runtime: { id: "runtime", label: "Run time", width: 95, isNumber: true, fields: ["started", "completed", "active_duration"], sort: "active_duration", cell: (task) => duration(runTime(task)) },
  parent: { id: "parent", label: "Parent", width: 160, fields: ["parent.name"], cell: (task) => task.parent?.name ?? "" },
  comment: { id: "comment", label: "Description", width: 220, fields: ["comment"], sort: "comment", cell: (task) => task.comment ?? "" },
};
export const DEFAULT = ["name", "tags", "status", "type", "user", "started", "updated", "iteration", "runtime"];
/** Read for every row: what actions look at. */
export const ALWAYS = ["id", "name", "type", "status", "system_tags", "project.id", "project.name"];

/** @param {any} task */
function nameCell(task) {
  return h("span", { class: "task-name ellipsis", title: task.name }, task.name);
}

/** @param {any} task */
function statusCell(task) {
  const progress = task.status === "in_progress" && task.runtime?.progress;
  return [statusChip(task.status), progress ? h("span", { class: "quiet small progress" }, `${progress}%`) : null];
}

/** Beside charts: what a task is called and how it stands first, with the colour of its curves. @param {TaskColumn[]} columns @param {Map<string, string>} colours */
export function besideCharts(columns, colours) {
  const swatch = (/** @type {any} */ task) => h("span", { class: "swatch", style: `--colour: ${colours.get(task.id) ?? "transparent"}` });
  const first = ["name", "status"].flatMap((id) => columns.filter((column) => column.id === id));
  return [...first, ...columns.filter((column) => !first.includes(column))].map((column) => (column.id === "name" ? { ...column, cell: (/** @type {any} */ task) => [swatch(task), nameCell(task)] } : column));
}

const VALUES = { value: "last", min_value: "min", max_value: "max" };

/**
 * A column by what the address calls it: a name of `FIXED`, "m.<metric hash>.<variant hash>.<value>.<label>", or
 * "h.<section>.<name>".
 * @param {string} key @returns {TaskColumn | null}
 */
export function columnOf(key) {
  if (FIXED[key]) return FIXED[key];
  const [kind, ...rest] = key.split(".");
  if (kind === "m" && rest.length >= 4) {
    const [metric, variant, value] = rest;
    const field = `last_metrics.${metric}.${variant}`;
    const label = `${decodeURIComponent(rest.slice(3).join("."))} ${VALUES[/** @type {keyof typeof VALUES} */ (value)] ?? value}`;
    return { id: key, label, width: 140, isNumber: true, fields: [field], sort: `${field}.${value}`, cell: (task) => number(task.last_metrics?.[metric]?.[variant]?.[value]) };
  }
  if (kind === "h" && rest.length >= 2) {
    const section = rest[0], name = rest.slice(1).join(".");
    const field = `hyperparams.${escaped(section)}.${escaped(name)}`;
    return { id: key, label: name, hint: `${section}/${name}`, width: 140, fields: [field], sort: `${field}.value`, cell: (task) => task.hyperparams?.[section]?.[name]?.value ?? "" };
  }
  return null;
}

/** A name as a part of a path. @param {string} name */
export function escaped(name) {
  return name.replaceAll("%", "%%").replaceAll(".", "%2E").replaceAll("$", "%24");
}

/** Hyperparameters and metrics in these tasks, as columns to choose from. @param {any[]} parameters @param {any[]} metrics */
export function customColumns(parameters, metrics) {
  return {
    hyperparameters: parameters.map((one) => ({ key: `h.${one.section}.${one.name}`, label: `${one.section}/${one.name}` })),
    metrics: metrics.flatMap((one) => Object.entries(VALUES).map(([value, word]) => ({
      key: `m.${one.metric_hash}.${one.variant_hash}.${value}.${encodeURIComponent(`${one.metric}/${one.variant}`)}`,
      label: `${one.metric}/${one.variant} (${word})`,
    }))),
  };
}
