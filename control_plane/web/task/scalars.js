// @ts-check
// SCALARS: curves that grow while the task runs; zooming in fetches what was thinned out.

import { call } from "../core/api.js";
import { keep, query } from "../core/address.js";
import { h, paced } from "../core/dom.js";
import { number } from "../core/format.js";
import { copyText, emptyState, iconButton } from "../widgets/controls.js";
import { show } from "../widgets/dialog.js";
import { draw, plotly, purge, whenSeen } from "../widgets/plot.js";
import { attempt, toast } from "../widgets/toast.js";
import { summary, traces } from "./curves.js";

const SAMPLES = 600;
const DETAIL = 10_000;
/** More names than that would leave no room for the curves: the large view has them beside. */
const MOST_NAMED = 10;
export const COLOURS = ["#3b74e8", "#e8743b", "#2ea36b", "#a052d6", "#d6436e", "#0e95a8", "#b58a00", "#6b7688"];
export const AXES = /** @type {const} */ ([["iter", "Iterations"], ["relative", "Time from start"], ["timestamp", "Wall time"]]);

const BESIDE = { orientation: "v", x: 1.02, y: 1, yanchor: "top", font: { size: 11 } };

/** The switches above curves, kept in the address. @param {() => void} redraw @param {() => void} reload */
export function curveTools(redraw, reload) {
  const axis = h("select", { class: "input", "aria-label": "Horizontal axis", change: () => { keep({ axis: axis.value === "iter" ? null : axis.value }); reload(); } }, AXES.map(([value, label]) => h("option", { value }, label)));
  axis.value = query().get("axis") ?? "iter";
  const group = h("select", { class: "input", "aria-label": "Group by", change: () => { keep({ group: group.value === "metric" ? null : group.value }); redraw(); } }, [["metric", "A plot per metric"], ["variant", "A plot per series"]].map(([value, label]) => h("option", { value }, label)));
  group.value = query().get("group") ?? "metric";
  const smooth = h("input", { type: "range", min: 0, max: 0.99, step: 0.01, value: query().get("smooth") ?? "0", "aria-label": "Smoothing", input: () => { keep({ smooth: smooth.value === "0" ? null : smooth.value }); redraw(); } });
  const method = h("select", { class: "input", "aria-label": "Kind of smoothing", change: () => { keep({ method: method.value === "ema" ? null : method.value }); redraw(); } }, [["ema", "exponential"], ["gauss", "Gaussian"], ["mean", "running mean"]].map(([value, label]) => h("option", { value }, label)));
  method.value = query().get("method") ?? "ema";
  const log = h("input", { type: "checkbox", checked: !!query().get("log"), change: () => { keep({ log: log.checked ? "1" : null }); redraw(); } });
  const find = h("input", { class: "input", type: "search", placeholder: "Find a metric", "aria-label": "Find a metric", value: query().get("metric") ?? "", input: () => { keep({ metric: find.value.trim() }); redraw(); } });
  const node = h("div", { class: "toolbar" }, find, axis, group, h("label", { class: "check" }, "Smoothing", smooth), method, h("label", { class: "check" }, log, "Log scale"));
  return { node, state: () => ({ axis: axis.value, group: group.value, smooth: Number(smooth.value), method: method.value, log: log.checked, find: find.value.trim().toLowerCase() }) };
}

