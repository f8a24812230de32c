// @ts-check
// Models side by side: details, metadata, and the curves and plots that were reported of them.

import { to } from "../core/address.js";
import { findModels } from "../core/finders.js";
import { comparison } from "../compare/frame.js";
import { MODELS } from "../compare/kinds.js";
import { modelDetails, modelMetadata } from "../compare/models.js";
import { plotsView } from "../compare/plots.js";
import { scalarsView } from "../compare/scalars.js";

/** @type {Record<string, import("../compare/frame.js").ViewOf>} */
const VIEWS = {
  details: { label: "Details", make: modelDetails, isTable: true },
  metadata: { label: "Metadata", make: modelMetadata, isTable: true },
  scalars: { label: "Scalars", make: (models) => scalarsView(models, MODELS) },
  plots: { label: "Plots", make: (models) => plotsView(models, MODELS) },
};
const NAMES = { "models-details": "details", "models-metadata": "metadata" };
const FIELDS = ["id", "name", "ready", "framework", "tags", "project.id", "project.name", "task.id", "task.name", "user.name", "created", "last_update", "uri", "comment", "design", "labels", "metadata"];

/** @type {import("../core/router.js").View} */
export async function compareModelsPage(element, { project = "*", view = "details" }) {
  const list = [{ label: "Models", href: project === "*" ? to(["models"]) : to(["projects", project, "models"]) }];
  return comparison(element, project, view, { kind: MODELS, path: "compare-models", views: VIEWS, names: NAMES, fields: FIELDS, list, find: (text) => findModels(text, project === "*" ? null : project) });
}
