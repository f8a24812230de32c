// @ts-check
// Choosing and ordering the columns of the task table.

import { call } from "../core/api.js";
import { h } from "../core/dom.js";
import { button, iconButton } from "../widgets/controls.js";
import { panelAt } from "../widgets/menu.js";
import { attempt } from "../widgets/toast.js";
import { FIXED, columnOf, customColumns } from "./columns.js";
import { columns, keepColumns, usualColumns } from "./query.js";

/** @param {Element} anchor @param {string} project @param {() => void} changed */
export async function columnsPanel(anchor, project, changed) {
  const found = await attempt(() => custom(project));
  if (!found) return;
  let chosen = columns().map((column) => column.id);
  const shown = h("ol", { class: "column-order" });
  const search = h("input", { class: "input", type: "search", placeholder: "Find a column, metric or hyperparameter", "aria-label": "Find a column", input: () => draw() });
  const offered = h("div", { class: "choice-list" });

  function apply() {
    keepColumns(chosen);
    draw();
    changed();
  }

  /** @param {number} index @param {number} step */
  function shift(index, step) {
    const [moved] = chosen.splice(index, 1);
    chosen.splice(index + step, 0, moved);
    apply();
  }

  function draw() {
    shown.replaceChildren(...chosen.map((key, index) => {
      const label = columnOf(key)?.label ?? key;
      return h("li", {}, h("span", { class: "ellipsis", title: label }, label),
        iconButton("up", `Move ${label} left`, () => shift(index, -1), { disabled: index === 0 }),
        iconButton("down", `Move ${label} right`, () => shift(index, 1), { disabled: index === chosen.length - 1 }),
        key === "name" ? null : iconButton("close", `Hide ${label}`, () => { chosen = chosen.filter((one) => one !== key); apply(); }));
    }));
    const text = search.value.toLowerCase();
    const groups = [["Columns", Object.values(FIXED).map((one) => ({ key: one.id, label: one.label }))], ["Metrics", /** @type {any} */ (found).metrics], ["Hyperparameters", /** @type {any} */ (found).hyperparameters]];
    offered.replaceChildren(...groups.flatMap(([title, all]) => {
      const left = all.filter((/** @type {any} */ one) => !chosen.includes(one.key) && one.label.toLowerCase().includes(text)).slice(0, 100);
      const add = (/** @type {any} */ one) => h("button", { type: "button", class: "menu-item", click: () => { chosen.push(one.key); apply(); } }, one.label);
      return left.length ? [h("p", { class: "quiet small group" }, title), ...left.map(add)] : [];
    }));
  }
  draw();
  const reset = button("Default columns", () => { chosen = [...usualColumns()]; apply(); }, { kind: "small" });
  panelAt(anchor, h("div", { class: "filter-panel columns-panel" }, h("p", { class: "quiet small group" }, "Shown"), shown, search, offered, reset), "Columns");
}

/** @param {string} project */
async function custom(project) {
  const where = project === "*" ? {} : { project, include_subprojects: true };
  const [parameters, metrics] = await Promise.all([
    call("projects.get_hyper_parameters", { ...where, page: 0, page_size: 500 }), call("projects.get_unique_metric_variants", where),
  ]);
  return customColumns(parameters.parameters, metrics.metrics);
}