/** @param {HTMLElement} element @param {{model_events?: boolean}} [of] whose they are: a task's, or a model's */
export function scalarsTab(element, of = {}) {
  const cards = h("div", { class: "plots", "aria-label": "Scalars" });
  const singles = h("div", {});
  /** @type {any} */
  let task = null;
  /** @type {Record<string, any>} */
  let data = {};
  /** @type {Map<string, ReturnType<typeof card>>} */
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
      if (!drawn.has(plot.key)) drawn.set(plot.key, card(plot.key, () => ({ task: task.id, ...of })));
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

/** Copies the line by which a report shows these curves. @param {string} key @param {() => string} metric @param {() => any[]} curves @param {() => any} owner */
function embed(key, metric, curves, owner) {
  return iconButton("link", `Copy ${key} for a report`, () => attempt(async () => {
    if (owner().model_events) throw new Error("Reports show curves of tasks.");
    const { lineOf } = await import("../reports/embeds.js");
    await copyText(lineOf({ type: "scalar", tasks: [owner().task], metrics: [metric()], variants: curves().length === 1 ? [curves()[0].name] : [] }));
    toast("Copied: a line for the text of a report.");
  }));
}

/** @param {string} key @param {() => object} owner */
function card(key, owner) {
  const plot = h("div", { class: "plot", role: "group", "aria-label": `Plot of ${key}` });
  const many = h("p", { class: "quiet small", hidden: true });
  const node = h("article", { class: "plot-card", "data-metric": key }, h("header", {}, h("h3", { class: "ellipsis", title: key }, key),
    h("span", {}, embed(key, () => metric, () => curves, owner), iconButton("columns", `Values of ${key}`, () => values()), iconButton("expand", `Enlarge ${key}`, () => enlarge()))), plot, many);
  let metric = "", isSeen = false, isBound = false, turn = 0;
  /** @type {any[]} */
  let curves = [];
  /** @type {any} */
  let state = {};
  /** @type {[number, number] | null} */
  let zoom = null;
  /** @type {any[] | null} */
  let detail = null;
  const forget = whenSeen(plot, () => { isSeen = true; render(); });

  const layout = () => ({ showlegend: curves.length <= MOST_NAMED, uirevision: `${state.axis}`, yaxis: { type: state.log ? "log" : "linear" }, xaxis: { title: state.axis === "relative" ? { text: "s" } : undefined } });

  async function render() {
    if (!isSeen) return;
    await attempt(() => draw(plot, traces(detail ?? curves, state, COLOURS), layout()));
    if (isBound || !(/** @type {any} */ (plot).on)) return;
    isBound = true;
    /** @type {any} */ (plot).on("plotly_relayout", zoomed);
  }

  /** Only iterations are asked for in detail. @param {any} change */
  async function zoomed(change) {
    if (change["xaxis.autorange"]) {
      zoom = detail = null;
      return render();
    }
    const from = change["xaxis.range[0]"], until = change["xaxis.range[1]"];
    if (from === undefined || state.axis !== "iter") return;
    zoom = [Math.floor(from), Math.ceil(until)];
    const mine = ++turn;
    const answer = await attempt(() => call("events.scalar_metrics_iter_raw", { ...owner(), metric: { metric, variants: curves.map((one) => one.name) }, key: "iter", batch_size: DETAIL, begin: zoom?.[0], end: zoom?.[1] }));
    if (!answer || mine !== turn || !zoom) return;
    detail = curves.map((curve) => {
      const found = answer.variants?.[curve.name];
      if (!found?.y?.length) return curve;
      const [low, high] = /** @type {[number, number]} */ (zoom);
      const outside = curve.x.map((/** @type {number} */ x, /** @type {number} */ i) => [x, curve.y[i]]).filter(([/** @type {number} */ x]) => x < low || x > high);
      const all = [...outside, ...found.iter.map((/** @type {number} */ x, /** @type {number} */ i) => [x, found.y[i]])].sort((a, b) => a[0] - b[0]);
      return { name: curve.name, x: all.map((pair) => pair[0]), y: all.map((pair) => pair[1]) };
    });
    plot.dataset.points = String(Object.values(answer.variants ?? {}).reduce((sum, one) => sum + /** @type {any} */ (one).y.length, 0));
    render();
  }

  function enlarge() {
    const big = h("div", { class: "plot tall" });
    const box = show(key, h("div", {}, big), true);
    draw(big, traces(curves, state, COLOURS), { ...layout(), margin: { l: 48, r: 12, t: 64, b: 36 }, ...(curves.length > MOST_NAMED ? { showlegend: true, legend: BESIDE } : {}) });
    box.addEventListener("close", () => purge(big));
  }

  function values() {
    const head = ["Series", "First", "Last", "Min", "Max", "Mean"].map((label, index) => h("th", { scope: "col", class: index ? "number" : null }, label));
    show(`Values of ${key}`, h("div", {}, h("div", { class: "scroll-x" }, h("table", { class: "list" }, h("thead", {}, h("tr", {}, head)), h("tbody", {}, curves.map(summary).map((one) => h("tr", {}, h("td", {}, one.name),
      [one.first, one.last, one.min, one.max, one.mean].map((value) => h("td", { class: "number" }, number(value)))))))),
      h("p", { class: "quiet small" }, "Of the points shown; long curves are thinned to means.")), true);
  }

  return {
    node,
    update: (/** @type {string} */ name, /** @type {any[]} */ next, /** @type {any} */ nextState) => {
      const isSame = JSON.stringify([next, nextState]) === JSON.stringify([curves, state]);
      metric = name;
      curves = next;
      state = nextState;
      many.hidden = curves.length <= MOST_NAMED;
      many.textContent = `${number(curves.length)} series: point at one for its name, or enlarge`;
      if (!isSame && !detail) render();
    },
    leave: () => { forget(); purge(plot); },
  };
}
