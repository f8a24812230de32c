// @ts-check
// Reports: texts about tasks, in markdown, with live plots of them.

import { call } from "../core/api.js";
import { keep, query, to } from "../core/address.js";
import { debounced, h, paced } from "../core/dom.js";
import { literal } from "../core/finders.js";
import { watch } from "../core/live.js";
import { go } from "../core/router.js";
import { mayWrite } from "../core/session.js";
import { breadcrumbs, button, emptyState, field, statusChip, tagChip, timeText } from "../widgets/controls.js";
import { ask } from "../widgets/dialog.js";
import { markdown } from "../widgets/markdown.js";
import { menuAt } from "../widgets/menu.js";
import { saved, section } from "../widgets/section.js";
import { textEditor } from "../widgets/text.js";
import { attempt, toast } from "../widgets/toast.js";
import { embedOf, embedView } from "../reports/embeds.js";
import { insertDialog } from "../reports/insert.js";

const FIELDS = ["id", "name", "status", "tags", "system_tags", "comment", "user.name", "project.id", "project.name", "last_update"];
const BEGIN = "# What was tried\n\nWrite here what you found.\n";

/** @type {import("../core/router.js").View} */
export async function reportsPage(element, parameters) {
  if (parameters.report) return reportPage(element, parameters.report);
  document.title = "Reports · clearml-lean";
  const list = h("div", { class: "card flush" });
  const search = h("input", { class: "input", type: "search", placeholder: "Search reports", "aria-label": "Search reports", value: query().get("q") ?? "", input: debounced(() => { keep({ q: search.value.trim() }); load(); }, 200) });
  const archived = h("input", { type: "checkbox", checked: !!query().get("archived"), change: () => { keep({ archived: archived.checked ? "1" : null }); load(); } });
  const create = mayWrite() && button("New report", () => attempt(newReport), { icon: "plus", kind: "primary" });

  async function load() {
    const text = query().get("q");
    const { tasks } = await call("reports.get_all_ex", { only_fields: FIELDS, order_by: ["-last_update"], page: 0, page_size: 500, system_tags: [archived.checked ? "archived" : "-archived"], ...(text ? { _any_: { fields: ["name", "comment", "tags", "report"], pattern: literal(text) } } : {}) });
    const head = ["Name", "Status", "Tags", "User", "Updated"].map((label) => h("th", { scope: "col" }, label));
    const rows = tasks.map((/** @type {any} */ one) => h("tr", { "data-id": one.id }, h("td", {}, h("a", { href: to(["reports", one.project?.id ?? "*", one.id]) }, one.name)), h("td", {}, statusChip(one.status)), h("td", {}, (one.tags ?? []).map((/** @type {string} */ tag) => tagChip(tag))), h("td", {}, one.user?.name ?? ""), h("td", {}, timeText(one.last_update))));
    list.replaceChildren(rows.length ? h("div", { class: "scroll-x" }, h("table", { class: "list" }, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows))) : emptyState(text ? "No report fits." : "No report yet.", text ? "" : "A report is a text about tasks, with their curves and plots in it, as they are now."));
  }

  element.replaceChildren(h("div", { class: "toolbar" }, h("h1", {}, "Reports"), h("span", { class: "grow" }), search, h("label", { class: "check" }, archived, "Archive"), create || null), list);
  await load();
  return watch(["task"], paced(() => load(), 1000));
}

async function newReport() {
  const name = h("input", { class: "input", type: "text", autofocus: true });
  await ask({ title: "New report", body: field("Name", name), action: "Create", run: async () => {
    const { id, project_id: project } = await call("reports.create", { name: name.value.trim(), report: BEGIN });
    await go(to(["reports", project, id]));
  } });
}

