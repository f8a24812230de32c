// @ts-check
// A project's overview: what people wrote about it, and its statistics.

import { call } from "../core/api.js";
import { keep, query, to } from "../core/address.js";
import { h } from "../core/dom.js";
import { STATUS, duration, number } from "../core/format.js";
import { go } from "../core/router.js";
import { mayWrite } from "../core/session.js";
import { facts } from "../widgets/controls.js";
import { markdown } from "../widgets/markdown.js";
import { saved, section } from "../widgets/section.js";
import { textEditor } from "../widgets/text.js";
import { draw, whenSeen } from "../widgets/plot.js";
import { attempt } from "../widgets/toast.js";
import { legible } from "../task/curves.js";
import { projectHead } from "./project_head.js";

/** @type {import("../core/router.js").View} */
export async function overviewPage(element, { project: id }) {
  const load = async () => (await call("projects.get_all_ex", { id: [id], search_hidden: true, include_stats: true, stats_with_children: true })).projects[0];
  const project = await load();
  if (!project) throw new Error("There is no such project (any more).");
  document.title = `${project.name} · clearml-lean`;
  const put = async (/** @type {string} */ description) => {
    await call("projects.update", { project: id, description });
    text.update(await load());
  };
  const text = section({
    title: "About", why: () => (mayWrite() ? null : "Your role may read only"), read: (one) => one.description ?? "",
    view: (about) => (about ? markdown(about) : h("p", { class: "quiet" }, "Nothing is written here yet. Markdown is understood.")),
    form: (about) => {
      const box = textEditor(about, "About the project", 18);
      return { node: box, save: async () => { await put(box.value); saved("Saved.", () => put(about)); } };
    },
  });
  const stats = project.stats?.active ?? {};
  const numbers = section({ title: "Tasks", read: (one) => one, view: () => facts([...Object.entries(stats.status_count ?? {}).filter(([, count]) => count).map(([status, count]) => /** @type {[string, any]} */ ([STATUS[status] ?? status, number(/** @type {number} */ (count))])), ["Computing", duration(stats.total_runtime)], ["Default output", project.default_output_destination]]) });
  element.replaceChildren(await projectHead(/** @type {string} */ (id), "overview"), h("div", { class: "two" }, text.node, h("div", { class: "stack" }, numbers.node, await metricCard(/** @type {string} */ (id)))));
  text.update(project);
  numbers.update(project);
}

const MOST_TASKS = 500;

/** How a metric of the project's tasks went over time: a point for each task. @param {string} project */
async function metricCard(project) {
  const { metrics } = await call("projects.get_unique_metric_variants", { project, include_subprojects: true });
  if (!metrics.length) return null;
  const key = (/** @type {any} */ one) => `${one.metric}/${one.variant}`;
  const metric = h("select", { class: "input", "aria-label": "Metric", change: () => { keep({ metric: metric.value }); attempt(paint); } }, metrics.map((/** @type {any} */ one) => h("option", { value: key(one) }, `${one.metric} / ${one.variant}`)));
  metric.value = metrics.some((/** @type {any} */ one) => key(one) === query().get("metric")) ? query().get("metric") : key(metrics[0]);
  const plot = h("div", { class: "plot", role: "group", "aria-label": "A metric over time" });
  /** @type {any[]} */
  let shown = [];

  async function paint() {
    const one = metrics.find((/** @type {any} */ other) => key(other) === metric.value);
    const field = `last_metrics.${one.metric_hash}.${one.variant_hash}`;
    const { tasks } = await call("tasks.get_all_ex", { project: [project], include_subprojects: true, system_tags: ["-archived"], [`${field}.value`]: [-Number.MAX_VALUE, null], order_by: ["-started"], page: 0, page_size: MOST_TASKS, only_fields: ["id", "name", "started", "created", field] });
    shown = tasks;
    const value = (/** @type {any} */ task) => task.last_metrics?.[one.metric_hash]?.[one.variant_hash]?.value ?? null;
    await draw(plot, [{ type: "scatter", mode: "markers", x: tasks.map((/** @type {any} */ task) => task.started ?? task.created), y: tasks.map(value), text: tasks.map((/** @type {any} */ task) => legible(task.name)), hovertemplate: "%{text}<br>%{y}<br>%{x}<extra></extra>", marker: { size: 9 } }], { showlegend: false, xaxis: { type: "date" } });
    if (plot.dataset.bound) return;
    plot.dataset.bound = "1";
    /** @type {any} */ (plot).on("plotly_click", (/** @type {any} */ event) => go(to(["projects", project, "tasks", shown[event.points[0].pointIndex].id, "scalars"])));
  }
  whenSeen(plot, () => attempt(paint));
  return h("article", { class: "plot-card" }, h("header", {}, h("h3", {}, "A metric over time"), metric), plot);
}
