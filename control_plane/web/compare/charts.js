// @ts-check
// Several tasks in one picture: their values, and parameters against a metric.

import { keep, query } from "../core/address.js";
import { h } from "../core/dom.js";
import { number } from "../core/format.js";
import { colour } from "../core/theme.js";
import { button, emptyState } from "../widgets/controls.js";
import { panelAt } from "../widgets/menu.js";
import { draw, purge } from "../widgets/plot.js";
import { attempt } from "../widgets/toast.js";
import { legible } from "../task/curves.js";
import { colourOf } from "./kinds.js";
import { sideBySide } from "./tables.js";

/** Every metric that any of them reported: its name and each task's value. @param {any[]} tasks @param {string} which */
function metricRows(tasks, which) {
  /** @type {Map<string, any[]>} */
  const rows = new Map();
  tasks.forEach((task, index) => {
    for (const variants of Object.values(task.last_metrics ?? {})) {
      for (const one of Object.values(/** @type {any} */ (variants))) {
        const name = `${one.metric} / ${one.variant}`;
        if (!rows.has(name)) rows.set(name, tasks.map(() => null));
        /** @type {any[]} */ (rows.get(name))[index] = one[which];
      }
    }
  });
  return [...rows].filter(([name]) => !name.startsWith(":monitor:")).sort(([a], [b]) => a.localeCompare(b));
}

const WHICH = [["value", "Last values"], ["min_value", "Smallest values"], ["max_value", "Largest values"]];

/** @param {() => void} redraw */
function whichSelect(redraw) {
  const select = h("select", { class: "input", "aria-label": "Which values", change: () => { keep({ which: select.value }); redraw(); } }, WHICH.map(([value, label]) => h("option", { value }, label)));
  select.value = query().get("which") ?? "value";
  return select;
}

/** @param {any[]} tasks @param {boolean} onlyDiffering */
export function valuesView(tasks, onlyDiffering) {
  const place = h("div", {});
  const which = whichSelect(() => redraw());
  const groups = () => [{ group: WHICH.find(([value]) => value === which.value)?.[1] ?? "", rows: shown() }];
  const shown = () => metricRows(tasks, which.value).map(([name, values]) => ({ name, values: values.map((value) => (value === null || value === undefined ? "" : number(value))) }));
  const redraw = () => {
    place.replaceChildren(shown().length ? sideBySide(tasks, groups(), onlyDiffering, { areNumbers: true }) : emptyState("None of them reported a metric."));
  };
  redraw();
  return { node: h("div", { class: "stack" }, h("div", { class: "toolbar" }, which), place), groups, start: undefined, leave: undefined };
}

/** Choosing a metric, and drawing against it. @param {any[]} tasks @param {(place: HTMLElement, metric: string, values: any[]) => Promise<void>} paint @param {Node | null} more */
function metricView(tasks, paint, more = null) {
  const rows = metricRows(tasks, "value");
  const plot = h("div", { class: "plot tall", role: "group", "aria-label": "Parameters against a metric" });
  const metric = h("select", { class: "input", "aria-label": "Metric", change: () => { keep({ y: metric.value }); start(); } }, rows.map(([name]) => h("option", { value: name }, name)));
  if (query().get("y")) metric.value = query().get("y");
  const start = () => attempt(() => paint(plot, metric.value, rows.find(([name]) => name === metric.value)?.[1] ?? tasks.map(() => null)));
  return { node: h("div", { class: "stack" }, h("div", { class: "toolbar" }, metric, more), h("div", { class: "plot-card" }, plot)), start, leave: () => purge(plot) };
}

/** The parameters that differ, with each task's value. @param {any[]} tasks */
function differing(tasks) {
  const names = new Set(tasks.flatMap((task) => Object.entries(task.hyperparams ?? {}).flatMap(([section, items]) => Object.keys(/** @type {any} */ (items)).map((name) => `${section}/${name}`))));
  return [...names].sort().map((path) => {
    const [section, ...name] = path.split("/");
    return { name: path, values: tasks.map((task) => task.hyperparams?.[section]?.[name.join("/")]?.value ?? "") };
  }).filter((one) => new Set(one.values).size > 1);
}

