// @ts-check
// The task table of a project, or of all: live, of any length, with its whole state in the address.

import { call, download } from "../core/api.js";
import { keep, query, to } from "../core/address.js";
import { debounced, h, paced } from "../core/dom.js";
import { plural } from "../core/format.js";
import { watch } from "../core/live.js";
import { go } from "../core/router.js";
import { mayWrite } from "../core/session.js";
import { button, emptyState, iconButton } from "../widgets/controls.js";
import { grid, PAGE } from "../widgets/grid.js";
import { menuAt } from "../widgets/menu.js";
import { attempt } from "../widgets/toast.js";
import { ACTIONS, menuItems, whyNot } from "../tasks/actions.js";
import { columnsPanel } from "../tasks/chooser.js";
import { ALWAYS } from "../tasks/columns.js";
import { customPanel, filterChips, learnNames, rangePanel, valuesPanel } from "../tasks/filters.js";
import { LISTS, RANGES, columns, fields, isFiltered, keepWidth, order, sortBy, where } from "../tasks/query.js";
import { newTaskDialog } from "../dialogs/new_task.js";
import { projectHead } from "../pages/project_head.js";

const MOST_SELECTED = 5000;
const REFRESH_MS = 500;

/** @type {import("../core/router.js").View} */
export async function tasksPage(element, { project = "*" }) {
  /** @type {Map<string, any>} */
  const selected = new Map();
  const head = await projectHead(project, "tasks");
  const changed = () => {
    table.setColumns(shown());
    table.restart();
    drawTools();
  };
  const shown = () => columns().map((column) => ({
    ...column,
    filter: column.id in RANGES ? (/** @type {Element} */ anchor) => { rangePanel(anchor, column.label, RANGES[column.id].field, changed, RANGES[column.id]); }
      : column.id in LISTS && (column.id !== "project" || project === "*") ? (/** @type {Element} */ anchor) => { valuesPanel(anchor, column.id, column.label, project, changed); }
      : /^[mh]\./.test(column.id) ? (/** @type {Element} */ anchor) => { customPanel(anchor, column, project, changed); } : undefined,
    isFiltered: () => [...query().keys()].some((key) => key === column.id || key.endsWith(`.${column.sort}`) || (column.id === "tags" && key === "notags")),
  }));
  const question = () => ({ ...where(project), order_by: order(), only_fields: fields(columns()) });

  const table = grid({
    label: "Tasks", columns: shown(), selected,
    page: async (page) => (await call("tasks.get_all_ex", { ...question(), page, page_size: PAGE })).tasks,
    total: async () => {
      const count = (await call("organization.get_entities_count", { tasks: where(project) })).tasks;
      tally.textContent = plural(count, "task");
      return count;
    },
    open: (row) => go(to(["projects", row.project?.id ?? "*", "tasks", row.id, "execution"])),
    menu: (row, x, y) => menuAt(rowMenu(row), x, y, `Actions for ${row.name}`),
    empty, sorted: order, sort: (field, adds) => { sortBy(field, adds); table.restart(); },
    onSelect: () => drawBar(), selectAll: everything, resized: keepWidth, keepsPlace: true,
  });

  /** @param {any} row */
  function rowMenu(row) {
    const href = to(["projects", row.project?.id ?? "*", "tasks", row.id, "execution"]);
    return [{ label: "Details", icon: "right", run: () => go(href) }, { label: "Open in a new tab", icon: "expand", run: () => window.open(href, "_blank", "noopener") }, null, ...menuItems(row, () => table.refresh())];
  }

  /** Every task of the question, as far as many can be handled at once. */
  async function everything() {
    const rows = [];
    for (let page = 0; rows.length < MOST_SELECTED; page += 1) {
      const { tasks } = await call("tasks.get_all_ex", { ...where(project), order_by: order(), only_fields: ALWAYS, page, page_size: 500 });
      rows.push(...tasks);
      if (tasks.length < 500) break;
    }
    return rows;
  }

  function empty() {
    if (isFiltered()) return emptyState("No task fits these filters.", "", button("Clear filters", clear));
    if (query().get("archived")) return emptyState("Nothing is archived here.");
    return emptyState("No task yet.", "Run a script that calls Task.init, and it appears here by itself.");
  }

  function clear() {
    for (const key of [...query().keys()]) if (!["cols", "sort", "archived"].includes(key)) keep({ [key]: null });
    search.value = "";
    changed();
  }

  // The bar above the table.
  const tally = h("span", { class: "quiet tally", role: "status" });
  const chips = h("div", { class: "chips" });
  const search = h("input", { class: "input", type: "search", placeholder: "Search tasks", "aria-label": "Search tasks", value: query().get("q") ?? "",
    input: debounced(() => { keep({ q: search.value.trim() }); table.restart(); }, 120) });
  const regex = h("button", { type: "button", class: "toggle", "aria-pressed": String(!!query().get("regex")), title: "Regular expressions", click: () => {
    keep({ regex: query().get("regex") ? null : "1" });
    regex.setAttribute("aria-pressed", String(!!query().get("regex")));
    table.restart();
  } }, ".*");
  const status = button("Status", (event) => valuesPanel(event.currentTarget, "status", "Status", project, changed), { icon: "filter", kind: "small" });
  const archive = button("Archive", () => { keep({ archived: query().get("archived") ? null : "1" }); selected.clear(); drawBar(); changed(); }, { icon: "archive", kind: "small" });
  const csv = button("CSV", () => attempt(saveCsv), { icon: "download", kind: "small", title: "Every task of this question as a file" });
  const choose = button("Columns", (event) => columnsPanel(event.currentTarget, project, changed), { icon: "columns", kind: "small" });
  const create = mayWrite() && button("New task", () => attempt(() => newTaskDialog(project === "*" ? null : { id: project, name: head.dataset.title ?? "" })), { icon: "plus", kind: "small primary" });
  const bar = h("div", { class: "bulk", role: "toolbar", "aria-label": "Selected tasks", hidden: true });

  async function saveCsv() {
    const shownNow = columns();
    const mappings = shownNow.map((column) => ({ field: column.id === "status" ? "status" : column.sort ?? column.fields[0], name: column.label }));
    const { prepare_id: id } = await call("organization.prepare_download_for_get_all", {
      ...where(project), order_by: order(), entity_type: "task", only_fields: mappings.map((one) => one.field), field_mappings: mappings });
    await download("organization.download_for_get_all", { prepare_id: id }, "tasks.csv");
  }

  function drawTools() {
    archive.setAttribute("aria-pressed", String(!!query().get("archived")));
    chips.replaceChildren(...filterChips(changed), ...(isFiltered() ? [h("button", { type: "button", class: "link", click: clear }, "Clear all")] : []));
  }

  /** What can be done with the selected, and with how many of them. */
  function drawBar() {
    bar.hidden = !selected.size;
    if (!selected.size) return;
    const tasks = [...selected.values()];
    const acts = ACTIONS.filter((action) => !action.single).map((action) => {
      const fit = tasks.filter((task) => !whyNot(action, task));
      const run = () => attempt(async () => {
        await action.run(fit);
        if (action.name === "delete") fit.forEach((task) => selected.delete(task.id));
        await table.refresh();
        drawBar();
      });
      const label = fit.length === tasks.length ? action.label : `${action.label} (${fit.length})`;
      return button(label, run, { icon: action.icon, kind: "small", disabled: !fit.length, title: fit.length ? `${fit.length} of ${tasks.length} qualify` : whyNot(action, tasks[0]) });
    });
    const ids = tasks.map((task) => task.id).join(",");
    const compare = button("Compare", () => go(to(["projects", project, "compare-tasks"], { ids })), { icon: "compare", kind: "small", disabled: tasks.length < 2 });
    bar.replaceChildren(h("strong", {}, `${plural(tasks.length, "task")} selected`), ...(mayWrite() ? acts : []), compare,
      iconButton("close", "Select nothing", () => { selected.clear(); table.redraw(); drawBar(); }));
  }

  element.classList.add("fixed");
  element.replaceChildren(head, h("div", { class: "toolbar" }, h("div", { class: "search-box" }, search, regex), status, choose, archive, csv, tally, create || null), chips, table.node, bar);
  drawTools();
  learnNames(project).then(drawTools, () => {}); // without them the chips show ids
  document.title = `${head.dataset.title ?? "Tasks"} · clearml-lean`;
  table.restart();
  return watch(["task"], paced(async () => {
    await attempt(() => table.refresh());
    drawBar();
  }, REFRESH_MS));
}
