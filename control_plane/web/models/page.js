// @ts-check
// One model: what it is, its network's configuration, its labels, metadata, and which tasks made and use it.

import { call } from "../core/api.js";
import { to } from "../core/address.js";
import { h, paced } from "../core/dom.js";
import { when } from "../core/format.js";
import { watch } from "../core/live.js";
import { go } from "../core/router.js";
import { mayWrite } from "../core/session.js";
import { breadcrumbs, button, facts, iconButton, modelStatus, tabBar, tagChip } from "../widgets/controls.js";
import { menuAt } from "../widgets/menu.js";
import { saved, section } from "../widgets/section.js";
import { textEditor, textView } from "../widgets/text.js";
import { attempt } from "../widgets/toast.js";
import { fileLink } from "../task/artifacts.js";
import { plotsTab } from "../task/plots.js";
import { scalarsTab } from "../task/scalars.js";
import { modelMenu } from "./actions.js";

const TABS = [["general", "General"], ["network", "Network"], ["labels", "Labels"], ["metadata", "Metadata"], ["lineage", "Lineage"], ["scalars", "Scalars"], ["plots", "Plots"]];
const FIELDS = ["id", "name", "ready", "framework", "tags", "system_tags", "project.id", "project.name", "task.id", "task.name", "parent.name", "user.name", "created", "last_update", "uri", "comment", "design", "labels", "metadata"];

/** @param {HTMLElement} element @param {string} id @param {string} tab */
export async function modelPage(element, id, tab) {
  const load = async () => {
    const { models } = await call("models.get_all_ex", { id: [id], only_fields: FIELDS });
    if (!models.length) throw new Error("There is no such model (any more).");
    return models[0];
  };
  let model = await load();
  const path = ["projects", model.project?.id ?? "*", "models", id];
  const head = h("header", { class: "task-head" }), tabs = h("div", {}), body = h("div", { class: "stack" });
  /** @type {{node: Node, update: (model: any) => void, leave?: () => void}[]} */
  let parts = [];
  element.replaceChildren(head, tabs, body);

  function drawHead() {
    document.title = `${model.name} · clearml-lean`;
    const trail = [{ label: "Models", href: to(["models"]) }, ...(model.project ? [{ label: model.project.name ?? "", href: to(["projects", model.project.id, "models"]) }] : []), { label: model.name }];
    const actions = button("Actions", (event) => {
      const box = event.currentTarget.getBoundingClientRect();
      menuAt(modelMenu(model, async () => { model = await load().catch(() => null); if (model) update(); else go(to(["models"])); }), box.left, box.bottom + 4, "Actions");
    }, { icon: "more" });
    head.replaceChildren(breadcrumbs(trail), h("div", { class: "task-title" }, h("h1", {}, model.name), h("div", { class: "task-actions" }, actions)),
      h("div", { class: "task-facts" }, modelStatus(model), h("span", {}, model.framework ?? ""), (model.tags ?? []).map((/** @type {string} */ one) => tagChip(one)), h("code", {}, id.slice(0, 8))));
  }

  /** @param {string} name */
  function open(name) {
    tabs.replaceChildren(tabBar(TABS.map(([key, label]) => ({ name: key, label, href: to([...path, key]) })), name, "Model"));
    parts.forEach((part) => part.leave?.());
    parts = { general: [general()], network: [network()], labels: [labels()], metadata: [metadata()], lineage: [lineage()], scalars: [reported(scalarsTab)], plots: [reported(plotsTab)] }[name] ?? [general()];
    body.replaceChildren(...parts.map((part) => part.node));
    update();
  }

  function update() {
    drawHead();
    parts.forEach((part) => part.update(model));
  }
  open(tab);
  const unwatch = watch(["model"], (changed) => { if (changed("model", id)) refresh(); });
  const refresh = paced(async () => { await attempt(async () => { model = await load(); update(); }); }, 300);
  element.addEventListener("changed", () => attempt(async () => { model = await load(); update(); }));
  return { update: (/** @type {Record<string, string>} */ wanted) => open(wanted.tab ?? "general"), leave: () => { unwatch(); parts.forEach((part) => part.leave?.()); } };
}

const why = () => (mayWrite() ? null : "Your role may read only");

/** @param {any} model @param {object} change @param {object} before @param {string} what */
async function edit(model, change, before, what) {
  await call("models.edit", { model: model.id, ...change });
  saved(`${what} saved.`, () => call("models.edit", { model: model.id, ...before }));
}

function general() {
  return section({
    title: "Details", why, read: (model) => model,
    view: (model) => facts([["ID", h("code", {}, model.id)], ["File", model.uri ? fileLink(model.uri) : ""], ["Framework", model.framework], ["Project", model.project?.name], ["Made by task", model.task?.id ? h("a", { href: to(["projects", "*", "tasks", model.task.id, "artifacts"]) }, model.task.name ?? model.task.id) : ""],
      ["User", model.user?.name], ["Created", when(model.created)], ["Last update", when(model.last_update)], ["Description", model.comment]]),
    form: (model) => {
      const name = h("input", { class: "input", type: "text", value: model.name, "aria-label": "Name" });
      const comment = h("textarea", { class: "input", rows: 3, value: model.comment ?? "", "aria-label": "Description" });
      return { node: h("div", { class: "stack" }, name, comment), save: () => edit(model, { name: name.value.trim(), comment: comment.value }, { name: model.name, comment: model.comment ?? "" }, "Model") };
    },
  });
}

