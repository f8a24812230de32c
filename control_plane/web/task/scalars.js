// @ts-check
// SCALARS: curves that grow while the task runs; zooming in fetches what was thinned out.

import { call } from "../core/api.js";
import { h, paced } from "../core/dom.js";
import { number } from "../core/format.js";
import { emptyState } from "../widgets/controls.js";
import { plotly } from "../widgets/plot.js";
import { attempt } from "../widgets/toast.js";
import { curveCard } from "./curve_card.js";
import { curveTools } from "./curve_tools.js";

const SAMPLES = 600;

/** @param {HTMLElement} element @param {{model_events?: boolean}} [of] whose they are: a task's, or a model's */
export function scalarsTab(element, of = {}) {
  const cards = h("div", { class: "plots", "aria-label": "Scalars" });
  const singles = h("div", {});
  /** @type {any} */
  let task = null;
  /** @type {Record<string, any>} */
  let data = {};
  /** @type {Map<string, ReturnType<typeof curveCard>>} */
  let drawn = new Map();
  const tools = curveTools(() => redraw(), () => { drawn.forEach((one) => one.leave()); drawn = new Map(); cards.replaceChildren(); load(); });
  element.replaceChildren(tools.node, singles, cards);
  plotly().catch(() => {}); // fetched beside the values; the first plot says when it failed

  const load = paced(async () => { await attempt(fetchAll); }, 1000);

  async function fetchAll() {
    if (!element.isConnected || !task) return;
    const key = tools.state().axis === "iter" ? "iter" : "timestamp";
    const [curves, values] = await Promise.all([call("events.scalar_metrics_iter_histogram", { task: task.id, samples: SAMPLES, key, ...of }), call("events.get_task_single_value_metrics", { tasks: [task.id], ...of })]);
    data = curves;
    showSingles(values.tasks[0]?.values ?? []);
    redraw();
  }

  /** @param {any[]} values */
  function showSingles(values) {
    singles.replaceChildren(...(values.length ? [h("section", { class: "section", "aria-label": "Summary" }, h("header", { class: "section-head" }, h("h3", {}, "Summary")), h("div", { class: "section-body" },
      h("dl", { class: "singles" }, values.map((one) => h("div", {}, h("dt", { class: "quiet small" }, one.variant), h("dd", {}, number(one.value)))))))] : []));
  }

  function redraw() {
    const state = tools.state();
    const plots = Object.entries(data).flatMap(([metric, series]) => (state.group === "metric"
      ? [{ key: metric, metric, curves: Object.values(series) }]
      : Object.values(series).map((/** @type {any} */ one) => ({ key: `${metric} / ${one.name}`, metric, curves: [one] })))).filter((plot) => plot.key.toLowerCase().includes(state.find));
    const wanted = new Set(plots.map((plot) => plot.key));
    for (const [key, one] of drawn) {
      if (wanted.has(key)) continue;
      one.leave();
      one.node.remove();
      drawn.delete(key);
    }
    for (const plot of plots) {
      if (!drawn.has(plot.key)) drawn.set(plot.key, curveCard(plot.key, () => ({ tasks: [task.id], ...of })));
      const one = /** @type {any} */ (drawn.get(plot.key));
      if (!one.node.isConnected) cards.append(one.node);
      one.update(plot.metric, plot.curves, state);
    }
    if (!plots.length) cards.replaceChildren(emptyState("No scalars yet.", "What the task reports appears here while it runs."));
    else cards.querySelector(":scope > .empty")?.remove();
  }

  return {
    update: (/** @type {any} */ next) => { task = next; load(); },
    leave: () => drawn.forEach((one) => one.leave()),
  };
}
