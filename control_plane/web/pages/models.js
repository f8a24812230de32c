// @ts-check
// Models: a table of those of a project or of all; one model with its network, labels, metadata and lineage.

import { call } from "../core/api.js";
import { keep, query, to } from "../core/address.js";
import { debounced, h, paced } from "../core/dom.js";
import { literal } from "../core/finders.js";
import { plural } from "../core/format.js";
import { watch } from "../core/live.js";
import { go } from "../core/router.js";
import { button, emptyState, iconButton, modelStatus, tagsCell, timeText } from "../widgets/controls.js";
import { grid, PAGE } from "../widgets/grid.js";
import { menuAt } from "../widgets/menu.js";
import { attempt } from "../widgets/toast.js";
import { MODEL_ACTIONS, modelMenu } from "../models/actions.js";
import { modelPage } from "../models/page.js";
import { mayWrite } from "../core/session.js";
import { projectHead } from "./project_head.js";

const FIELDS = ["id", "name", "ready", "framework", "tags", "system_tags", "project.id", "project.name", "task.id", "task.name", "user.name", "created", "last_update", "uri"];
const COLUMNS = [
  { id: "name", label: "Name", width: 280, sort: "name", cell: (/** @type {any} */ one) => h("span", { class: "ellipsis", title: one.name }, one.name) },
  { id: "status", label: "Status", width: 110, sort: "ready", cell: modelStatus },
  { id: "framework", label: "Framework", width: 120, sort: "framework", cell: (/** @type {any} */ one) => one.framework ?? "" },
  { id: "tags", label: "Tags", width: 150, cell: (/** @type {any} */ one) => tagsCell(one.tags ?? []) },
  { id: "project", label: "Project", width: 200, sort: "project.name", cell: (/** @type {any} */ one) => one.project?.name ?? "" },
  { id: "task", label: "Task", width: 200, cell: (/** @type {any} */ one) => (one.task?.id ? h("a", { class: "ellipsis", href: to(["projects", "*", "tasks", one.task.id, "artifacts"]) }, one.task.name ?? one.task.id) : "") },
  { id: "user", label: "User", width: 110, cell: (/** @type {any} */ one) => one.user?.name ?? "" },
  { id: "updated", label: "Updated", width: 110, sort: "last_update", cell: (/** @type {any} */ one) => timeText(one.last_update) },
];

/** @type {import("../core/router.js").View} */
export async function modelsPage(element, parameters) {
  if (parameters.model) return modelPage(element, parameters.model, parameters.tab ?? "general");
  const project = parameters.project ?? "*";
  /** @type {Map<string, any>} */
  const selected = new Map();
  const order = () => (query().get("sort") ?? "-last_update").split(",");
  const where = () => {
    const text = query().get("q");
    return { ...(project === "*" ? {} : { project: [project], include_subprojects: true }), system_tags: query().get("archived") ? ["archived"] : ["-archived"],
      ...(text ? { _any_: { fields: ["name", "id", "framework", "tags"], pattern: literal(text) } } : {}) };
  };
  const tally = h("span", { class: "quiet tally", role: "status" });
  const table = grid({
    label: "Models", columns: COLUMNS, selected,
    page: async (page) => (await call("models.get_all_ex", { ...where(), order_by: order(), page, page_size: PAGE, only_fields: FIELDS })).models,
    total: async () => {
      const count = (await call("organization.get_entities_count", { models: where() })).models;
      tally.textContent = plural(count, "model");
      return count;
    },
    open: (row) => go(to(["projects", row.project?.id ?? "*", "models", row.id, "general"])),
    menu: (row, x, y) => menuAt(modelMenu(row, () => table.refresh()), x, y, `Actions for ${row.name}`),
    empty: () => emptyState("No model here.", "Models that tasks save, and those that are imported, are listed here."),
    sorted: order, sort: (field) => { keep({ sort: order()[0] === field ? `-${field}` : field }); table.restart(); }, onSelect: () => drawBar(),
    selectAll: async () => (await call("models.get_all_ex", { ...where(), page: 0, page_size: 500, only_fields: FIELDS })).models,
  });
  const search = h("input", { class: "input", type: "search", placeholder: "Search models", "aria-label": "Search models", value: query().get("q") ?? "", input: debounced(() => { keep({ q: search.value.trim() }); table.restart(); }, 200) });
  const archive = button("Archive", () => { keep({ archived: query().get("archived") ? null : "1" }); archive.setAttribute("aria-pressed", String(!!query().get("archived"))); table.restart(); }, { icon: "archive", kind: "small" });
  const bar = h("div", { class: "bulk", role: "toolbar", "aria-label": "Selected models", hidden: true });

  function drawBar() {
    bar.hidden = !selected.size;
    const models = [...selected.values()];
    const compare = button("Compare", () => go(to(["projects", project, "compare-models"], { ids: models.map((model) => model.id).join(",") })), { icon: "compare", kind: "small", disabled: models.length < 2 });
    const actions = mayWrite() ? MODEL_ACTIONS : [];
    const none = iconButton("close", "Select nothing", () => { selected.clear(); table.redraw(); drawBar(); });
    bar.replaceChildren(h("strong", {}, `${plural(models.length, "model")} selected`), none, ...actions.map((action) => {
      const fit = models.filter((model) => !action.why(model));
      return button(fit.length === models.length ? action.label : `${action.label} (${fit.length})`, () => attempt(async () => { await action.run(fit); selected.clear(); drawBar(); await table.refresh(); }), { icon: action.icon, kind: "small", disabled: !fit.length });
    }), compare);
  }

  element.classList.add("fixed");
  const head = parameters.project ? await projectHead(project, "models") : h("h1", {}, "Models");
  document.title = "Models · clearml-lean";
  element.replaceChildren(head, h("div", { class: "toolbar" }, search, archive, tally), table.node, bar);
  table.restart();
  return watch(["model"], paced(async () => { await attempt(() => table.refresh()); }, 500));
}
