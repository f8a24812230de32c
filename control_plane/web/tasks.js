// @ts-check
// The newest tasks of the server.

import { call } from "./api.js";
import { h, table, when } from "./dom.js";

export async function tasksPage() {
  const { tasks } = await call("tasks.get_all", {
    order_by: ["-last_update"], page: 0, page_size: 100,
    only_fields: ["id", "name", "status", "type", "project", "last_update", "last_iteration"],
  });
  document.title = "Tasks";
  if (!tasks.length) return h("p", {}, "No task yet. Run a script that calls Task.init and it will appear here.");
  return h("section", {}, h("h1", {}, "Tasks"), table(["name", "status", "type", "iteration", "last update"], tasks.map(row)));
}

/** @param {any} task */
function row(task) {
  const link = h("a", { href: `projects/${task.project || "*"}/tasks/${task.id}/output/log` }, task.name);
  return [link, h("span", { class: `status ${task.status}` }, task.status), task.type, task.last_iteration ?? "", when(task.last_update)];
}
