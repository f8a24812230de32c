// @ts-check
// Search over everything: tasks, models, projects, pipelines, datasets; with how many of each there are.

import { call } from "../core/api.js";
import { keep, query, to } from "../core/address.js";
import { h } from "../core/dom.js";
import { literal } from "../core/finders.js";
import { emptyState, tabBar, timeText } from "../widgets/controls.js";
import { taskList } from "./dashboard.js";

const KINDS = [["tasks", "Tasks"], ["models", "Models"], ["projects", "Projects"], ["pipelines", "Pipelines"], ["datasets", "Datasets"], ["reports", "Reports"]];

/** @type {import("../core/router.js").View} */
export async function searchPage(element) {
  const text = query().get("q") ?? "";
  document.title = `${text} · Search · clearml-lean`;
  const fields = (/** @type {string[]} */ names) => ({ _any_: { fields: names, pattern: literal(text) } });
  const where = {
    tasks: { ...fields(["name", "id", "comment", "tags"]), system_tags: ["-archived", "-pipeline", "-dataset"] }, models: { ...fields(["name", "id", "comment", "tags"]), system_tags: ["-archived"] },
    projects: { ...fields(["name", "description"]), shallow_search: false }, pipelines: { ...fields(["name"]), system_tags: ["pipeline"], search_hidden: true, shallow_search: false }, datasets: { ...fields(["name"]), system_tags: ["dataset"], search_hidden: true, shallow_search: false },
    reports: { ...fields(["name", "comment", "report", "tags"]), system_tags: ["-archived"] },
  };
  const counts = await call("organization.get_entities_count", where);
  const first = KINDS.find(([kind]) => counts[kind])?.[0] ?? "tasks";
  const chosen = /** @type {keyof typeof where} */ (query().get("in") ?? first);
  const tabs = tabBar(KINDS.map(([name, label]) => ({ name, label: `${label} ${counts[name] ?? 0}`, href: to(["search"], { q: text, in: name }) })), chosen, "Search");
  const body = h("div", { class: "card flush" });
  element.replaceChildren(h("h1", {}, `Search: ${text}`), tabs, body);
  const page = { page: 0, page_size: 100, order_by: ["-last_update"] };
  if (chosen === "tasks") {
    const { tasks } = await call("tasks.get_all_ex", { ...where.tasks, ...page, only_fields: ["id", "name", "status", "project.id", "project.name", "last_update", "last_iteration", "started", "completed", "active_duration"] });
    body.replaceChildren(tasks.length ? taskList(tasks) : nothing());
  } else if (chosen === "models") {
    const { models } = await call("models.get_all_ex", { ...where.models, ...page, only_fields: ["id", "name", "project.id", "project.name", "last_update"] });
    body.replaceChildren(models.length ? list(models, (one) => to(["projects", one.project?.id ?? "*", "models", one.id, "general"])) : nothing());
  } else if (chosen === "reports") {
    const { tasks } = await call("reports.get_all_ex", { ...where.reports, ...page, only_fields: ["id", "name", "project.id", "project.name", "last_update"] });
    body.replaceChildren(tasks.length ? list(tasks, (one) => to(["reports", one.project?.id ?? "*", one.id])) : nothing());
  } else {
    const { projects } = await call("projects.get_all_ex", { ...where[chosen], ...page, only_fields: ["id", "name", "last_update"] });
    body.replaceChildren(projects.length ? list(projects, (one) => to(["projects", one.id, "tasks"])) : nothing());
  }
  keep({ in: query().get("in") });
}

function nothing() {
  return emptyState("Nothing found.", "Names, IDs, descriptions and tags are searched.");
}

/** @param {any[]} all @param {(one: any) => string} href */
function list(all, href) {
  return h("table", { class: "list" }, h("thead", {}, h("tr", {}, ["Name", "Project", "Updated"].map((label) => h("th", { scope: "col" }, label)))),
    h("tbody", {}, all.map((one) => h("tr", {}, h("td", {}, h("a", { href: href(one) }, one.name)), h("td", {}, one.project?.name ?? ""), h("td", {}, timeText(one.last_update))))));
}
