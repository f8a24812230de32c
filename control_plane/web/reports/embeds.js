// @ts-check
// What a report shows of tasks, live: curves and plots, written down as the lines that official pages copy.
//   <iframe src=".../widgets/?type=scalar&tasks=a,b&metrics=loss&variants=train" ...></iframe>
// Nothing is framed: the line only says what is drawn here.

import { call } from "../core/api.js";
import { base, to } from "../core/address.js";
import { h } from "../core/dom.js";
import { draw, whenSeen } from "../widgets/plot.js";
import { problem } from "../widgets/controls.js";
import { COLOURS } from "../task/curve_card.js";
import { traces } from "../task/curves.js";
import { plotCard } from "../task/plots.js";
import { sample } from "../task/samples.js";

const SAMPLES = 600;

/** @typedef {{type: string, tasks: string[], metrics: string[], variants: string[]}} Embed */

/** A line as what it embeds, or null. @param {string} line @returns {Embed | null} */
export function embedOf(line) {
  const found = line.trim().match(/^<iframe\b[^>]*\bsrc="([^"]+)"/);
  if (!found) return null;
  const [address, text = ""] = found[1].replaceAll("&amp;", "&").split("?");
  if (!address.replace(/\/$/, "").endsWith("/widgets")) return null;
  const asked = new URLSearchParams(text);
  const list = (/** @type {string} */ name) => [...asked.getAll(name), ...asked.getAll(`${name}[]`)].flatMap((value) => (name === "tasks" || name === "objects" ? value.split(",") : [value])).filter(Boolean);
  return { type: asked.get("type") ?? "scalar", tasks: [...list("tasks"), ...list("objects")], metrics: list("metrics"), variants: list("variants") };
}

/** The line that embeds it. @param {Embed} embed */
export function lineOf({ type, tasks, metrics, variants }) {
  const asked = new URLSearchParams({ objectType: "task", type, objects: tasks.join(",") });
  for (const metric of metrics) asked.append("metrics", metric);
  for (const variant of variants) asked.append("variants", variant);
  return `<iframe src="${location.origin}${base}widgets/?${asked}" width="100%" height="400"></iframe>`;
}

/** @param {Embed} embed */
export function embedView(embed) {
  const node = h("figure", { class: "embed" });
  const forget = whenSeen(node, () => shown(node, embed).catch((error) => node.replaceChildren(problem(error))));
  node.addEventListener("leave", forget);
  return node;
}

/** @param {HTMLElement} node @param {Embed} embed */
async function shown(node, embed) {
  if (!embed.tasks.length) throw new Error("The line names no task.");
  const { tasks } = await call("tasks.get_all_ex", { id: embed.tasks, search_hidden: true, only_fields: ["id", "name", "project.id"] });
  if (!tasks.length) throw new Error("The tasks of this plot were deleted.");
  const metrics = embed.metrics.map((metric) => ({ metric, ...(embed.variants.length ? { variants: embed.variants } : {}) }));
  const links = h("figcaption", { class: "quiet small" }, tasks.map((/** @type {any} */ task, /** @type {number} */ index) => [index ? ", " : "", h("a", { href: to(["projects", task.project?.id ?? "*", "tasks", task.id, "execution"]) }, task.name)]));
  const views = { scalar: curvesView, plot: plotsView, sample: samplesView };
  const view = views[/** @type {keyof typeof views} */ (embed.type)];
  if (!view) throw new Error(`“${embed.type}” cannot be shown in a report here.`);
  node.replaceChildren();
  await view(node, tasks, metrics);
  node.append(links);
}

/** @param {HTMLElement} node @param {any[]} tasks @param {object[]} metrics */
async function curvesView(node, tasks, metrics) {
  const data = await call("events.multi_task_scalar_metrics_iter_histogram", { tasks: tasks.map((task) => task.id), samples: SAMPLES, key: "iter", ...(metrics.length ? { metrics } : {}) });
  for (const [metric, variants] of Object.entries(data)) {
    const curves = Object.entries(/** @type {any} */ (variants)).flatMap(([variant, byTask]) => tasks.filter((task) => byTask[task.id]?.x).map((task) => ({ ...byTask[task.id], name: tasks.length > 1 ? `${task.name}: ${variant}` : variant })));
    const plot = h("div", { class: "plot", role: "group", "aria-label": `Plot of ${metric}` });
    node.append(h("div", { class: "plot-card" }, h("header", {}, h("h3", { class: "ellipsis" }, metric)), plot));
    await draw(plot, traces(curves, { axis: "iter", smooth: 0, method: "ema" }, COLOURS), {});
  }
  if (!node.childElementCount) throw new Error("Nothing was reported under this name.");
}

/** @param {HTMLElement} node @param {any[]} tasks @param {object[]} metrics */
async function plotsView(node, tasks, metrics) {
  for (const task of tasks) {
    const { plots } = await call("events.get_task_plots", { task: task.id, iters: 1, no_scroll: true, ...(metrics.length ? { metrics } : {}) });
    for (const plot of plots) node.append(plotCard(plot, `${tasks.length > 1 ? `${task.name}: ` : ""}${plot.metric} / ${plot.variant}`, { task: task.id }).node);
  }
  if (!node.childElementCount) throw new Error("No plot was reported under this name.");
}

/** @param {HTMLElement} node @param {any[]} tasks @param {any[]} metrics */
async function samplesView(node, tasks, metrics) {
  const asked = tasks.flatMap((task) => (metrics.length ? metrics.map((one) => ({ task: task.id, ...one })) : [{ task: task.id }]));
  const { metrics: found } = await call("events.debug_images", { metrics: asked, iters: 1 });
  const events = found.flatMap((/** @type {any} */ one) => one.iterations.flatMap((/** @type {any} */ iteration) => iteration.events));
  if (!events.length) throw new Error("No sample was reported under this name.");
  node.append(h("div", { class: "samples" }, events.map((/** @type {any} */ event) => sample(event, events))));
}
