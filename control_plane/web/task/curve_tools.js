// @ts-check
// The switches above curves: which axis, how they are grouped and smoothed; kept in the address.

import { keep, query } from "../core/address.js";
import { h } from "../core/dom.js";

const AXES = [["iter", "Iterations"], ["relative", "Time from start"], ["timestamp", "Wall time"]];

/**
 * The switches above curves.
 * @param {() => void} redraw @param {() => void} reload another axis needs other values @param {"metric" | "variant"} [usual] how they are grouped
 */
export function curveTools(redraw, reload, usual = "metric") {
  const axis = h("select", { class: "input", "aria-label": "Horizontal axis", change: () => { keep({ axis: axis.value === "iter" ? null : axis.value }); reload(); } }, AXES.map(([value, label]) => h("option", { value }, label)));
  axis.value = query().get("axis") ?? "iter";
  const group = h("select", { class: "input", "aria-label": "Group by", change: () => { keep({ group: group.value === usual ? null : group.value }); redraw(); } }, [["metric", "A plot per metric"], ["variant", "A plot per series"]].map(([value, label]) => h("option", { value }, label)));
  group.value = query().get("group") ?? usual;
  const smooth = h("input", { type: "range", min: 0, max: 0.99, step: 0.01, value: query().get("smooth") ?? "0", "aria-label": "Smoothing", input: () => { keep({ smooth: smooth.value === "0" ? null : smooth.value }); redraw(); } });
  const method = h("select", { class: "input", "aria-label": "Kind of smoothing", change: () => { keep({ method: method.value === "ema" ? null : method.value }); redraw(); } }, [["ema", "exponential"], ["gauss", "Gaussian"], ["mean", "running mean"]].map(([value, label]) => h("option", { value }, label)));
  method.value = query().get("method") ?? "ema";
  const log = h("input", { type: "checkbox", checked: !!query().get("log"), change: () => { keep({ log: log.checked ? "1" : null }); redraw(); } });
  const find = h("input", { class: "input", type: "search", placeholder: "Find a metric", "aria-label": "Find a metric", value: query().get("metric") ?? "", input: () => { keep({ metric: find.value.trim() }); redraw(); } });
  const node = h("div", { class: "toolbar" }, find, axis, group, h("label", { class: "check" }, "Smoothing", smooth), method, h("label", { class: "check" }, log, "Log scale"));
  return { node, state: () => ({ axis: axis.value, group: group.value, smooth: Number(smooth.value), method: method.value, log: log.checked, find: find.value.trim().toLowerCase() }) };
}
