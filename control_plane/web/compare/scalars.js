// @ts-check
// Curves of several tasks or models over each other: each has its colour, in every plot. What is in sight is fetched, and
// fetched anew when one of them changes.

import { call } from "../core/api.js";
import { debounced, h, paced } from "../core/dom.js";
import { watch } from "../core/live.js";
import { emptyState } from "../widgets/controls.js";
import { plotly } from "../widgets/plot.js";
import { attempt } from "../widgets/toast.js";
import { MOST_NAMED, curveCard } from "../task/curve_card.js";
import { curveTools } from "../task/curve_tools.js";
import { TASKS, colourOf, toldApart } from "./kinds.js";

/** Points in all that a plot is drawn of, and what a curve has of them at least and at most. */
const POINTS = 12_000, FEWEST = 60, MOST = 300;
const DASHES = ["solid", "dash", "dot", "dashdot", "longdash"];
const MONITOR = ":monitor:";

/** @param {any[]} things @param {import("./kinds.js").Kind} [kind] @param {number} [mostNamed] more names than that a plot does not show */
export function scalarsView(things, kind = TASKS, mostNamed = MOST_NAMED) {
  const cards = h("div", { class: "plots", "aria-label": "Scalars" });
  let turn = 0;
  /** Which metrics and variants there are. @type {{metric: string, variants: string[]}[] | null} */
  let known = null;
  /** The curves of the metrics that came into sight: metric -> variant -> id -> curve. @type {Map<string, any>} */
  let data = new Map();
  /** @type {Set<string>} */
  const wanted = new Set();
  /** @type {Map<string, ReturnType<typeof curveCard>>} */
  const drawn = new Map();
  const tools = curveTools(() => redraw(), () => { data = new Map(); turn += 1; load(); }, "variant");
  const ids = () => things.map((thing) => thing.id);
  plotly().catch(() => {}); // fetched beside the values; the first plot says when it failed

  const load = paced(async () => {
    await attempt(async () => {
      const mine = turn;
      const { metrics } = things.length ? await call("events.get_multi_task_metrics", { tasks: ids(), event_type: "training_stats_scalar", ...kind.of }) : { metrics: [] };
      if (mine !== turn) return;
      const last = (/** @type {any} */ one) => Number(one.metric.startsWith(MONITOR));
      known = metrics.sort((/** @type {any} */ a, /** @type {any} */ b) => last(a) - last(b));
      redraw();
      await ask([...wanted].filter((metric) => metrics.some((/** @type {any} */ one) => one.metric === metric)));
    });
  }, 500);

  const askSeen = debounced(() => attempt(() => ask([...wanted].filter((metric) => !data.has(metric)))), 20);

  /** @param {string[]} metrics */
  async function ask(metrics) {
    if (!metrics.length || !things.length) return;
    const mine = turn;
    const samples = Math.max(FEWEST, Math.min(MOST, Math.floor(POINTS / things.length)));
    const key = tools.state().axis === "iter" ? "iter" : "timestamp";
    const answer = await call("events.multi_task_scalar_metrics_iter_histogram", { tasks: ids(), samples, key, metrics: metrics.map((metric) => ({ metric })), ...kind.of });
    if (mine !== turn) return;
    for (const metric of metrics) data.set(metric, answer[metric] ?? {});
    redraw();
  }

  /** The plots there are: what was reported only once has no curve. */
  function plots() {
    const isMetric = tools.state().group === "metric";
    return (known ?? []).flatMap(({ metric, variants }) => {
      const found = data.get(metric);
      const some = found ? variants.filter((variant) => found[variant]) : variants;
      if (isMetric) return some.length ? [{ key: metric, metric, variants: some }] : [];
      return some.map((variant) => ({ key: `${metric} / ${variant}`, metric, variants: [variant] }));
    }).filter((plot) => plot.key.toLowerCase().includes(tools.state().find));
  }

  /** @param {{metric: string, variants: string[]}} plot */
  function curvesOf({ metric, variants }) {
    const names = toldApart(things), found = data.get(metric);
    return variants.flatMap((variant, at) => things.flatMap((thing, place) => {
      const curve = found[variant]?.[thing.id];
      if (!curve?.x) return [];
      const name = /** @type {string} */ (names.get(thing.id));
      return [{ ...curve, name: variants.length > 1 ? `${name}: ${variant}` : name, variant, task: thing.id, colour: colourOf(place), dash: DASHES[at % DASHES.length] }];
    }));
  }

  function redraw() {
    const state = tools.state(), all = plots();
    const keys = new Set(all.map((plot) => plot.key));
    for (const [key, one] of drawn) {
      if (keys.has(key)) continue;
      one.leave();
      one.node.remove();
      drawn.delete(key);
    }
    all.forEach((plot, place) => {
      let one = drawn.get(plot.key);
      if (!one) {
        one = curveCard(plot.key, () => ({ tasks: ids(), ...kind.of }), () => { wanted.add(plot.metric); askSeen(); }, mostNamed);
        drawn.set(plot.key, one);
      }
      if (cards.children[place] !== one.node) cards.insertBefore(one.node, cards.children[place] ?? null);
      if (data.has(plot.metric)) one.update(plot.metric, curvesOf(plot), state);
    });
    if (known && !all.length) cards.replaceChildren(state.find && known.length ? emptyState("No metric fits.") : emptyState("None of them reported scalars."));
    else cards.querySelector(":scope > .empty")?.remove();
  }

  /** Of others. @param {any[]} next */
  function show(next) {
    things = next;
    turn += 1;
    data = new Map();
    load();
  }
  const unwatch = watch([kind.name], (changed) => { if (ids().some((id) => changed(kind.name, id))) load(); });
  return { node: h("div", { class: "stack" }, tools.node, cards), start: load, show, leave: () => { unwatch(); drawn.forEach((one) => one.leave()); } };
}
