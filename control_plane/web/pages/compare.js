// @ts-check
// Tasks side by side: details, hyperparameters with what differs marked, values, curves, parallel coordinates, scatter,
// plots and debug samples.

import { to } from "../core/address.js";
import { findTasks } from "../core/finders.js";
import { parallelView, scatterView, valuesView } from "../compare/charts.js";
import { comparison } from "../compare/frame.js";
import { TASKS } from "../compare/kinds.js";
import { plotsView } from "../compare/plots.js";
import { samplesView } from "../compare/samples.js";
import { scalarsView } from "../compare/scalars.js";
import { detailsView, parametersView } from "../compare/tables.js";

/** @type {Record<string, import("../compare/frame.js").ViewOf>} */
const VIEWS = {
  details: { label: "Details", make: detailsView, isTable: true },
  hyperparameters: { label: "Hyperparameters", make: parametersView, isTable: true },
  values: { label: "Values", make: valuesView, isTable: true },
  scalars: { label: "Scalars", make: (tasks) => scalarsView(tasks) },
  parallel: { label: "Parallel coordinates", make: parallelView },
  scatter: { label: "Scatter", make: scatterView },
  plots: { label: "Plots", make: (tasks) => plotsView(tasks) },
  samples: { label: "Debug samples", make: samplesView },
};
const NAMES = { "hyper-params": "hyperparameters", "metrics-plots": "plots", "debug-samples": "samples" };
const FIELDS = ["id", "name", "type", "status", "project.id", "project.name", "user.name", "created", "started", "completed", "active_duration", "last_iteration", "tags", "comment", "script", "container", "hyperparams", "last_metrics", "execution.artifacts", "models.input", "output"];

/** @type {import("../core/router.js").View} */
export async function comparePage(element, { project = "*", view = "details" }) {
  const list = [{ label: "Projects", href: to(["projects"]) }, { label: "Tasks", href: to(["projects", project, "tasks"]) }];
  return comparison(element, project, view, { kind: TASKS, path: "compare-tasks", views: VIEWS, names: NAMES, fields: FIELDS, list, find: findTasks });
}
