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
import { ALWAYS, besideCharts } from "../tasks/columns.js";
import { customPanel, filterChips, learnNames, rangePanel, valuesPanel } from "../tasks/filters.js";
import { LISTS, RANGES, columns, fields, filters, keepWidth, order, sortBy, where } from "../tasks/query.js";
import { newTaskDialog } from "../dialogs/new_task.js";
import { projectHead } from "../pages/project_head.js";

const MOST_SELECTED = 5000;
const REFRESH_MS = 500;
/** So many selected tasks the address keeps: as many as charts draw. */
const MOST_KEPT = 100;
const WITHOUT_CHARTS = { charts: null, selected: null, axis: null, group: null, smooth: null, method: null, log: null, metric: null };

/** @type {import("../core/router.js").View} */
export async function tasksPage(element, { project = "*" }) {
  /** @type {Map<string, any>} */
  const selected = new Map();
  const head = await projectHead(project, "tasks");
  /** @type {ReturnType<typeof import("../tasks/charts.js").chartsPane> | null} */
  let charts = null;
  /** The colour of each task that is drawn. @type {Map<string, string>} */
  let colours = new Map();
  const restart = () => {
    table.restart();
    charts?.update();
  };
  const changed = () => {
    table.setColumns(shown());
    restart();
    drawTools();
  };
  const shown = () => (charts ? besideCharts(columns(), colours) : columns()).map((column) => ({
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
    empty, sorted: order, sort: (field, adds) => { sortBy(field, adds); restart(); },
    onSelect: () => selectionChanged(), selectAll: everything, resized: keepWidth, keepsPlace: true,
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
    if (filters().length) return emptyState("No task fits these filters.", "", button("Clear filters", clear));
    if (query().get("archived")) return emptyState("Nothing is archived here.");
    return emptyState("No task yet.", "Run a script that calls Task.init, and it appears here by itself.");
  }

  function clear() {
    for (const key of [...filters(), "regex", "tagmode"]) keep({ [key]: null });
    regex.setAttribute("aria-pressed", "false");
    search.value = "";
    changed();
  }

  // The bar above the table.
  const tally = h("span", { class: "quiet tally", role: "status" });
  const chips = h("div", { class: "chips" });
  const search = h("input", { class: "input", type: "search", placeholder: "Search tasks", "aria-label": "Search tasks", value: query().get("q") ?? "",
    input: debounced(() => { keep({ q: search.value.trim() }); restart(); }, 120) });
  const regex = h("button", { type: "button", class: "toggle", "aria-pressed": String(!!query().get("regex")), title: "Regular expressions", click: () => {
    keep({ regex: query().get("regex") ? null : "1" });
    regex.setAttribute("aria-pressed", String(!!query().get("regex")));
    restart();
  } }, ".*");
  const status = button("Status", (event) => valuesPanel(event.currentTarget, "status", "Status", project, changed), { icon: "filter", kind: "small" });
  const archive = button("Archive", () => { keep({ archived: query().get("archived") ? null : "1" }); selected.clear(); selectionChanged(); changed(); }, { icon: "archive", kind: "small" });
  const csv = button("CSV", () => attempt(saveCsv), { icon: "download", kind: "small", title: "Every task of this question as a file" });
  const choose = button("Columns", (event) => columnsPanel(event.currentTarget, project, changed), { icon: "columns", kind: "small" });
  const draw = button("Charts", () => attempt(() => { keep(charts ? WITHOUT_CHARTS : { charts: "scalars" }); return showCharts(); }), { icon: "chart", kind: "small", title: "Scalars and plots of the selected tasks, or of the first ones, beside the table" });
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
    chips.replaceChildren(...filterChips(changed), ...(filters().length ? [h("button", { type: "button", class: "link", click: clear }, "Clear all")] : []));
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
    const none = iconButton("close", "Select nothing", () => { selected.clear(); table.redraw(); selectionChanged(); });
    bar.replaceChildren(h("strong", {}, `${plural(tasks.length, "task")} selected`), none, ...(mayWrite() ? acts : []), compare);
  }

  /** Others are selected: what is drawn of them is kept in the address. */
  function selectionChanged() {
    drawBar();
    if (!charts) return;
    keep({ selected: [...selected.keys()].slice(0, MOST_KEPT).join(",") });
    charts.update();
  }

  /** Put charts beside the table, or take them away, as the address says. */
  async function showCharts() {
    const isWanted = !!query().get("charts");
    draw.setAttribute("aria-pressed", String(isWanted));
    area.classList.toggle("with-charts", isWanted);
    if (isWanted && !charts) {
      const { MOST_DRAWN, chartsPane } = await import("../tasks/charts.js");
      if (charts || !query().get("charts") || !element.isConnected) return;
      charts = chartsPane({
        selected,
        first: async () => (await call("tasks.get_all_ex", { ...where(project), order_by: order(), page: 0, page_size: MOST_DRAWN, only_fields: ["id", "name"] })).tasks,
        drawn: (next) => { colours = next; table.setColumns(shown()); },
      });
      area.append(charts.node);
      selectionChanged();
    } else if (!isWanted && charts) {
      charts.leave();
      charts.node.remove();
      charts = null;
    }
    table.setColumns(shown());
  }

  /** Select what the address says. */
  async function reselect() {
    const ids = (query().get("selected") ?? "").split(",").filter(Boolean);
    if (!ids.length) return;
    const { tasks } = await call("tasks.get_all_ex", { id: ids, search_hidden: true, only_fields: ALWAYS });
    for (const id of ids) {
      const task = tasks.find((/** @type {any} */ one) => one.id === id);
      if (task) selected.set(id, task);
    }
    table.redraw();
    drawBar();
  }

  const area = h("div", { class: "table-area" }, table.node);
  element.classList.add("fixed");
  element.replaceChildren(head, h("div", { class: "toolbar" }, h("div", { class: "search-box" }, search, regex), status, choose, draw, archive, csv, tally, create || null), chips, area, bar);
  drawTools();
  learnNames(project).then(drawTools, () => {}); // without them the chips show ids
  document.title = `${head.dataset.title ?? "Tasks"} · clearml-lean`;
  table.restart();
  attempt(async () => { await reselect(); await showCharts(); });
  const unwatch = watch(["task"], paced(async () => {
    await attempt(() => table.refresh());
    drawBar();
    if (!selected.size) charts?.update();
  }, REFRESH_MS));
  return () => { unwatch(); charts?.leave(); };
}
