// @ts-check
// What can be done with models.

import { call } from "../core/api.js";
import { h } from "../core/dom.js";
import { plural } from "../core/format.js";
import { mayWrite } from "../core/session.js";
import { ask } from "../widgets/dialog.js";
import { attempt, toast } from "../widgets/toast.js";
import { moveDialog, tagsDialog } from "../dialogs/organize.js";
import { deleteFiles } from "../dialogs/remove.js";

const isArchived = (/** @type {any} */ model) => (model.system_tags ?? []).includes("archived");

/** @type {{label: string, icon: string, danger?: boolean, why: (model: any) => string | null, run: (models: any[]) => Promise<any>}[]} */
export const MODEL_ACTIONS = [
  { label: "Publish", icon: "publish", why: (model) => (model.ready ? "It is published" : null), run: (models) => many("models.publish_many", models, "Published") },
  { label: "Add tag", icon: "tag", why: () => null, run: (models) => tagsDialog(models, "models") },
  { label: "Move to project", icon: "move", why: () => null, run: (models) => moveDialog(models, "models") },
  { label: "Archive", icon: "archive", why: (model) => (isArchived(model) ? "It is archived already" : null), run: (models) => many("models.archive_many", models, "Archived") },
  { label: "Restore", icon: "reset", why: (model) => (isArchived(model) ? null : "It is not archived"), run: (models) => many("models.unarchive_many", models, "Restored") },
  { label: "Delete", icon: "trash", danger: true, why: () => null, run: remove },
];

/** @param {any} model @param {() => any} done */
export function modelMenu(model, done) {
  return MODEL_ACTIONS.map((action) => ({ label: action.label, icon: action.icon, danger: action.danger, why: mayWrite() ? action.why(model) : "Your role may read only",
    run: () => attempt(async () => { await action.run([model]); await done(); }) }));
}

/** @param {string} endpoint @param {any[]} models @param {string} told @param {object} [more] */
async function many(endpoint, models, told, more = {}) {
  const answer = await call(endpoint, { ids: models.map((model) => model.id), ...more });
  if (answer.failed?.length) throw new Error(answer.failed[0].error?.msg ?? "It was refused");
  toast(`${told} ${models.length === 1 ? `“${models[0].name}”` : plural(models.length, "model")}.`);
}

/** @param {any[]} models */
function remove(models) {
  const files = h("input", { type: "checkbox", checked: true });
  return ask({
    title: "Delete", action: "Delete", danger: true,
    body: [h("p", {}, `${models.length === 1 ? `“${models[0].name}”` : plural(models.length, "model")} is deleted for good.`), h("label", { class: "check" }, files, "Also delete the files of this server")],
    run: async () => {
      await many("models.delete_many", models, "Deleted", { force: true });
      if (files.checked) await deleteFiles(models.map((model) => model.uri));
    },
  });
}
