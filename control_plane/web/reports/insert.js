// @ts-check
// "Insert a plot": which tasks, and which of what they reported.

import { call } from "../core/api.js";
import { findTasks } from "../core/finders.js";
import { h } from "../core/dom.js";
import { field } from "../widgets/controls.js";
import { ask } from "../widgets/dialog.js";
import { picker } from "../widgets/picker.js";
import { lineOf } from "./embeds.js";

const KINDS = { scalar: ["Curves", "training_stats_scalar"], plot: ["A plot", "plot"], sample: ["Debug samples", "training_debug_image"] };

/** @param {(line: string) => void} insert */
export function insertDialog(insert) {
  /** @type {{id: string, name: string}[]} */
  let chosen = [];
  const kind = h("select", { class: "input", change: () => offer() }, Object.entries(KINDS).map(([value, [label]]) => h("option", { value }, label)));
  const what = h("select", { class: "input", "aria-label": "Of what" });
  const chips = h("div", { class: "chips" });
  const task = picker({ label: "Tasks", find: findTasks, placeholder: "Type to search; choose one or more", onChoose: (choice) => {
    if (!choice?.id || chosen.some((one) => one.id === choice.id)) return;
    chosen.push(choice);
    drawChips();
    offer();
  } });

  function drawChips() {
    chips.replaceChildren(...chosen.map((one) => h("span", { class: "chip", title: one.name }, h("span", { class: "ellipsis" }, one.name), h("button", { type: "button", "aria-label": `Leave out ${one.name}`, click: () => { chosen = chosen.filter((other) => other !== one); drawChips(); offer(); } }, "×"))));
  }

  let turn = 0;

  async function offer() {
    const mine = ++turn;
    const type = KINDS[/** @type {keyof typeof KINDS} */ (kind.value)][1];
    const { metrics } = chosen.length ? await call("events.get_multi_task_metrics", { tasks: chosen.map((one) => one.id), event_type: type }) : { metrics: [] };
    if (mine !== turn) return;
    const before = what.value;
    what.replaceChildren(...metrics.filter((/** @type {any} */ one) => type !== "training_stats_scalar" || one.metric !== "Summary").flatMap((/** @type {any} */ one) => [h("option", { value: JSON.stringify([one.metric, null]) }, one.metric), ...(one.variants.length > 1 ? one.variants.map((/** @type {string} */ variant) => h("option", { value: JSON.stringify([one.metric, variant]) }, `${one.metric} / ${variant}`)) : [])]));
    if ([...what.options].some((/** @type {HTMLOptionElement} */ one) => one.value === before)) what.value = before; // chosen before the other task was
  }

  return ask({
    title: "Insert a plot", action: "Insert", body: [field("Show", kind), field("Tasks", task.node), chips, field("Of", what)],
    run: () => {
      if (!chosen.length) throw new Error("Choose a task of the list.");
      if (!what.value) throw new Error("They reported nothing of this kind.");
      const [metric, variant] = JSON.parse(what.value);
      insert(lineOf({ type: kind.value, tasks: chosen.map((one) => one.id), metrics: [metric], variants: variant ? [variant] : [] }));
    },
  });
}
