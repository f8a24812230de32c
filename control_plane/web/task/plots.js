// @ts-check
// PLOTS: figures that the task reported, the newest of each; earlier iterations in the large view.

import { call } from "../core/api.js";
import { h, paced } from "../core/dom.js";
import { emptyState, iconButton, button } from "../widgets/controls.js";
import { show } from "../widgets/dialog.js";
import { draw, figure, purge, whenSeen } from "../widgets/plot.js";
import { attempt } from "../widgets/toast.js";

/** @param {HTMLElement} element @param {{model_events?: boolean}} [of] whose they are: a task's, or a model's */
export function plotsTab(element, of = {}) {
  const find = h("input", { class: "input", type: "search", placeholder: "Find a plot", "aria-label": "Find a plot", input: () => filter() });
  const cards = h("div", { class: "plots", "aria-label": "Plots" });
  element.replaceChildren(h("div", { class: "toolbar" }, find), cards);
  /** @type {Map<string, {text: string, node: HTMLElement, leave: () => void}>} */
  const drawn = new Map();
  /** @type {any} */
  let task = null;

  const load = paced(async () => {
    await attempt(async () => {
      if (!element.isConnected) return;
      const { plots } = await call("events.get_task_plots", { task: task.id, iters: 1, no_scroll: true, ...of });
      for (const plot of plots) {
        const key = `${plot.metric} / ${plot.variant}`;
        const old = drawn.get(key);
        if (old?.text === plot.plot_str) continue;
        const made = plotCard(plot, key, { task: task.id, ...of });
        old?.leave();
        if (old) old.node.replaceWith(made.node);
        else cards.append(made.node);
        drawn.set(key, { text: plot.plot_str, ...made });
      }
      if (!drawn.size) cards.replaceChildren(emptyState("No plots.", "Figures and tables that the task reports appear here."));
      else cards.querySelector(":scope > .empty")?.remove();
      filter();
    });
  }, 2000);

  function filter() {
    for (const [key, { node }] of drawn) node.hidden = !key.toLowerCase().includes(find.value.toLowerCase());
  }
  return { update: (/** @type {any} */ next) => { task = next; load(); }, leave: () => drawn.forEach((one) => one.leave()) };
}

/** @param {any} plot an event @param {string} key @param {{task: string, model_events?: boolean}} owner */
export function plotCard(plot, key, owner) {
  const place = h("div", { class: "plot", role: "group", "aria-label": `Plot of ${key}` });
  const node = h("article", { class: "plot-card", "data-metric": key }, h("header", {}, h("h3", { class: "ellipsis", title: key }, key), h("span", { class: "quiet small" }, `iteration ${plot.iter}`),
    iconButton("expand", `Enlarge ${key}`, () => enlarge(plot, key, owner))), place);
  const forget = whenSeen(place, () => attempt(() => render(place, plot.plot_str)));
  return { node, leave: () => { forget(); purge(place); } };
}

/** @param {HTMLElement} place @param {string} text */
async function render(place, text) {
  const { data, layout } = figure(text);
  await draw(place, data, { ...layout, title: undefined, margin: { l: 48, r: 16, t: 24, b: 40 } });
}

/** @param {any} plot @param {string} key @param {{task: string, model_events?: boolean}} owner */
async function enlarge(plot, key, owner) {
  const place = h("div", { class: "plot tall" });
  const said = h("span", { class: "quiet" }, `iteration ${plot.iter}`);
  const first = await attempt(() => call("events.get_plot_sample", { ...owner, metric: plot.metric, variant: plot.variant, iteration: plot.iter }));
  let scroll = first?.scroll_id;
  const step = async (/** @type {boolean} */ isEarlier) => {
    const answer = await call("events.next_plot_sample", { ...owner, scroll_id: scroll, navigate_earlier: isEarlier, next_iteration: true });
    const event = (answer.events ?? [answer.event]).find((/** @type {any} */ one) => one?.variant === plot.variant) ?? answer.event;
    scroll = answer.scroll_id ?? scroll;
    if (!event) return;
    said.textContent = `iteration ${event.iter}`;
    await render(place, event.plot_str);
  };
  const box = show(key, h("div", {}, h("div", { class: "toolbar" }, button("Earlier", () => attempt(() => step(true)), { icon: "left", kind: "small" }), said, button("Later", () => attempt(() => step(false)), { icon: "right", kind: "small" })), place), true);
  box.addEventListener("close", () => purge(place));
  await render(place, plot.plot_str);
}
