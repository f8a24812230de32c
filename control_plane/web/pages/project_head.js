// @ts-check
// What is above everything of a project: the trail to it, and its tabs.

import { call } from "../core/api.js";
import { to } from "../core/address.js";
import { h } from "../core/dom.js";
import { leaf } from "../core/format.js";
import { breadcrumbs, tabBar } from "../widgets/controls.js";

/** A project's facts; null for all of them. @param {string} id @param {string[]} [fields] */
export async function loadProject(id, fields = ["id", "name"]) {
  if (id === "*") return null;
  const { projects } = await call("projects.get_all_ex", { id: [id], search_hidden: true, only_fields: fields });
  if (!projects.length) throw new Error("There is no such project (any more).");
  return projects[0];
}

/** The trail of projects to this one: each a link. @param {any} project */
export async function trail(project) {
  const all = [{ label: "Projects", href: to(["projects"]) }];
  if (!project) return [...all, { label: "All tasks" }];
  const parts = project.name.split("/");
  if (parts.length === 1) return [...all, { label: project.name, href: to(["projects", project.id, "tasks"]) }];
  const names = parts.slice(0, -1).map((/** @type {string} */ _, /** @type {number} */ index) => parts.slice(0, index + 1).join("/"));
  const pattern = `^(${names.map((/** @type {string} */ name) => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|")})$`;
  const { projects } = await call("projects.get_all_ex", { name: pattern, search_hidden: true, only_fields: ["id", "name"], shallow_search: false });
  const ids = new Map(projects.map((/** @type {any} */ one) => [one.name, one.id]));
  return [...all, ...names.map((/** @type {string} */ name) => ({ label: leaf(name), href: ids.has(name) ? to(["projects", ids.get(name), "projects"]) : undefined })),
    { label: leaf(project.name), href: to(["projects", project.id, "tasks"]) }];
}

/** @param {string} id @param {string} chosen */
export async function projectHead(id, chosen) {
  const project = await loadProject(id);
  const places = [["overview", "Overview"], ["projects", "Sub-projects"], ["tasks", "Tasks"], ["models", "Models"]].filter(([name]) => project || ["tasks", "models"].includes(name));
  const tabs = places.map(([name, label]) => ({ name, label, href: to(["projects", id, name]) }));
  return h("header", { class: "page-head", "data-title": project?.name ?? "All tasks" }, breadcrumbs(await trail(project)), h("h1", { class: "visually-hidden" }, project?.name ?? "All tasks"), tabBar(tabs, chosen, "Project"));
}
