// @ts-check
// What pickers find, and small questions that several pages ask.

import { call } from "./api.js";

/** A text as a regular expression that finds it as it is. @param {string} text */
export function literal(text) {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

/** @param {string} text */
export async function findProjects(text) {
  const where = text ? { _any_: { fields: ["name"], pattern: literal(text) } } : {};
  const { projects } = await call("projects.get_all_ex", { ...where, order_by: ["name"], page: 0, page_size: 50, only_fields: ["id", "name"], shallow_search: false });
  return projects.map((/** @type {any} */ one) => ({ id: one.id, name: one.name }));
}

/** Queues, and how many workers watch each. @param {string} text */
export async function findQueues(text) {
  const [{ queues }, watched] = await Promise.all([
    call("queues.get_all_ex", { order_by: ["name"], page: 0, page_size: 200, only_fields: ["id", "name", "display_name", "system_tags"] }),
    watchers(),
  ]);
  return queues.filter((/** @type {any} */ one) => one.name.toLowerCase().includes(text.toLowerCase())).map((/** @type {any} */ one) => {
    const count = watched.get(one.id) ?? 0;
    return { id: one.id, name: one.name, note: count ? `${count} worker${count === 1 ? "" : "s"}` : "no worker", isDefault: one.system_tags?.includes("default") };
  });
}

/** How many living workers watch each queue. @returns {Promise<Map<string, number>>} */
export async function watchers() {
  const { workers } = await call("workers.get_all", { last_seen: 0 });
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const worker of workers) for (const queue of worker.queues ?? []) counts.set(queue.id, (counts.get(queue.id) ?? 0) + 1);
  return counts;
}

/** @param {string} text @param {string | null} project first those of this project */
export async function findModels(text, project = null) {
  const where = text ? { _any_: { fields: ["name", "id"], pattern: literal(text) } } : {};
  const fields = ["id", "name", "project.name", "framework", "created"];
  const query = { ...where, system_tags: ["-archived"], order_by: ["-last_update"], page: 0, page_size: 30, only_fields: fields };
  const [near, all] = await Promise.all([project ? call("models.get_all_ex", { ...query, project: [project] }) : { models: [] }, call("models.get_all_ex", query)]);
  const seen = new Set();
  return [...near.models, ...all.models].filter((one) => !seen.has(one.id) && seen.add(one.id))
    .map((one) => ({ id: one.id, name: one.name, note: [one.project?.name, one.framework].filter(Boolean).join(" · ") }));
}

/** @param {string} text */
export async function findTasks(text) {
  const where = text ? { _any_: { fields: ["name", "id"], pattern: literal(text) } } : {};
  const { tasks } = await call("tasks.get_all_ex", { ...where, system_tags: ["-archived"], order_by: ["-last_update"], page: 0, page_size: 30, only_fields: ["id", "name", "project.name", "status"] });
  return tasks.map((/** @type {any} */ one) => ({ id: one.id, name: one.name, note: one.project?.name }));
}
