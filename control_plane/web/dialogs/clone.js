// @ts-check
// "Clone task": into a project that is found by typing or made new, under a name, with a description.

import { call } from "../core/api.js";
import { to } from "../core/address.js";
import { findProjects } from "../core/finders.js";
import { h } from "../core/dom.js";
import { go } from "../core/router.js";
import { field } from "../widgets/controls.js";
import { ask } from "../widgets/dialog.js";
import { picker } from "../widgets/picker.js";
import { toast } from "../widgets/toast.js";

/** @param {any} task */
export async function cloneDialog(task) {
  const here = task.project?.id ? { id: task.project.id, name: task.project.name ?? "" } : null;
  const project = picker({ label: "Project", find: findProjects, chosen: here, mayCreate: true, placeholder: "Type to search or to create" });
  const name = h("input", { type: "text", class: "input", value: `Clone Of ${task.name}`, required: true, autofocus: true });
  const comment = h("textarea", { class: "input", rows: 3 });
  const body = [field("Name", name), field("Project", project.node), field("Description (optional)", comment)];
  await ask({
    title: "Clone task", body, action: "Clone",
    run: async () => {
      const wanted = project.value();
      if (name.value.trim().length < 3) throw new Error("The name needs at least three letters.");
      const place = wanted.id ? { new_task_project: wanted.id } : wanted.name ? { new_project_name: wanted.name } : {};
      const { id, new_project: made } = await call("tasks.clone", { task: task.id, new_task_name: name.value.trim(), new_task_comment: comment.value, ...place });
      const target = wanted.id ?? made?.id ?? "*";
      toast(`Cloned as “${name.value.trim()}”.`);
      await go(to(["projects", target, "tasks", id, "execution"]));
    },
  });
}
