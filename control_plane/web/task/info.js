// @ts-check
// INFO: what there is to know about the task, and what happened to it: why it waits, why it stopped.

import { call } from "../core/api.js";
import { to } from "../core/address.js";
import { h } from "../core/dom.js";
import { STATUS, duration, number, runTime, when } from "../core/format.js";
import { mayWrite } from "../core/session.js";
import { facts, statusChip, timeText } from "../widgets/controls.js";
import { section } from "../widgets/section.js";
import { attempt } from "../widgets/toast.js";

/** @param {HTMLElement} element */
export function infoTab(element) {
  const comment = section({
    title: "Description", why: () => (mayWrite() ? null : "Your role may read only"), read: (task) => task.comment ?? "",
    view: (text) => (text ? h("p", { style: "white-space: pre-wrap" }, text) : h("p", { class: "quiet" }, "None.")),
    form: (text, task) => {
      const box = h("textarea", { class: "input", rows: 4, value: text, "aria-label": "Description" });
      return { node: box, save: async () => { await call("tasks.update", { task: task.id, comment: box.value }); } };
    },
  });
  const details = section({
    title: "Details", read: (task) => ({ ...task, hyperparams: null, configuration: null, last_metrics: null, script: null, models: null, execution: { queue: task.execution?.queue } }),
    view: (task) => facts([
      ["ID", h("code", {}, task.id)], ["Type", task.type?.replaceAll("_", " ")], ["Status", statusChip(task.status)], ["Reason", task.status_reason], ["Message", task.status_message],
      ["Project", task.project?.name], ["User", task.user?.name], ["Parent", task.parent?.id ? h("a", { href: to(["projects", "*", "tasks", task.parent.id, "execution"]) }, task.parent.name ?? task.parent.id) : ""],
      ["Created", when(task.created)], ["Started", when(task.started)], ["Completed", when(task.completed)], ["Published", when(task.published)], ["Last update", when(task.last_update)],
      ["Run time", duration(runTime(task))], ["Iteration", number(task.last_iteration)], ["Queue", task.execution?.queue?.id ? h("a", { href: to(["workers-and-queues", "queues"], { queue: task.execution.queue.id }) }, task.execution.queue.name ?? task.execution.queue.id) : ""],
      ["Worker", task.last_worker ? h("a", { href: to(["workers-and-queues", "workers"], { worker: task.last_worker }) }, task.last_worker) : ""],
    ]),
  });
  const runtime = section({
    title: "Runtime", read: (task) => task.runtime ?? {},
    view: (all) => (Object.keys(all).length ? facts(Object.entries(all).map(([name, value]) => [name, typeof value === "object" ? JSON.stringify(value) : String(value)])) : h("p", { class: "quiet" }, "Nothing recorded.")),
  });
  const why = h("div", {});
  const list = h("ol", { class: "history", "aria-label": "History" });
  const history = h("section", { class: "section", "aria-label": "History" }, h("header", { class: "section-head" }, h("h3", {}, "History")), h("div", { class: "section-body" }, why, list));
  element.replaceChildren(h("div", { class: "two" }, h("div", { class: "stack" }, comment.node, details.node), h("div", { class: "stack" }, history, runtime.node)));
  let shown = "";

  /** @param {any} task */
  async function loadHistory(task) {
    const key = `${task.status} ${task.status_changed}`;
    if (key === shown) return;
    shown = key;
    const { operations } = await call("tasks.get_history", { task: task.id });
    const { users } = await call("users.get_all_ex", { only_fields: ["id", "name"] });
    const names = new Map(users.map((/** @type {any} */ one) => [one.id, one.name]));
    list.replaceChildren(...operations.toReversed().map((/** @type {any} */ one) => event(one, names)));
    why.replaceChildren(...(await reason(task)).map((text) => h("p", { class: "warning" }, text)));
  }

  return {
    update: (/** @type {any} */ task) => {
      [comment, details, runtime].forEach((part) => part.update(task));
      attempt(() => loadHistory(task));
    },
  };
}

/** @param {any} one @param {Map<string, string>} names of users */
function event(one, names) {
  const who = one.actor === "worker" ? one.worker || "the run itself" : one.actor === "server" ? "the server" : names.get(one.user) ?? "somebody";
  const text = one.from === one.to ? STATUS[one.to] ?? one.to : `${STATUS[one.from] ?? one.from} → ${STATUS[one.to] ?? one.to}`;
  return h("li", {}, h("div", {}, h("strong", {}, text), h("span", { class: "quiet" }, " · ", timeText(one.timestamp), ` · ${one.operation || "unasked"} by ${who}`),
    [one.reason, one.message].filter(Boolean).map((line) => h("p", { class: "small" }, line))));
}

/** Why it waits, in words. @param {any} task @returns {Promise<string[]>} */
async function reason(task) {
  if (task.status !== "queued" || !task.execution?.queue?.id) return [];
  const queue = task.execution.queue;
  const [{ queues }, { workers }] = await Promise.all([call("queues.get_all_ex", { id: [queue.id], only_fields: ["id", "name", "entries"] }), call("workers.get_all", { last_seen: 0 })]);
  const entries = queues[0]?.entries ?? [];
  const place = entries.findIndex((/** @type {any} */ one) => (one.task?.id ?? one.task) === task.id);
  const serving = workers.filter((/** @type {any} */ worker) => (worker.queues ?? []).some((/** @type {any} */ one) => one.id === queue.id));
  const busy = serving.filter((/** @type {any} */ worker) => worker.task).length;
  const lines = [place >= 0 ? `It waits at place ${place + 1} of ${entries.length} in “${queue.name}”.` : `It waits in “${queue.name}”.`];
  if (!serving.length) lines.push("No worker watches this queue: start an agent on it, or move the task to another.");
  else lines.push(`${serving.length} worker${serving.length === 1 ? "" : "s"} watch${serving.length === 1 ? "es" : ""} it, ${busy} of them busy.`);
  return lines;
}
