// @ts-check
// Projects: cards of one level of the tree, with what goes on in them; made, renamed, moved and deleted.

import { call } from "../core/api.js";
import { keep, query, to } from "../core/address.js";
import { debounced, h, paced } from "../core/dom.js";
import { duration, leaf, plural } from "../core/format.js";
import { watch } from "../core/live.js";
import { mayWrite } from "../core/session.js";
import { breadcrumbs, button, emptyState, iconButton, tagChip } from "../widgets/controls.js";
import { icon } from "../widgets/icons.js";
import { menuAt } from "../widgets/menu.js";
import { attempt } from "../widgets/toast.js";
import { createProject, deleteProject, editProject, moveProject } from "../dialogs/project.js";
import { loadProject, projectHead } from "./project_head.js";

export const CARD_FIELDS = ["id", "name", "basename", "tags", "description", "last_update", "default_output_destination"];

/** @type {import("../core/router.js").View} */
export async function projectsPage(element, { project }) {
  const here = project ? await loadProject(project) : null;
  document.title = `${here?.name ?? "Projects"} · clearml-lean`;
  const cards = h("div", { class: "cards", role: "list", "aria-label": "Projects" });
  const search = h("input", { class: "input", type: "search", placeholder: "Search projects", "aria-label": "Search projects", value: query().get("q") ?? "", input: debounced(() => { keep({ q: search.value.trim() }); load(); }, 200) });
  const sorting = h("select", { class: "input", "aria-label": "Sort by", value: query().get("sort") ?? "-last_update", change: () => { keep({ sort: sorting.value }); load(); } },
    [["-last_update", "Last updated"], ["name", "Name"], ["-created", "Newest"]].map(([value, label]) => h("option", { value }, label)));
  sorting.value = query().get("sort") ?? "-last_update";
  const hidden = h("input", { type: "checkbox", checked: !!query().get("hidden"), change: () => { keep({ hidden: hidden.checked ? "1" : null }); load(); } });
  const create = mayWrite() && button("New project", () => attempt(async () => { await createProject(here?.name ?? ""); await load(); }), { icon: "plus", kind: "primary" });

  async function load() {
    const text = query().get("q");
    const where = text ? { _any_: { fields: ["name"], pattern: text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&") }, shallow_search: false } : here ? { parent: [here.id], shallow_search: true } : { shallow_search: true };
    const { projects } = await call("projects.get_all_ex", { ...where, order_by: [query().get("sort") ?? "-last_update"], page: 0, page_size: 500,
      include_stats: true, stats_with_children: true, check_own_contents: true, search_hidden: hidden.checked || null, only_fields: CARD_FIELDS });
    const shown = projects.map((/** @type {any} */ one) => projectCard(one, load));
    if (!text) shown.unshift(h("div", { class: "card project all", role: "listitem" }, h("a", { class: "card-title", href: to(["projects", here?.id ?? "*", "tasks"]) }, icon("projects"), here ? `All tasks of ${leaf(here.name)}` : "All projects"), h("p", { class: "quiet" }, "Every task in one table")));
    const nothing = h("div", { role: "listitem" }, emptyState(text ? "No project fits." : "No project yet.", text ? "" : "Run a script that calls Task.init, or make one here."));
    cards.replaceChildren(...shown, ...(projects.length || (here && !text) ? [] : [nothing]));
  }

  const head = here ? await projectHead(here.id, "projects") : h("header", { class: "page-head" }, breadcrumbs([{ label: "Projects" }]), h("h1", { class: "visually-hidden" }, "Projects"));
  element.replaceChildren(head, h("div", { class: "toolbar" }, search, sorting, h("label", { class: "check" }, hidden, "Hidden projects"), h("span", { class: "grow" }), create || null), cards);
  await load();
  return watch(["project", "task"], paced(() => load(), 2000));
}

/** @param {any} project @param {() => Promise<void>} [changed] */
export function projectCard(project, changed = async () => {}) {
  const stats = project.stats?.active ?? {};
  const running = stats.status_count?.in_progress ?? 0, queued = stats.status_count?.queued ?? 0;
  const total = stats.total_tasks ?? Object.values(stats.status_count ?? {}).reduce((/** @type {number} */ sum, /** @type {any} */ n) => sum + n, 0);
  const children = (project.sub_projects ?? []).filter((/** @type {any} */ one) => !one.name.includes("/."));
  const items = (/** @type {any} */ event) => {
    const box = event.currentTarget.getBoundingClientRect();
    const act = (/** @type {(project: any) => Promise<any>} */ run) => () => attempt(async () => { await run(project); await changed(); });
    menuAt([{ label: "Rename or describe…", icon: "edit", run: act(editProject) }, { label: "New sub-project…", icon: "plus", run: act((one) => createProject(one.name)) },
      { label: "Move…", icon: "move", run: act(moveProject) }, null, { label: "Delete…", icon: "trash", danger: true, run: act(deleteProject) }], box.left, box.bottom, `Actions for ${project.name}`);
  };
  const count = (/** @type {string} */ label, /** @type {any} */ value, kind = "") => h("div", { class: `stat ${kind}` }, h("strong", {}, value), h("span", { class: "quiet small" }, label));
  return h("article", { class: "card project", role: "listitem", "data-id": project.id },
    h("header", {}, h("a", { class: "card-title ellipsis", href: to(["projects", project.id, "tasks"]), title: project.name }, icon("projects"), project.basename ?? leaf(project.name)),
      mayWrite() ? iconButton("more", `Actions for ${project.name}`, items) : null),
    h("p", { class: "quiet small ellipsis" }, project.name.includes("/") ? project.name.split("/").slice(0, -1).join(" / ") : project.description || "\u00a0"),
    h("div", { class: "stats" }, count("running", running, running ? "live" : ""), count("pending", queued), count("done in 24 h", stats.completed_tasks_24h ?? 0), count("tasks", total)),
    h("footer", {}, (project.tags ?? []).map((/** @type {string} */ tag) => tagChip(tag)), h("span", { class: "quiet small" }, stats.total_runtime ? `${duration(stats.total_runtime)} of computing` : ""),
      children.length ? h("a", { class: "small", href: to(["projects", project.id, "projects"]) }, plural(children.length, "sub-project")) : null));
}
