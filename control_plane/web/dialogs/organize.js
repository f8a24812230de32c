// @ts-check
// Where tasks and models are kept: their project and their tags.

import { call } from "../core/api.js";
import { findProjects } from "../core/finders.js";
import { h } from "../core/dom.js";
import { plural } from "../core/format.js";
import { field } from "../widgets/controls.js";
import { ask } from "../widgets/dialog.js";
import { picker } from "../widgets/picker.js";
import { toast } from "../widgets/toast.js";

/** @param {any[]} items @param {"tasks" | "models"} service */
export function moveDialog(items, service = "tasks") {
  const project = picker({ label: "Project", find: findProjects, mayCreate: true, placeholder: "Type to search or to create" });
  return ask({
    title: `Move ${items.length === 1 ? `“${items[0].name}”` : plural(items.length, service.slice(0, -1))}`, body: field("Project", project.node), action: "Move",
    run: async () => {
      const { id, name } = project.value();
      if (!id && !name) throw new Error("Choose a project.");
      await call(`${service}.move`, { ids: items.map((one) => one.id), ...(id ? { project: id } : { project_name: name }) });
      toast(`Moved to “${name}”.`);
    },
  });
}

/** @param {any[]} items @param {"tasks" | "models"} service */
export async function tagsDialog(items, service = "tasks") {
  const { tags } = await call("organization.get_tags");
  const input = h("input", { type: "text", class: "input", list: "known-tags", autocomplete: "off", autofocus: true });
  const known = h("datalist", { id: "known-tags" }, tags.map((/** @type {string} */ tag) => h("option", { value: tag })));
  await ask({
    title: "Add tag", body: [field("Tag", input, "Several: with commas between"), known], action: "Add",
    run: async () => {
      const added = input.value.split(",").map((/** @type {string} */ tag) => tag.trim()).filter(Boolean);
      if (!added.length) throw new Error("Type a tag.");
      await call(`${service}.update_tags`, { ids: items.map((one) => one.id), add_tags: added });
    },
  });
}
