// @ts-check
// Pipelines and datasets: each is a project of its own, and its runs or versions are tasks.

import { call } from "../core/api.js";
import { keep, query, to } from "../core/address.js";
import { debounced, h, paced } from "../core/dom.js";
import { literal } from "../core/finders.js";
import { bytes } from "../core/format.js";
import { watch } from "../core/live.js";
import { mayWrite } from "../core/session.js";
import { button, emptyState, statusChip, tagChip, timeText } from "../widgets/controls.js";
import { icon } from "../widgets/icons.js";
import { attempt } from "../widgets/toast.js";
import { runPipelineDialog } from "../dialogs/run_pipeline.js";

/**
 * @param {HTMLElement} element
 * @param {{kind: string, title: string, noun: string, empty: string, taskTag: string, path: (project: string, task: string) => string, facts: (task: any) => any[]}} options
 */
async function collection(element, options) {
  document.title = `${options.title} · clearml-lean`;
  const list = h("div", { class: "stack" });
  const search = h("input", { class: "input", type: "search", placeholder: `Search ${options.title.toLowerCase()}`, "aria-label": `Search ${options.title.toLowerCase()}`, value: query().get("q") ?? "", input: debounced(() => { keep({ q: search.value.trim() }); load(); }, 200) });
  let shown = "";

  async function load() {
    const text = query().get("q");
    const { projects } = await call("projects.get_all_ex", { system_tags: [options.kind], search_hidden: true, shallow_search: false, order_by: ["-last_update"], page: 0, page_size: 100, only_fields: ["id", "name", "basename", "last_update", "tags"], ...(text ? { _any_: { fields: ["name"], pattern: literal(text) } } : {}) });
    const { tasks } = projects.length ? await call("tasks.get_all_ex", { project: projects.map((/** @type {any} */ one) => one.id), system_tags: [options.taskTag], search_hidden: true, order_by: ["-created"], page: 0, page_size: 500,
      only_fields: ["id", "name", "status", "project.id", "tags", "created", "last_update", "runtime", "hyperparams.properties.version"] }) : { tasks: [] };
    const now = JSON.stringify([projects, tasks]);
    if (now === shown) return;
    shown = now;
    list.replaceChildren(...(projects.length ? projects.map((/** @type {any} */ one) => card(one, tasks.filter((/** @type {any} */ task) => task.project?.id === one.id))) : [emptyState(`No ${options.noun} yet.`, options.empty)]));
  }

  /** @param {any} project @param {any[]} tasks */
  function card(project, tasks) {
    const head = [options.kind === "dataset" ? "Version" : "Run", "Status", "Created", ""].map((label) => h("th", { scope: "col" }, label || h("span", { class: "visually-hidden" }, "More")));
    const rows = tasks.slice(0, 8).map((task) => h("tr", { "data-id": task.id },
      h("td", {}, h("a", { href: options.path(project.id, task.id) }, task.runtime?.version || task.hyperparams?.properties?.version?.value ? `${task.name} ${task.runtime?.version ?? task.hyperparams.properties.version.value}` : task.name), " ", (task.tags ?? []).map((/** @type {string} */ tag) => tagChip(tag))),
      h("td", {}, statusChip(task.status)), h("td", {}, timeText(task.created)), h("td", { class: "number quiet" }, options.facts(task))));
    return h("section", { class: "card flush", "aria-label": project.basename ?? project.name }, h("header", { class: "section-head" }, h("h2", { class: "card-title" }, icon(options.kind === "dataset" ? "datasets" : "pipelines"), project.basename ?? project.name),
      h("span", { class: "quiet small" }, project.name.split("/.")[0]), h("a", { class: "small", href: to(["projects", project.id, "tasks"]) }, "All"),
      options.kind === "pipeline" && tasks.length && mayWrite() ? button("New run", () => attempt(() => runPipelineDialog(tasks[0].id)), { icon: "play", kind: "small" }) : null),
      tasks.length ? h("div", { class: "scroll-x" }, h("table", { class: "list" }, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows))) : emptyState("Nothing ran yet."));
  }

  element.replaceChildren(h("div", { class: "toolbar" }, h("h1", {}, options.title), h("span", { class: "grow" }), search), list);
  await load();
  return watch(["task", "project"], paced(() => load(), 1000));
}

/** @type {import("../core/router.js").View} */
export function pipelinesPage(element) {
  return collection(element, { kind: "pipeline", title: "Pipelines", noun: "pipeline", empty: "A pipeline appears here when its controller is started.", taskTag: "pipeline", path: (project, task) => to(["pipelines", project, "experiments", task]), facts: () => [] });
}

/** @type {import("../core/router.js").View} */
export function datasetsPage(element) {
  const size = (/** @type {any} */ task) => [task.runtime?.ds_file_count ? `${task.runtime.ds_file_count} files` : null, task.runtime?.ds_total_size ? bytes(Number(task.runtime.ds_total_size)) : null].filter(Boolean).join(", ");
  return collection(element, { kind: "dataset", title: "Datasets", noun: "dataset", empty: "Make one: clearml-data create, or Dataset.create in Python.", taskTag: "dataset", path: (project, task) => to(["datasets", "simple", project, "experiments", task]), facts: (task) => [size(task)] });
}