/** Values as numbers; words are numbered. @param {string[]} values */
function axis(values) {
  const numbers = values.map(Number);
  if (values.every((value, index) => value !== "" && Number.isFinite(numbers[index]))) return { values: numbers };
  const words = [...new Set(values)];
  return { values: values.map((value) => words.indexOf(value)), tickvals: words.map((_, index) => index), ticktext: words.map(legible) };
}

/** More axes than that are too near to each other to be read. */
const AXES_AT_FIRST = 8;

/** @param {any[]} tasks */
export function parallelView(tasks) {
  const all = differing(tasks);
  const asked = query().get("p")?.split(",").map(decodeURIComponent);
  const chosen = new Set(asked ?? all.slice(0, AXES_AT_FIRST).map((one) => one.name));
  const label = () => `Parameters: ${all.filter((one) => chosen.has(one.name)).length} of ${all.length}`;
  const choose = button(label(), () => {
    const search = h("input", { class: "input", type: "search", placeholder: "Find", "aria-label": "Find a parameter", input: () => offer() });
    const list = h("div", { class: "choice-list" });
    const offer = () => list.replaceChildren(...all.filter((one) => one.name.toLowerCase().includes(search.value.toLowerCase())).slice(0, 200).map((one) => h("label", { class: "check" }, h("input", { type: "checkbox", checked: chosen.has(one.name), change: (/** @type {any} */ event) => {
      if (event.target.checked) chosen.add(one.name);
      else chosen.delete(one.name);
      keep({ p: [...chosen].map(encodeURIComponent).join(",") });
      choose.replaceChildren(label());
      view.start();
    } }), one.name)));
    offer();
    panelAt(choose, h("div", { class: "filter-panel" }, search, list), "Parameters");
  }, { kind: "small" });
  const view = metricView(tasks, async (place, name, values) => {
    const parameters = all.filter((one) => chosen.has(one.name));
    const ink = { color: colour("--text"), size: 11 };
    const dimensions = [...parameters.map((one) => ({ label: legible(one.name), ...axis(one.values) })), { label: legible(name), values: values.map((value) => value ?? 0) }];
    await draw(place, [{ type: "parcoords", line: { color: values.map((value) => value ?? 0), colorscale: [[0, colour("--scale-low")], [1, colour("--scale-high")]], showscale: true }, dimensions, labelfont: ink, tickfont: ink, rangefont: ink }], { margin: { l: 80, r: 60, t: 60, b: 30 } });
  }, all.length ? choose : null);
  return view;
}

const MOST_NAMED = 12;

/** @param {any[]} tasks */
export function scatterView(tasks) {
  const parameters = differing(tasks);
  const x = h("select", { class: "input", "aria-label": "Parameter", change: () => { keep({ x: x.value }); view.start(); } }, parameters.map((one) => h("option", { value: one.name }, one.name)));
  if (query().get("x")) x.value = query().get("x");
  const view = metricView(tasks, async (place, name, values) => {
    const chosen = parameters.find((one) => one.name === x.value);
    if (!chosen) return place.replaceChildren(emptyState("Their parameters are all the same."));
    const shown = axis(chosen.values);
    // Names stand in the legend: beside their points they would cover each other.
    const points = tasks.map((task, index) => ({ type: "scatter", mode: "markers", name: legible(task.name), x: [shown.values[index]], y: [values[index]], hovertemplate: `${legible(name)}: %{y}<br>${legible(x.value)}: ${legible(chosen.values[index])}`, marker: { size: 11, color: colourOf(index) } }));
    await draw(place, points, { showlegend: tasks.length <= MOST_NAMED, xaxis: { title: { text: legible(x.value) }, tickvals: shown.tickvals, ticktext: shown.ticktext }, yaxis: { title: { text: legible(name) } } });
  }, x);
  return view;
}
