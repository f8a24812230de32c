// @ts-check
// "New run" of a pipeline: with other arguments, in a queue.

import { call } from "../core/api.js";
import { to } from "../core/address.js";
import { findQueues } from "../core/finders.js";
import { h } from "../core/dom.js";
import { go } from "../core/router.js";
import { field } from "../widgets/controls.js";
import { ask } from "../widgets/dialog.js";
import { picker } from "../widgets/picker.js";
import { toast } from "../widgets/toast.js";

const USUAL = "services";

/** @param {string} id of the run whose code and arguments it begins with */
export async function runPipelineDialog(id) {
  const [{ tasks: [task] }, queues] = await Promise.all([call("tasks.get_all_ex", { id: [id], search_hidden: true, only_fields: ["id", "name", "project.id", "hyperparams.Args"] }), findQueues("")]);
  if (!task) throw new Error("This run was deleted.");
  const queue = picker({ label: "Queue", find: findQueues, chosen: queues.find((/** @type {any} */ one) => one.name === USUAL) ?? queues.find((/** @type {any} */ one) => one.isDefault) ?? null });
  const inputs = Object.values(task.hyperparams?.Args ?? {}).map((/** @type {any} */ one) => ({ one, input: h("input", { class: "input", type: "text", value: one.value ?? "" }) }));
  await ask({
    title: `Run “${task.name}” again`, action: "Run",
    body: [...inputs.map(({ one, input }) => field(one.name, input, one.description ?? "")), field("Queue of the controller", queue.node)],
    run: async () => {
      const { id: into, name } = queue.value();
      if (!into) throw new Error(name ? `There is no queue “${name}”: choose one of the list.` : "Choose a queue.");
      const answer = await call("pipelines.start_pipeline", { task: id, queue: into, verify_watched_queue: true, args: inputs.map(({ one, input }) => ({ name: one.name, value: input.value })) });
      toast(answer.queue_watched === false ? `Enqueued on “${name}”, which no worker watches.` : `Enqueued on “${name}”.`);
      await go(to(["pipelines", task.project?.id ?? "*", "experiments", answer.pipeline]));
    },
  });
}