function network() {
  /** @type {any} */
  let now = null;
  const read = (/** @type {any} */ model) => { now = model; return model.design?.design ?? (model.design && Object.keys(model.design).length ? JSON.stringify(model.design, null, 2) : ""); };
  const put = (/** @type {string} */ text, /** @type {string} */ before) => edit(now, { design: { design: text } }, { design: { design: before } }, "Configuration");
  return section({
    title: "Model configuration", why, read,
    view: (text) => (text ? textView(text, { label: "model configuration" }) : h("p", { class: "quiet" }, "Empty.")),
    form: (text) => {
      const box = textEditor(text, "Model configuration", 20);
      return { node: box, save: () => put(box.value, text) };
    },
    extras: [{ label: "Clear", icon: "trash", when: (text) => !!text, run: (text) => put("", text) }],
  });
}

/** Rows of two fields, to which others can be added. @param {[string, string][]} pairs @param {[string, string]} names */
export function pairsForm(pairs, names) {
  const body = h("tbody", {});
  const row = (/** @type {[string, string]} */ pair) => {
    const made = h("tr", {}, pair.map((value, index) => h("td", {}, h("input", { class: "input", type: "text", value, "aria-label": names[index] }))), h("td", { class: "away" }, iconButton("trash", `Remove ${pair[0] || "this row"}`, () => made.remove())));
    return made;
  };
  body.append(...pairs.map(row));
  const add = button("Add", () => { const made = row(["", ""]); body.append(made); made.querySelector("input").focus(); }, { icon: "plus", kind: "small" });
  const node = h("div", { class: "stack" }, h("table", { class: "params" }, h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col" }, name)), h("th", { class: "away" }, h("span", { class: "visually-hidden" }, "Remove")))), body), h("div", {}, add));
  const values = () => [...body.querySelectorAll("tr")].map((one) => /** @type {[string, string]} */ ([...one.querySelectorAll("input")].map((input) => input.value.trim()))).filter(([name]) => name);
  return { node, values };
}

/** @param {[string, any][]} pairs @param {[string, string]} names */
function pairsTable(pairs, names) {
  return h("table", { class: "params" }, h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, pairs.map((pair) => h("tr", {}, pair.map((value) => h("td", {}, String(value)))))));
}

function labels() {
  const names = /** @type {[string, string]} */ (["Label", "Number"]);
  return section({
    title: "Label enumeration", why, read: (model) => model.labels ?? {},
    view: (all) => (Object.keys(all).length ? pairsTable(Object.entries(all).sort((a, b) => Number(a[1]) - Number(b[1])), names) : h("p", { class: "quiet" }, "None.")),
    form: (all, model) => {
      const { node, values } = pairsForm(Object.entries(all).map(([name, value]) => [name, String(value)]), names);
      return {
        node,
        save: async () => {
          const wanted = values();
          const wrong = wanted.find(([, value]) => !/^-?\d+$/.test(value));
          if (wrong) throw new Error(`The number of “${wrong[0]}” has to be a whole number.`);
          await edit(model, { labels: Object.fromEntries(wanted.map(([name, value]) => [name, Number(value)])) }, { labels: all }, "Labels");
        },
      };
    },
  });
}

function metadata() {
  const names = /** @type {[string, string]} */ (["Key", "Value"]);
  const items = (/** @type {[string, string][]} */ pairs) => pairs.map(([key, value]) => ({ key, type: "str", value }));
  return section({
    title: "Metadata", why, read: (model) => Object.values(model.metadata ?? {}).map((/** @type {any} */ one) => [one.key, one.value]),
    view: (all) => (all.length ? pairsTable(all, names) : h("p", { class: "quiet" }, "None.")),
    form: (all, model) => {
      const { node, values } = pairsForm(all, names);
      return { node, save: () => edit(model, { metadata: items(values()) }, { metadata: items(all) }, "Metadata") };
    },
  });
}

function lineage() {
  const list = h("div", {}, h("p", { class: "quiet" }, "…"));
  let shown = "";
  return {
    node: h("section", { class: "section" }, h("header", { class: "section-head" }, h("h3", {}, "Tasks that use it")), h("div", { class: "section-body" }, list)),
    update: (/** @type {any} */ model) => {
      if (shown === model.id) return;
      shown = model.id;
      attempt(async () => {
        const { tasks } = await call("tasks.get_all_ex", { "models.input.model": [model.id], search_hidden: true, order_by: ["-last_update"], page: 0, page_size: 100, only_fields: ["id", "name", "status", "project.id", "project.name", "last_update", "started", "completed", "last_iteration"] });
        const { taskList } = await import("../pages/dashboard.js");
        list.replaceChildren(tasks.length ? taskList(tasks) : h("p", { class: "quiet" }, "None."));
      });
    },
  };
}

/** What was reported of the model itself. @param {typeof scalarsTab | typeof plotsTab} tab */
function reported(tab) {
  const node = h("div", { class: "task-body" });
  return { node, ...tab(node, { model_events: true }) };
}
