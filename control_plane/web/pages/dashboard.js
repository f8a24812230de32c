// @ts-check
// Where one begins: the projects and tasks that something happened in last.

import { call } from "../core/api.js";
import { to } from "../core/address.js";
import { h, paced } from "../core/dom.js";
import { duration, number, runTime } from "../core/format.js";
import { watch } from "../core/live.js";
import { currentUser, mayWrite } from "../core/session.js";
import { button, emptyState, statusChip, timeText } from "../widgets/controls.js";
import { attempt } from "../widgets/toast.js";
import { createProject } from "../dialogs/project.js";
import { keep, query } from "../core/address.js";
import { CARD_FIELDS, projectCard } from "./projects.js";

const PROJECTS = 6, TASKS = 10;

/** @type {import("../core/router.js").View} */
export async function dashboardPage(element) {
  document.title = "Dashboard · clearml-lean";
  const cards = h("div", { class: "cards", role: "list", "aria-label": "Recent projects" });
  const tasks = h("div", { class: "card flush" });
  const mine = h("input", { type: "checkbox", checked: !!query().get("mine"), change: () => { keep({ mine: mine.checked ? "1" : null }); load(); } });

  async function load() {
    const user = mine.checked && currentUser() ? [currentUser().id] : null;
    const [found, recent] = await Promise.all([
      call("projects.get_all_ex", { order_by: ["-last_update"], page: 0, page_size: PROJECTS, include_stats: true, stats_with_children: true, shallow_search: true, check_own_contents: true, only_fields: CARD_FIELDS, ...(user ? { active_users: user } : {}) }),
      call("tasks.get_all_ex", { order_by: ["-last_update"], page: 0, page_size: TASKS, system_tags: ["-archived"], ...(user ? { user } : {}),
        only_fields: ["id", "name", "type", "status", "project.id", "project.name", "started", "completed", "active_duration", "last_update", "last_iteration"] }),
    ]);
    cards.replaceChildren(...found.projects.map((/** @type {any} */ one) => projectCard(one, load)));
    if (!found.projects.length) cards.replaceChildren(h("div", { role: "listitem" }, emptyState("No project yet.", "Run a script that calls Task.init, and its project appears here.")));
    tasks.replaceChildren(recent.tasks.length ? taskList(recent.tasks) : emptyState("No task yet.", "What runs, and what ran, is listed here."));
  }

  const create = mayWrite() && button("New project", () => attempt(async () => { await createProject(""); await load(); }), { icon: "plus" });
  element.replaceChildren(h("h1", { class: "visually-hidden" }, "Dashboard"),
    h("div", { class: "section-title" }, h("h2", {}, "Recent projects"), h("a", { href: to(["projects"]) }, "View all"), h("span", { class: "grow" }), h("label", { class: "check" }, mine, "My work"), create || null), cards,
    h("div", { class: "section-title" }, h("h2", {}, "Recent tasks"), h("a", { href: to(["projects", "*", "tasks"]) }, "View all")), tasks);
  await load();
  return watch(["task", "project"], paced(() => load(), 1000));
}

/** @param {any[]} tasks */
export function taskList(tasks) {
  const head = ["Name", "Project", "Status", "Updated", "Iteration", "Run time"].map((label, index) => h("th", { scope: "col", class: index > 3 ? "number" : null }, label));
  const rows = tasks.map((task) => h("tr", { "data-id": task.id },
    h("td", {}, h("a", { href: to(["projects", task.project?.id ?? "*", "tasks", task.id, "execution"]) }, task.name)), h("td", {}, h("span", { class: "two-lines", title: task.project?.name }, task.project?.name ?? "")),
    h("td", {}, statusChip(task.status)), h("td", {}, timeText(task.last_update)), h("td", { class: "number" }, number(task.last_iteration)), h("td", { class: "number" }, duration(runTime(task)))));
  return h("div", { class: "scroll-x" }, h("table", { class: "list" }, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows)));
}
