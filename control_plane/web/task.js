// @ts-check
// One task: what it ran, with what, and what came of it. Refreshed while it is not over.

import { call } from "./api.js";
import { curve, h, table, when } from "./dom.js";

const OVER = ["completed", "failed", "stopped", "published", "closed"];
const LINES = 2000;

/** @param {string} id @returns {Promise<{node: Node, isOver: boolean}>} */
export async function taskPage(id) {
  const [{ task }, scalars, log] = await Promise.all([
    call("tasks.get_by_id", { task: id }),
    call("events.scalar_metrics_iter_histogram", { task: id, samples: 200 }),
    call("events.get_task_log", { task: id, batch_size: LINES, order: "asc" }),
  ]);
  document.title = task.name;
  const node = h("article", {}, heading(task), execution(task), parameters(task), curves(scalars), outputs(task), consoleOf(log));
  return { node, isOver: OVER.includes(task.status) };
}

/** @param {any} task */
function heading(task) {
  const why = [task.status_reason, task.status_message].filter(Boolean).join(" — ");
  return h("section", {},
    h("h1", {}, task.name),
    h("p", {}, h("span", { class: `status ${task.status}` }, task.status), ` ${why}`),
    h("p", { class: "quiet" }, `${task.type} · ${task.id} · created ${when(task.created)}`));
}

/** @param {any} task */
function execution(task) {
  const script = task.script || {};
  const rows = [["repository", script.repository], ["commit", script.version_num], ["branch", script.branch],
    ["entry point", script.entry_point], ["working directory", script.working_dir], ["binary", script.binary]]
    .filter(([, value]) => value);
  return h("section", {}, h("h2", {}, "Execution"), table(["", ""], rows),
    script.diff ? h("details", {}, h("summary", {}, "Uncommitted changes"), h("pre", {}, script.diff)) : null);
}

/** @param {any} task */
function parameters(task) {
  const rows = Object.entries(task.hyperparams || {}).flatMap(([section, items]) =>
    Object.entries(items).map(([name, item]) => [section, name, item.value ?? ""]));
  return rows.length ? h("section", {}, h("h2", {}, "Hyperparameters"), table(["section", "name", "value"], rows)) : null;
}

/** @param {Record<string, Record<string, {y: number[]}>>} scalars */
function curves(scalars) {
  const rows = Object.entries(scalars).flatMap(([title, all]) => Object.entries(all).map(([series, { y }]) =>
    [title, series, curve(y), number(y[y.length - 1]), number(Math.min(...y)), number(Math.max(...y))]));
  return rows.length
    ? h("section", {}, h("h2", {}, "Scalars"), table(["title", "series", "", "last", "min", "max"], rows)) : null;
}

/** @param {any} task */
function outputs(task) {
  const rows = (task.execution?.artifacts || []).map((/** @type {any} */ a) => ["artifact", a.key, a.type, String(a.content_size ?? ""), a.uri || ""])
    .concat((task.models?.output || []).map((/** @type {any} */ m) => ["model", m.name, "", "", m.model]));
  return rows.length ? h("section", {}, h("h2", {}, "Artifacts and models"), table(["", "name", "type", "bytes", "where"], rows)) : null;
}

/** @param {any} log */
function consoleOf(log) {
  const text = log.events.map((/** @type {any} */ event) => event.msg.replace(/\n$/, "")).join("\n");
  return h("section", {}, h("h2", {}, "Console"),
    log.total > log.events.length ? h("p", { class: "quiet" }, `the newest ${log.events.length} of ${log.total} entries`) : null,
    h("pre", { class: "console" }, text));
}

/** @param {number} value */
function number(value) {
  return Number.isFinite(value) ? String(Number(value.toPrecision(6))) : String(value);
}
