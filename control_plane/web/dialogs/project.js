// @ts-check
// Making, changing, moving and deleting a project.

import { call } from "../core/api.js";
import { findProjects } from "../core/finders.js";
import { h } from "../core/dom.js";
import { leaf, plural } from "../core/format.js";
import { field } from "../widgets/controls.js";
import { ask } from "../widgets/dialog.js";
import { picker } from "../widgets/picker.js";
import { toast } from "../widgets/toast.js";
import { deleteFiles } from "./remove.js";

/** @param {any} [project] */
function fields(project = {}) {
  const name = h("input", { class: "input", type: "text", value: leaf(project.name), required: true, autofocus: true });
  const description = h("textarea", { class: "input", rows: 3, value: project.description ?? "" });
  const output = h("input", { class: "input", type: "text", value: project.default_output_destination ?? "", placeholder: "s3://bucket/folder" });
  return { name, description, output, body: [field("Name", name), field("Description", description), field("Default output destination", output, "For models and artifacts of new tasks")] };
}

/** @param {string} parent the path it begins under, or "" */
export function createProject(parent) {
  const form = fields();
  const place = picker({ label: "Create in", find: findProjects, chosen: parent ? { id: "-", name: parent } : null, placeholder: "The top level" });
  return ask({
    title: "New project", body: [form.body[0], field("Create in", place.node), ...form.body.slice(1)], action: "Create",
    run: async () => {
      const own = form.name.value.trim();
      if (own.length < 3) throw new Error("The name needs at least three letters.");
      const name = [place.value().name, own].filter(Boolean).join("/");
      await call("projects.create", { name, description: form.description.value, default_output_destination: form.output.value.trim() });
      toast(`Created “${name}”.`);
    },
  });
}

/** @param {any} project */
export function editProject(project) {
  const form = fields(project);
  return ask({
    title: "Project", body: form.body, action: "Save",
    run: async () => {
      const changes = { description: form.description.value, default_output_destination: form.output.value.trim() };
      const own = form.name.value.trim();
      const path = [...project.name.split("/").slice(0, -1), own].join("/");
      await call("projects.update", { project: project.id, ...changes, ...(path !== project.name ? { name: path } : {}) });
      toast("Saved.");
    },
  });
}

/** @param {any} project */
export function moveProject(project) {
  const place = picker({ label: "Under", find: findProjects, mayCreate: true, placeholder: "Empty: the top level" });
  return ask({
    title: `Move “${project.name}”`, body: field("Under", place.node), action: "Move",
    run: async () => {
      await call("projects.move", { project: project.id, new_location: place.value().name });
      toast("Moved.");
    },
  });
}

/** @param {any} project */
export async function deleteProject(project) {
  const found = await call("projects.validate_delete", { project: project.id });
  const open = found.non_archived_tasks + found.non_archived_models;
  const text = open ? `“${project.name}” still holds ${plural(found.non_archived_tasks, "task")} and ${plural(found.non_archived_models, "model")} that are not archived. They are deleted with it, and so are their files on this server.`
    : `“${project.name}” is deleted for good, with ${plural(found.tasks, "archived task")}.`;
  const sure = h("input", { class: "input", type: "text", autocomplete: "off" });
  await ask({
    title: "Delete project", body: [h("p", {}, text), open ? field(`Type the project's name to delete it: ${leaf(project.name)}`, sure) : null], action: "Delete", danger: true,
    run: async () => {
      if (open && sure.value !== leaf(project.name)) throw new Error("The name is not the same.");
      const { urls } = await call("projects.delete", { project: project.id, force: true, delete_contents: true });
      await deleteFiles(Object.values(urls ?? {}).flat().filter(Boolean));
      toast(`Deleted “${project.name}”.`);
    },
  });
}
