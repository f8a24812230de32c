// @ts-check
// A card with curves: a plot that is drawn when it comes into sight, and fetches what was thinned out when one zooms in.

import { call } from "../core/api.js";
import { h } from "../core/dom.js";
import { number } from "../core/format.js";
import { copyText, iconButton } from "../widgets/controls.js";
import { show } from "../widgets/dialog.js";
import { draw, purge, whenSeen } from "../widgets/plot.js";
import { attempt, toast } from "../widgets/toast.js";
import { summary, traces } from "./curves.js";

export const COLOURS = ["#3b74e8", "#e8743b", "#2ea36b", "#a052d6", "#d6436e", "#0e95a8", "#b58a00", "#6b7688"];
/** More names than that would leave no room for the curves: the large view has them beside. */
export const MOST_NAMED = 10;
const DETAIL = 10_000;
const BESIDE = { orientation: "v", x: 1.02, y: 1, yanchor: "top", font: { size: 11 } };

/** @typedef {import("./curves.js").Curve} Curve @typedef {{tasks: string[], model_events?: boolean}} Owners whose curves they are */

/** Copies the line by which a report shows these curves. @param {string} key @param {() => string} metric @param {() => Curve[]} curves @param {() => Owners} owners */
function embed(key, metric, curves, owners) {
  return iconButton("link", `Copy ${key} for a report`, () => attempt(async () => {
    if (owners().model_events) throw new Error("Reports show curves of tasks.");
    const { lineOf } = await import("../reports/embeds.js");
    const variants = [...new Set(curves().map(variantOf))];
    await copyText(lineOf({ type: "scalar", tasks: owners().tasks, metrics: [metric()], variants: variants.length === 1 ? variants : [] }));
    toast("Copied: a line for the text of a report.");
  }));
}

/** @param {Curve} curve */
function variantOf(curve) {
  return curve.variant ?? curve.name;
}

/**
 * The points of a stretch that were thinned out, in the place of the means that stand for them.
 * @param {string} metric @param {Curve[]} curves @param {[number, number]} stretch iterations @param {Owners} owners
 * @returns {Promise<{curves: Curve[], count: number}>}
 */
async function inDetail(metric, curves, [low, high], { tasks, ...of }) {
  const whose = (/** @type {Curve} */ curve) => curve.task ?? tasks[0];
  const answers = new Map(await Promise.all([...new Set(curves.map(whose))].map(async (task) => {
    const variants = curves.filter((curve) => whose(curve) === task).map(variantOf);
    const answer = await call("events.scalar_metrics_iter_raw", { task, ...of, metric: { metric, variants }, key: "iter", batch_size: DETAIL, begin: low, end: high });
    return /** @type {[string, any]} */ ([task, answer.variants ?? {}]);
  })));
  let count = 0;
  const detailed = curves.map((curve) => {
    const found = answers.get(whose(curve))?.[variantOf(curve)];
    if (!found?.y?.length) return curve;
    count += found.y.length;
    const outside = curve.x.map((x, i) => [x, curve.y[i]]).filter(([x]) => Number(x) < low || Number(x) > high);
    const all = [...outside, ...found.iter.map((/** @type {number} */ x, /** @type {number} */ i) => [x, found.y[i]])].sort((a, b) => a[0] - b[0]);
    return { ...curve, x: all.map((pair) => pair[0]), y: all.map((pair) => pair[1]) };
  });
  return { curves: detailed, count };
}

/** @param {string} key @param {() => Owners} owners @param {() => void} [onSeen] it came into sight @param {number} [mostNamed] */
export function curveCard(key, owners, onSeen = () => {}, mostNamed = MOST_NAMED) {
  const plot = h("div", { class: "plot", role: "group", "aria-label": `Plot of ${key}` });
  const many = h("p", { class: "quiet small", hidden: true });
  const node = h("article", { class: "plot-card", "data-metric": key }, h("header", {}, h("h3", { class: "ellipsis", title: key }, key),
    h("span", {}, embed(key, () => metric, () => curves, owners), iconButton("columns", `Values of ${key}`, () => values()), iconButton("expand", `Enlarge ${key}`, () => enlarge()))), plot, many);
  let metric = "", isSeen = false, isBound = false, turn = 0;
  /** @type {Curve[]} */
  let curves = [];
  /** @type {any} */
  let state = {};
  /** @type {[number, number] | null} */
  let zoom = null;
  /** @type {Curve[] | null} */
  let detail = null;
  const forget = whenSeen(plot, () => { isSeen = true; onSeen(); render(); });

  const layout = () => ({ showlegend: curves.length <= mostNamed, uirevision: `${state.axis}`, yaxis: { type: state.log ? "log" : "linear" }, xaxis: { title: state.axis === "relative" ? { text: "s" } : undefined } });

  async function render() {
    if (!isSeen || !curves.length) return;
    await attempt(() => draw(plot, traces(detail ?? curves, state, COLOURS), layout()));
    if (isBound || !(/** @type {any} */ (plot).on)) return;
    isBound = true;
    /** @type {any} */ (plot).on("plotly_relayout", zoomed);
  }

  /** Only iterations are asked for in detail, and not those of many tasks. @param {any} change */
  async function zoomed(change) {
    if (change["xaxis.autorange"]) {
      zoom = detail = null;
      return render();
    }
    const from = change["xaxis.range[0]"], until = change["xaxis.range[1]"];
    if (from === undefined || state.axis !== "iter" || owners().tasks.length > MOST_NAMED) return;
    const stretch = zoom = /** @type {[number, number]} */ ([Math.floor(from), Math.ceil(until)]);
    const mine = ++turn;
    const answer = await attempt(() => inDetail(metric, curves, stretch, owners()));
    if (!answer || mine !== turn || !zoom) return;
    detail = answer.curves;
    plot.dataset.points = String(answer.count);
    render();
  }

  function enlarge() {
    const big = h("div", { class: "plot tall" });
    const box = show(key, h("div", {}, big), true);
    draw(big, traces(curves, state, COLOURS), { ...layout(), margin: { l: 48, r: 12, t: 64, b: 36 }, showlegend: true, ...(curves.length > MOST_NAMED ? { legend: BESIDE } : {}) });
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
    update: (/** @type {string} */ name, /** @type {Curve[]} */ next, /** @type {any} */ nextState) => {
      const isState = JSON.stringify(nextState) === JSON.stringify(state);
      const isSame = isState && JSON.stringify(next) === JSON.stringify(curves);
      const who = (/** @type {Curve[]} */ some) => some.map((curve) => `${curve.task} ${curve.name}`).join("\n");
      if (who(next) !== who(curves)) zoom = detail = null;
      metric = name;
      curves = next;
      state = nextState;
      many.hidden = curves.length <= mostNamed;
      many.textContent = `${number(curves.length)} series: point at one for its name, or enlarge`;
      if (!isState || (!isSame && !detail)) render();
    },
    leave: () => { forget(); purge(plot); },
  };
}
