// @ts-check
// "Enqueue": which queue, and whether anybody watches it.

import { findQueues } from "../core/finders.js";
import { h } from "../core/dom.js";
import { plural } from "../core/format.js";
import { field } from "../widgets/controls.js";
import { ask } from "../widgets/dialog.js";
import { picker } from "../widgets/picker.js";
import { many } from "../tasks/many.js";

/** @param {any[]} tasks */
export async function enqueueDialog(tasks) {
  const queues = await findQueues("");
  const preset = queues.find((/** @type {any} */ queue) => queue.isDefault) ?? queues[0] ?? null;
  const warning = h("p", { class: "warning", role: "status" });
  const warn = (/** @type {any} */ choice) => {
    const isAlone = choice && choice.note === "no worker";
    warning.textContent = isAlone ? `No worker watches “${choice.name}”: the task waits until one does.` : "";
    warning.hidden = !isAlone;
  };
  const queue = picker({ label: "Queue", find: findQueues, chosen: preset, onChoose: warn });
  warn(preset);
  await ask({
    title: tasks.length === 1 ? "Enqueue task" : `Enqueue ${plural(tasks.length, "task")}`,
    body: [h("p", { class: "quiet" }, tasks.length === 1 ? tasks[0].name : ""), field("Queue", queue.node), warning], action: "Enqueue",
    run: async () => {
      const { id, name } = queue.value();
      if (!id) throw new Error(name ? `There is no queue “${name}”: choose one of the list.` : "Choose a queue.");
      await many("tasks.enqueue_many", tasks, `Enqueued on “${name}”:`, { queue: id, verify_watched_queue: true });
    },
  });
}
