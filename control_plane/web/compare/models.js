// @ts-check
// What models are, beside each other: their details, labels, network, and what people and programs wrote about them.

import { when } from "../core/format.js";
import { MODELS } from "./kinds.js";
import { sideBySide } from "./tables.js";

/** @param {any[]} models @param {import("./tables.js").Group[]} groups @param {boolean} onlyDiffering */
function tables(models, groups, onlyDiffering) {
  return { node: sideBySide(models, groups, onlyDiffering, { kind: MODELS }), groups: () => groups, start: undefined, leave: undefined };
}

/** @param {any[]} models @param {string} name @param {(model: any) => any} read */
function row(models, name, read) {
  return { name, values: models.map((model) => String(read(model) ?? "")) };
}

/** @param {any[]} models @param {boolean} onlyDiffering */
export function modelDetails(models, onlyDiffering) {
  const of = (/** @type {string} */ name, /** @type {(model: any) => any} */ read) => row(models, name, read);
  const labels = [...new Set(models.flatMap((model) => Object.keys(model.labels ?? {})))].sort();
  const design = (/** @type {any} */ model) => model.design?.design ?? (Object.keys(model.design ?? {}).length ? JSON.stringify(model.design, null, 2) : "");
  return tables(models, [
    { group: "Model", rows: [of("Project", (model) => model.project?.name), of("Framework", (model) => model.framework), of("Published", (model) => (model.ready ? "yes" : "no")), of("Tags", (model) => (model.tags ?? []).join(", ")), of("Made by task", (model) => model.task?.name), of("User", (model) => model.user?.name), of("Created", (model) => when(model.created)), of("Last update", (model) => when(model.last_update)), of("File", (model) => model.uri), of("Description", (model) => model.comment)] },
    { group: "Labels", rows: labels.map((label) => of(label, (model) => model.labels?.[label])) },
    { group: "Network", rows: [of("Configuration", design)].filter((one) => one.values.some(Boolean)) },
  ].filter((group) => group.rows.length), onlyDiffering);
}

/** @param {any[]} models @param {boolean} onlyDiffering */
export function modelMetadata(models, onlyDiffering) {
  const keys = [...new Set(models.flatMap((model) => Object.keys(model.metadata ?? {})))].sort();
  return tables(models, [{ group: "Metadata", rows: keys.map((key) => row(models, key, (model) => model.metadata?.[key]?.value)) }].filter((group) => group.rows.length), onlyDiffering);
}
