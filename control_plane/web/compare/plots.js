// @ts-check
// The newest figures of several tasks, beside each other.

import { call } from "../core/api.js";
import { h } from "../core/dom.js";
import { emptyState } from "../widgets/controls.js";
import { attempt } from "../widgets/toast.js";
import { plotCard } from "../task/plots.js";

/** @param {any[]} tasks */
export function plotsView(tasks) {
  const place = h("div", { class: "stack" });
  /** @type {(() => void)[]} */
  const leaves = [];
  const start = () => attempt(async () => {
    const answers = await Promise.all(tasks.map((task) => call("events.get_task_plots", { task: task.id, iters: 1, no_scroll: true })));
    const names = [...new Set(answers.flatMap(({ plots }) => plots.map((/** @type {any} */ one) => `${one.metric} / ${one.variant}`)))].sort();
    place.replaceChildren(...(names.length ? names.map((name) => h("section", {}, h("div", { class: "section-title" }, h("h2", {}, name)), h("div", { class: "plots" }, tasks.flatMap((task, index) => {
      const plot = answers[index].plots.find((/** @type {any} */ one) => `${one.metric} / ${one.variant}` === name);
      if (!plot) return [];
      const card = plotCard(plot, task.name, { task: task.id });
      leaves.push(card.leave);
      return [card.node];
    })))) : [emptyState("None of them reported plots.")]));
  });
  return { node: place, start, leave: () => leaves.forEach((leave) => leave()) };
}
