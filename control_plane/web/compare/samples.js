// @ts-check
// Debug samples of several tasks beside each other, as they were at one iteration.

import { call } from "../core/api.js";
import { keep, query } from "../core/address.js";
import { h, paced } from "../core/dom.js";
import { watch } from "../core/live.js";
import { button, emptyState } from "../widgets/controls.js";
import { attempt } from "../widgets/toast.js";
import { sample } from "../task/samples.js";

const AT_ONCE = 100;

/** @param {any[]} tasks */
export function samplesView(tasks) {
  const place = h("div", { class: "stack" });
  const metric = h("select", { class: "input", "aria-label": "Metric", change: () => { keep({ metric: metric.value || null }); redraw(); } });
  const chosen = h("select", { class: "input", "aria-label": "Iteration", change: () => { keep({ iteration: chosen.selectedIndex ? chosen.value : null }); redraw(); } });
  const earlier = button("Earlier", () => step(1), { icon: "left", kind: "small" });
  const later = button("Later", () => step(-1), { icon: "right", kind: "small" });
  const more = button("Load earlier iterations", () => attempt(() => ask(oldest)), { kind: "small" });
  /** Each task's samples: iteration -> events. @type {Map<string, Map<number, any[]>>} */
  const known = new Map(tasks.map((task) => [task.id, new Map()]));
  let oldest = "", shown = "";
  const load = paced(() => attempt(() => ask("")), 2000);

  /** @param {string} scroll go on before what this names; "": the newest */
  async function ask(scroll) {
    const answer = await call("events.debug_images", { metrics: tasks.map((task) => ({ task: task.id })), iters: AT_ONCE, ...(scroll ? { scroll_id: scroll } : {}) });
    if (scroll || !oldest) {
      oldest = answer.scroll_id;
      more.hidden = answer.metrics.every((/** @type {any} */ one) => one.iterations.length < AT_ONCE);
    }
    for (const one of answer.metrics) for (const { iter, events } of one.iterations) known.get(one.task)?.set(iter, events);
    offer();
    redraw();
  }

  /** The metrics and iterations to choose from, newest first; what is chosen stays so. */
  function offer() {
    const all = [...known.values()];
    const iterations = [...new Set(all.flatMap((one) => [...one.keys()]))].sort((a, b) => b - a);
    const metrics = [...new Set(all.flatMap((one) => [...one.values()].flat().map((event) => event.metric)))].sort();
    metric.replaceChildren(h("option", { value: "" }, "All metrics"), ...metrics.map((name) => h("option", { value: name }, name)));
    metric.value = metrics.includes(query().get("metric") ?? "") ? /** @type {string} */ (query().get("metric")) : "";
    chosen.replaceChildren(...iterations.map((iteration) => h("option", { value: String(iteration) }, `Iteration ${iteration}`)));
    const wanted = Number(query().get("iteration") ?? NaN);
    if (iterations.includes(wanted)) chosen.value = String(wanted);
  }

  /** @param {number} by */
  function step(by) {
    const next = chosen.selectedIndex + by;
    if (next < 0 || next >= chosen.options.length) return;
    chosen.selectedIndex = next;
    keep({ iteration: next ? chosen.value : null });
    redraw();
  }

  /** What a task showed at an iteration: of each metric and variant the newest so far. @param {any} task @param {number} iteration */
  function at(task, iteration) {
    /** @type {Map<string, any>} */
    const found = new Map();
    for (const [, events] of [...(known.get(task.id) ?? [])].filter(([one]) => one <= iteration).sort(([a], [b]) => a - b)) {
      for (const event of events) if (!metric.value || event.metric === metric.value) found.set(`${event.metric} / ${event.variant}`, event);
    }
    return found;
  }

  function redraw() {
    later.disabled = chosen.selectedIndex <= 0;
    earlier.disabled = chosen.selectedIndex >= chosen.options.length - 1;
    const iteration = Number(chosen.value);
    const found = chosen.options.length ? tasks.map((task) => at(task, iteration)) : [];
    const text = JSON.stringify(found.map((one) => [...one]));
    if (text === shown) return;
    shown = text;
    const names = [...new Set(found.flatMap((one) => [...one.keys()]))].sort();
    place.replaceChildren(...(names.length ? names.map((name) => {
      const events = found.map((one, index) => one.has(name) && { ...one.get(name), caption: tasks[index].name, note: `Iteration ${one.get(name).iter}` });
      const all = events.filter(Boolean);
      return h("section", { "aria-label": name }, h("div", { class: "section-title" }, h("h2", {}, name)), h("div", { class: "samples" }, events.map((event, index) => (
        event ? sample(event, all) : h("div", { class: "sample none" }, h("span", { class: "sample-kind quiet" }, "none so far"), h("span", { class: "ellipsis", title: tasks[index].name }, tasks[index].name))))));
    }) : [emptyState("None of them reported debug samples.")]));
  }
  const ids = tasks.map((task) => task.id);
  const unwatch = watch(["task"], (changed) => { if (ids.some((id) => changed("task", id))) load(); });
  return { node: h("div", { class: "stack" }, h("div", { class: "toolbar" }, metric, chosen, earlier, later, more), place), start: load, leave: unwatch };
}
