// @ts-check
// What can be done with tasks, and why not: one table for the menu of a row, the bar of many, and the page of one.

import { call, save } from "../core/api.js";
import { plural } from "../core/format.js";
import { mayWrite } from "../core/session.js";
import { attempt, toast } from "../widgets/toast.js";
import { cloneDialog } from "../dialogs/clone.js";
import { enqueueDialog } from "../dialogs/enqueue.js";
import { deleteDialog } from "../dialogs/remove.js";
import { moveDialog, tagsDialog } from "../dialogs/organize.js";
import { ask } from "../widgets/dialog.js";
import { many } from "./many.js";

/**
 * @typedef {{name: string, label: string, icon: string, why: (task: any) => string | null, danger?: boolean, single?: boolean, readsOnly?: boolean, isFor?: (task: any) => boolean,
 *   run: (tasks: any[]) => Promise<any>}} Action `why`: why it cannot be done with this task now, or null
 */

/** @param {string[]} statuses @param {string} reason */
const only = (statuses, reason) => (/** @type {any} */ task) => (statuses.includes(task.status) ? null : reason);
const isArchived = (/** @type {any} */ task) => (task.system_tags ?? []).includes("archived");

/** Tasks that start others. */
const PARENTS = ["controller", "optimizer"];

/** @type {Action[]} */
export const ACTIONS = [
  { name: "clone", label: "Clone", icon: "clone", single: true, why: () => null, run: ([task]) => cloneDialog(task) },
  { name: "enqueue", label: "Enqueue", icon: "play", why: only(["created", "stopped", "failed"], "Only drafts, aborted and failed tasks can be enqueued"), run: enqueueDialog },
  { name: "dequeue", label: "Dequeue", icon: "left", why: only(["queued"], "It is in no queue"), run: (tasks) => many("tasks.dequeue_many", tasks, "Dequeued") },
  { name: "abort", label: "Abort", icon: "stop", why: only(["in_progress", "queued"], "It neither runs nor waits"), run: abort },
  { name: "children", label: "Abort children", icon: "stop", single: true, isFor: (task) => PARENTS.includes(task.type), why: () => null, run: ([task]) => abortChildren(task) },
  { name: "reset", label: "Reset", icon: "reset", why: resettable, run: reset },
  { name: "publish", label: "Publish", icon: "publish", why: only(["completed", "stopped", "failed", "closed"], "Only tasks that have ended can be published"), run: publish },
  { name: "tags", label: "Add tag", icon: "tag", why: () => null, run: tagsDialog },
  { name: "move", label: "Move to project", icon: "move", why: () => null, run: moveDialog },
  { name: "archive", label: "Archive", icon: "archive", why: (task) => (isArchived(task) ? "It is archived already" : null), run: archive },
  { name: "restore", label: "Restore", icon: "reset", why: (task) => (isArchived(task) ? null : "It is not archived"), run: (tasks) => many("tasks.unarchive_many", tasks, "Restored") },
  { name: "json", label: "Save as JSON", icon: "download", single: true, readsOnly: true, why: () => null, run: ([task]) => saveJson(task) },
  { name: "delete", label: "Delete", icon: "trash", danger: true, why: (task) => (task.status === "in_progress" ? "It is running: abort it first" : null), run: deleteDialog },
];

/** @param {any} task */
function resettable(task) {
  if (["published", "publishing"].includes(task.status)) return "Published tasks are read-only";
  if (task.status === "created") return "It is a draft already";
  return ["in_progress", "queued"].includes(task.status) ? "It runs or waits: abort or dequeue it first" : null;
}

/** Why this user, or the task's state, does not allow it. @param {Action} action @param {any} task */
export function whyNot(action, task) {
  return mayWrite() || action.readsOnly ? action.why(task) : "Your role may read only";
}

/** The entries of a task's menu. @param {any} task @param {(name: string) => void} [done] */
export function menuItems(task, done = () => {}) {
  return ACTIONS.filter((action) => action.isFor?.(task) ?? true).filter((action) => (action.name === "restore") !== !isArchived(task) || !["archive", "restore"].includes(action.name))
    .filter((action) => !(action.name === "archive" && isArchived(task)) && !(action.name === "restore" && !isArchived(task)))
    .map((action) => ({
      label: action.label + (["clone", "enqueue", "tags", "move", "delete", "reset", "publish", "children"].includes(action.name) ? "…" : ""),
      icon: action.icon, why: whyNot(action, task), danger: action.danger,
      run: () => attempt(async () => { await action.run([task]); done(action.name); }),
    }));
}

/** @param {any[]} tasks */
async function abort(tasks) {
  await many("tasks.stop_many", tasks, "Aborting", { status_reason: "Aborted by the user" });
}

/** @param {any[]} tasks */
async function archive(tasks) {
  await many("tasks.archive_many", tasks, "Archived");
}

/** @param {any[]} tasks */
function reset(tasks) {
  const text = `What ${tasks.length === 1 ? `“${tasks[0].name}”` : plural(tasks.length, "task")} recorded – console, scalars, plots, artifacts and output models – is deleted, and it becomes a draft again.`;
  return ask({ title: "Reset", body: text, action: "Reset", danger: true, run: () => many("tasks.reset_many", tasks, "Reset", { delete_output_models: true }) });
}

/** @param {any[]} tasks */
function publish(tasks) {
  const text = `${tasks.length === 1 ? `“${tasks[0].name}”` : plural(tasks.length, "task")} and the output models become read-only, for good.`;
  return ask({ title: "Publish", body: text, action: "Publish", run: () => many("tasks.publish_many", tasks, "Published", { publish_model: true }) });
}

/** @param {any} task */
async function abortChildren(task) {
  const { tasks } = await call("tasks.get_all_ex", { parent: [task.id], status: ["in_progress", "queued"], search_hidden: true, page: 0, page_size: 500, only_fields: ["id", "name"] });
  if (!tasks.length) {
    toast("None of the tasks that it started runs or waits.");
    return;
  }
  await ask({ title: "Abort children", body: `${plural(tasks.length, "task")} that “${task.name}” started ${tasks.length === 1 ? "is" : "are"} aborted. It goes on itself.`, action: "Abort", danger: true, run: () => abort(tasks) });
}

/** @param {any} task */
async function saveJson(task) {
  const answer = await call("tasks.get_by_id", { task: task.id });
  save(new Blob([JSON.stringify(answer.task, null, 2)], { type: "application/json" }), `${task.name}.json`);
}
