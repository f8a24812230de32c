// @ts-check
// One call for many tasks.

import { call } from "../core/api.js";
import { plural } from "../core/format.js";
import { toast } from "../widgets/toast.js";

/**
 * A call for many tasks that tells how many it did, and why not the others.
 * @param {string} endpoint @param {any[]} tasks @param {string} told @param {object} [more]
 */
export async function many(endpoint, tasks, told, more = {}) {
  const answer = await call(endpoint, { ids: tasks.map((task) => task.id), ...more });
  const failed = answer.failed ?? [];
  if (failed.length) throw new Error(`${failed.length} of ${tasks.length}: ${failed[0].error?.msg ?? "refused"}`);
  toast(tasks.length === 1 ? `${told} “${tasks[0].name}”.` : `${told} ${plural(tasks.length, "task")}.`);
  return answer;
}
