// @ts-check
// Tasks side by side: details, hyperparameters with what differs marked, values, curves, parallel coordinates, scatter,
// plots and debug samples.

import { call, save } from "../core/api.js";
import { keep, matrix, query, to } from "../core/address.js";
import { h } from "../core/dom.js";
import { findTasks } from "../core/finders.js";
import { breadcrumbs, button, emptyState, field, tabBar } from "../widgets/controls.js";
import { ask } from "../widgets/dialog.js";
import { picker } from "../widgets/picker.js";
import { attempt } from "../widgets/toast.js";
import { csvOf, detailsView, parametersView } from "../compare/tables.js";
import { parallelView, scalarsView, scatterView, valuesView } from "../compare/charts.js";
import { plotsView } from "../compare/plots.js";
import { samplesView } from "../compare/samples.js";
import { go } from "../core/router.js";

const VIEWS = [["details", "Details"], ["hyperparameters", "Hyperparameters"], ["values", "Values"], ["scalars", "Scalars"], ["parallel", "Parallel coordinates"], ["scatter", "Scatter"], ["plots", "Plots"], ["samples", "Debug samples"]];
/** What official addresses call them. @type {Record<string, string>} */
const NAMES = { "hyper-params": "hyperparameters", "scalars": "scalars", "metrics-plots": "plots", "debug-samples": "samples" };
const FIELDS = ["id", "name", "type", "status", "project.id", "project.name", "user.name", "created", "started", "completed", "active_duration", "last_iteration", "tags", "comment", "script", "container", "hyperparams", "last_metrics", "execution.artifacts", "models.input", "output"];

/** @type {import("../core/router.js").View} */
export async function comparePage(element, { project = "*", view = "details" }) {
  document.title = "Compare · clearml-lean";
  const ids = (query().get("ids") ?? matrix("ids") ?? "").split(",").filter(Boolean);
  const chosen = NAMES[view] ?? (VIEWS.some(([name]) => name === view) ? view : "details");
  const { tasks: found } = ids.length ? await call("tasks.get_all_ex", { id: ids, search_hidden: true, only_fields: FIELDS }) : { tasks: [] };
  const tasks = ids.map((id) => found.find((/** @type {any} */ one) => one.id === id)).filter(Boolean);
  const address = (/** @type {string} */ name, /** @type {string[]} */ wanted) => to(["projects", project, "compare-tasks", name], { ids: wanted.join(",") });
  const chips = tasks.map((task) => h("span", { class: "chip", title: task.name }, h("span", { class: "ellipsis" }, task.name), h("button", { type: "button", "aria-label": `Leave out ${task.name}`, click: () => { go(address(chosen, ids.filter((id) => id !== task.id))); } }, "×")));
  const add = button("Add task", () => attempt(() => addDialog((id) => { go(address(chosen, [...ids, id])); })), { icon: "plus", kind: "small" });
  const same = h("input", { type: "checkbox", checked: !!query().get("differ"), change: () => { keep({ differ: same.checked ? "1" : null }); draw(); } });
  const csv = button("CSV", () => { if (groups) save(new Blob([csvOf(tasks, groups())], { type: "text/csv" }), `compared-${chosen}.csv`); }, { icon: "download", kind: "small" });
  const isTable = ["details", "hyperparameters", "values"].includes(chosen);
  /** @type {(() => import("../compare/tables.js").Group[]) | undefined} */
  let groups;
  const body = h("div", {});
  element.replaceChildren(breadcrumbs([{ label: "Projects", href: to(["projects"]) }, { label: "Tasks", href: to(["projects", project, "tasks"]) }, { label: "Compare" }]), h("h1", { class: "visually-hidden" }, "Compare tasks"),
    h("div", { class: "toolbar" }, h("div", { class: "chips" }, chips), add, h("span", { class: "grow" }), isTable ? [h("label", { class: "check" }, same, "Only what differs"), csv] : null),
    tabBar(VIEWS.map(([name, label]) => ({ name, label, href: address(name, ids) })), chosen, "Compare"), body);
  /** @type {(() => void) | void} */
  let leave;

  function draw() {
    leave?.();
    if (!tasks.length) return body.replaceChildren(emptyState("Nothing to compare.", "Select tasks in the table, then “Compare”."));
    const onlyDiffering = same.checked;
    const views = { details: () => detailsView(tasks, onlyDiffering), hyperparameters: () => parametersView(tasks, onlyDiffering), values: () => valuesView(tasks, onlyDiffering), scalars: () => scalarsView(tasks), parallel: () => parallelView(tasks), scatter: () => scatterView(tasks), plots: () => plotsView(tasks), samples: () => samplesView(tasks) };
    const made = views[/** @type {keyof typeof views} */ (chosen)]();
    body.replaceChildren(made.node);
    leave = made.leave;
    groups = "groups" in made ? made.groups : undefined;
    made.start?.();
  }
  draw();
  return () => leave?.();
}

/** @param {(id: string) => void} take */
function addDialog(take) {
  const task = picker({ label: "Task", find: findTasks });
  return ask({ title: "Add task", body: field("Task", task.node), action: "Add", run: () => {
    const { id } = task.value();
    if (!id) throw new Error("Choose a task of the list.");
    take(id);
  } });
}