/** @param {HTMLElement} element @param {string} id */
async function reportPage(element, id) {
  const load = async () => {
    const { tasks } = await call("tasks.get_all_ex", { id: [id], search_hidden: true, only_fields: [...FIELDS, "report"] });
    if (!tasks.length) throw new Error("There is no such report (any more).");
    return tasks[0];
  };
  let report = await load();
  const head = h("header", { class: "task-head" });
  const why = (/** @type {any} */ one) => (!mayWrite() ? "Your role may read only" : one.status === "published" ? "Published reports are read-only" : null);
  const put = async (/** @type {object} */ change) => {
    await call("reports.update", { task: id, ...change });
    await refresh();
  };
  const text = section({
    title: "Report", why, read: (one) => ({ report: one.report ?? "", status: one.status }),
    view: ({ report: written }) => (written ? markdown(written, (line) => { const embed = embedOf(line); return embed && embedView(embed); }) : h("p", { class: "quiet" }, "Nothing is written here yet.")),
    form: ({ report: written }) => {
      const box = textEditor(written, "Text of the report", 24);
      const insert = button("Insert a plot", () => attempt(() => insertDialog((line) => {
        const at = box.selectionEnd;
        box.setRangeText(`\n\n${line}\n\n`, at, at, "end");
        box.dispatchEvent(new InputEvent("input", { bubbles: true }));
      })), { icon: "chart", kind: "small" });
      return { node: h("div", { class: "stack" }, h("div", {}, insert), box), save: async () => { await put({ report: box.value }); saved("Report saved.", () => put({ report: written })); } };
    },
  });

  function drawHead() {
    document.title = `${report.name} · clearml-lean`;
    const isArchived = (report.system_tags ?? []).includes("archived");
    const reason = why(report);
    const act = (/** @type {() => Promise<any>} */ run) => () => attempt(async () => { await run(); await refresh(); });
    const items = [
      { label: "Rename…", icon: "edit", why: reason, run: act(rename) },
      { label: "Tags…", icon: "tag", why: reason, run: act(tags) },
      { label: "Publish…", icon: "publish", why: reason, run: act(() => ask({ title: "Publish", body: "The report becomes read-only, for good.", action: "Publish", run: () => call("reports.publish", { task: id }) })) },
      { label: isArchived ? "Restore" : "Archive", icon: isArchived ? "reset" : "archive", why: mayWrite() ? null : "Your role may read only", run: act(() => call(isArchived ? "reports.unarchive" : "reports.archive", { task: id })) },
      { label: "Delete…", icon: "trash", danger: true, why: mayWrite() ? null : "Your role may read only", run: () => attempt(remove) },
    ];
    const actions = button("Actions", (event) => {
      const box = event.currentTarget.getBoundingClientRect();
      menuAt(items, box.left, box.bottom + 4, "Actions");
    }, { icon: "more" });
    head.replaceChildren(breadcrumbs([{ label: "Reports", href: to(["reports"]) }, { label: report.name }]), h("div", { class: "task-title" }, h("h1", {}, report.name), h("div", { class: "task-actions" }, actions)),
      h("div", { class: "task-facts" }, statusChip(report.status), isArchived ? h("span", { class: "chip" }, "Archived") : null, h("span", {}, report.user?.name ?? ""), h("span", {}, "updated ", timeText(report.last_update)), (report.tags ?? []).map((/** @type {string} */ tag) => tagChip(tag))));
  }

  function rename() {
    const name = h("input", { class: "input", type: "text", value: report.name });
    return ask({ title: "Rename report", body: field("Name", name), action: "Rename", run: () => call("reports.update", { task: id, name: name.value.trim() }) });
  }

  function tags() {
    const input = h("input", { class: "input", type: "text", value: (report.tags ?? []).join(", ") });
    return ask({ title: "Tags of the report", body: field("Tags", input, "With commas between"), action: "Save", run: () => call("reports.update", { task: id, tags: input.value.split(",").map((/** @type {string} */ tag) => tag.trim()).filter(Boolean) }) });
  }

  async function remove() {
    if (!(await ask({ title: "Delete", body: `“${report.name}” is deleted for good.`, action: "Delete", danger: true, run: () => call("reports.delete", { task: id }) }))) return;
    toast(`Deleted “${report.name}”.`);
    await go(to(["reports"]), { replace: true });
  }

  async function refresh() {
    report = await load();
    drawHead();
    text.update(report);
  }

  drawHead();
  element.replaceChildren(head, text.node);
  text.update(report);
  element.addEventListener("changed", () => attempt(refresh));
  const live = paced(() => refresh().catch((error) => { if (error.message.startsWith("There is no")) element.replaceChildren(h("p", { class: "warning" }, "This report was deleted.")); }), 300);
  return watch(["task"], (changed) => { if (changed("task", id)) live(); });
}
