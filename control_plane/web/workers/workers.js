// @ts-check
// The workers: what each runs and serves, and its machine's load over time.

import { call } from "../core/api.js";
import { keep, query, to } from "../core/address.js";
import { h, paced } from "../core/dom.js";
import { duration, number } from "../core/format.js";
import { watch } from "../core/live.js";
import { button, emptyState, timeText } from "../widgets/controls.js";
import { draw, whenSeen } from "../widgets/plot.js";
import { attempt } from "../widgets/toast.js";

const POLL_MS = 3000;
const CHARTS = [
  { title: "Load", unit: "%", keys: ["cpu_usage", "gpu_usage"] },
  { title: "Memory", unit: "MB", keys: ["memory_used", "gpu_memory_used"] },
  { title: "Network", unit: "MB/s", keys: ["network_rx", "network_tx"] },
];
/** @type {Record<string, string>} */
const NAMES = { cpu_usage: "CPU", gpu_usage: "GPU", memory_used: "memory", gpu_memory_used: "GPU memory", network_rx: "received", network_tx: "sent" };
const PERIODS = [["3600", "1 hour"], ["21600", "6 hours"], ["86400", "1 day"], ["604800", "1 week"]];

/** @param {HTMLElement} element */
export async function workersView(element) {
  const list = h("div", { class: "card flush" });
  const activity = h("article", { class: "plot-card" }, h("header", {}, h("h3", {}, "Workers: all, and those that run a task")));
  const activityPlot = h("div", { class: "plot", style: "height: 180px", role: "group", "aria-label": "Workers over time" });
  activity.append(activityPlot);
  const panel = h("div", { class: "stack" });
  const period = h("select", { class: "input", "aria-label": "Period", change: () => { drawActivity(); if (chosen) drawPanel(); } }, PERIODS.map(([value, label]) => h("option", { value }, label)));
  let chosen = query().get("worker") ?? "", shown = "";

  const load = paced(async () => {
    await attempt(async () => {
      if (!element.isConnected) return;
      const { workers } = await call("workers.get_all", { last_seen: 0 });
      const text = JSON.stringify([workers, chosen]);
      if (text === shown) return;
      shown = text;
      list.replaceChildren(workers.length ? table(workers) : emptyState("No worker.", "Start one: clearml-agent daemon --queue default"));
    });
  }, 300);

  /** @param {any[]} workers */
  function table(workers) {
    const head = ["Worker", "Task", "Run time", "Iteration", "Queues", "Last sign"].map((label) => h("th", { scope: "col", class: ["Run time", "Iteration"].includes(label) ? "number" : null }, label));
    return h("div", { class: "scroll-x" }, h("table", { class: "list" }, h("thead", {}, h("tr", {}, head)), h("tbody", {}, workers.map((worker) => h("tr", { "data-id": worker.id },
      h("td", {}, h("button", { type: "button", class: "link", "aria-expanded": String(worker.id === chosen), click: () => choose(worker.id) }, worker.id)),
      h("td", {}, worker.task?.id ? h("a", { href: to(["projects", worker.project?.id ?? "*", "tasks", worker.task.id, "console"]) }, worker.task.name ?? worker.task.id) : h("span", { class: "quiet" }, "idle")),
      h("td", { class: "number" }, worker.task?.running_time ? duration(worker.task.running_time / 1000) : ""), h("td", { class: "number" }, number(worker.task?.last_iteration)),
      h("td", {}, (worker.queues ?? []).map((/** @type {any} */ queue) => queue.name).join(", ")), h("td", {}, timeText(worker.last_report_time ?? worker.last_activity_time)))))));
  }

  /** @param {string} id */
  function choose(id) {
    chosen = chosen === id ? "" : id;
    keep({ worker: chosen });
    shown = "";
    load();
    drawPanel();
  }

  function span() {
    const to_date = Math.floor(Date.now() / 1000), length = Number(period.value);
    return { from_date: to_date - length, to_date, interval: Math.max(30, Math.round(length / 120)) };
  }

  function drawActivity() {
    whenSeen(activityPlot, () => attempt(async () => {
      const asked = span();
      const report = await call("workers.get_activity_report", asked);
      const trace = (/** @type {any} */ series, /** @type {string} */ name) => ({ name, mode: "lines+markers", line: { shape: "hv" }, marker: { size: 4 }, x: (series?.dates ?? []).map((/** @type {number} */ at) => new Date(at * 1000)), y: series?.counts ?? [] });
      await draw(activityPlot, [trace(report.total, "all"), trace(report.active, "with a task")], { yaxis: { rangemode: "tozero" }, xaxis: { range: [asked.from_date * 1000, asked.to_date * 1000], type: "date" } });
    }));
  }

  function drawPanel() {
    if (!chosen) return panel.replaceChildren();
    const cards = CHARTS.map((chart) => {
      const plot = h("div", { class: "plot", style: "height: 220px", role: "group", "aria-label": `${chart.title} of ${chosen}` });
      whenSeen(plot, () => attempt(async () => {
        const asked = span();
        const answer = await call("workers.get_stats", { worker_ids: [chosen], ...asked, items: chart.keys.map((key) => ({ key, aggregation: "avg" })) });
        const traces = (answer.workers[0]?.metrics ?? []).flatMap((/** @type {any} */ metric) => (metric.stats ?? []).map((/** @type {any} */ stat) => ({ name: NAMES[metric.metric] ?? metric.metric, mode: "lines+markers", marker: { size: 4 }, x: (metric.dates ?? []).map((/** @type {number} */ at) => new Date(at * 1000)), y: stat.values })));
        await draw(plot, traces, { yaxis: { rangemode: "tozero", title: { text: chart.unit } }, xaxis: { range: [asked.from_date * 1000, asked.to_date * 1000], type: "date" } });
      }));
      return h("article", { class: "plot-card" }, h("header", {}, h("h3", {}, chart.title)), plot);
    });
    panel.replaceChildren(h("div", { class: "section-title" }, h("h2", {}, chosen), button("Close", () => choose(chosen), { kind: "small" })), h("div", { class: "plots" }, cards));
  }

  element.replaceChildren(h("div", { class: "toolbar" }, period), activity, list, panel);
  await load();
  drawActivity();
  drawPanel();
  const timer = setInterval(() => { if (!document.hidden) load(); }, POLL_MS);
  const unwatch = watch(["task", "queue"], () => load());
  return () => { clearInterval(timer); unwatch(); };
}
