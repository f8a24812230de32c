// @ts-check
// One task: what it is, what can be done with it, and its tabs; everything follows what happens on the server.

import { call } from "../core/api.js";
import { to } from "../core/address.js";
import { h, paced } from "../core/dom.js";
import { duration, number, runTime } from "../core/format.js";
import { watch } from "../core/live.js";
import { go } from "../core/router.js";
import { mayWrite } from "../core/session.js";
import { breadcrumbs, button, copyText, iconButton, statusChip, tabBar, tagChip, timeText } from "../widgets/controls.js";
import { menuAt } from "../widgets/menu.js";
import { attempt, toast } from "../widgets/toast.js";
import { ACTIONS, menuItems, whyNot } from "../tasks/actions.js";
import { artifactsTab } from "../task/artifacts.js";
import { configurationTab } from "../task/configuration.js";
import { consoleTab } from "../task/console.js";
import { executionTab } from "../task/execution.js";
import { infoTab } from "../task/info.js";
import { plotsTab } from "../task/plots.js";
import { samplesTab } from "../task/samples.js";
import { scalarsTab } from "../task/scalars.js";

const TABS = [["execution", "Execution"], ["configuration", "Configuration"], ["artifacts", "Artifacts"], ["info", "Info"], ["console", "Console"], ["scalars", "Scalars"], ["plots", "Plots"], ["debug-samples", "Debug samples"]];
/** What official programs call the tabs of results. @type {Record<string, string>} */
const RESULTS = { log: "console", metrics: "scalars", plots: "plots", debugImages: "debug-samples", "metrics/scalar": "scalars" };
const FIELDS = ["id", "name", "type", "status", "status_reason", "status_message", "status_changed", "user.name", "project.name", "parent.name", "created", "started", "completed", "published", "active_duration",
  "last_update", "last_iteration", "last_worker", "tags", "system_tags", "comment", "script", "hyperparams", "configuration", "execution.artifacts", "execution.queue.name", "output", "container", "runtime",
  "models"];

/** @param {string} id */
async function load(id) {
  const { tasks } = await call("tasks.get_all_ex", { id: [id], search_hidden: true, only_fields: FIELDS });
  if (!tasks.length) throw new Error("There is no such task (any more).");
  await describeModels(tasks[0].models);
  return tasks[0];
}

/** A task holds its models' ids: read what is shown of them. @param {{input?: any[], output?: any[]}} [models] */
async function describeModels({ input = [], output = [] } = {}) {
  const entries = [...input, ...output].filter((entry) => entry.model?.id);
  if (!entries.length) return;
  const { models } = await call("models.get_all_ex", { id: entries.map((entry) => entry.model.id), only_fields: ["id", "name", "uri", "framework", "project.id"] });
  const known = new Map(models.map((/** @type {any} */ one) => [one.id, one]));
  for (const entry of entries) entry.model = known.get(entry.model.id) ?? entry.model;
}

/** The tab of an address. @param {Record<string, string>} parameters */
function tabOf({ tab = "execution", part = "" }) {
  if (tab === "output") return RESULTS[part] ?? "console";
  return TABS.some(([name]) => name === tab) || tab === "pipeline" || tab === "dataset" ? tab : "execution";
}

/** @type {import("../core/router.js").View} */
export async function taskPage(element, parameters) {
  let task = await load(parameters.task);
  const isPipeline = (task.system_tags ?? []).includes("pipeline");
  const isDataset = (task.system_tags ?? []).includes("dataset");
  const first = isPipeline ? ["pipeline", "Pipeline"] : isDataset ? ["dataset", "Dataset"] : null;
  if (first && !parameters.tab) parameters = { ...parameters, tab: first[0] };
  const path = ["projects", task.project?.id ?? "*", "tasks", task.id];
  const head = h("header", { class: "task-head" });
  const tabs = h("div", {});
  const body = h("div", { class: "task-body" });
  element.replaceChildren(head, tabs, body);
  /** @type {{update: (task: any) => void, leave?: () => void} | null} */
  let tab = null;
  let headText = "";

  /** @param {Record<string, string>} wanted */
  async function open(wanted) {
    parameters = wanted;
    const name = tabOf(wanted);
    const all = first ? [first, ...TABS] : TABS;
    tabs.replaceChildren(tabBar(all.map(([id, label]) => ({ name: id, label, href: to([...path, id]) })), name, "Task"));
    tab?.leave?.();
    const place = h("div", { class: "task-body" });
    body.replaceChildren(place);
    tab = await made(name, place, wanted);
    tab?.update(task);
  }

  /** @param {string} name @param {HTMLElement} place @param {Record<string, string>} wanted */
  async function made(name, place, wanted) {
    if (name === "pipeline") return (await import("../task/pipeline.js")).pipelineTab(place);
    if (name === "dataset") return (await import("../task/dataset.js")).datasetTab(place);
    if (name === "configuration") {
      const words = location.pathname.split("/configuration/")[1]?.split("/").map(decodeURIComponent) ?? [];
      return configurationTab(place, path, wanted.part ?? words[0] ?? "", words.slice(1).join("/"));
    }
    return { execution: executionTab, artifacts: artifactsTab, info: infoTab, console: consoleTab, scalars: scalarsTab, plots: plotsTab, "debug-samples": samplesTab }[name]?.(place) ?? executionTab(place);
  }

  function drawHead() {
    const text = JSON.stringify([task.name, task.status, task.status_message, task.tags, task.system_tags, task.project, task.last_iteration, task.runtime?.progress]);
    if (text === headText) return;
    headText = text;
    document.title = `${task.name} · clearml-lean`;
    const root = isPipeline ? { label: "Pipelines", href: to(["pipelines"]) } : isDataset ? { label: "Datasets", href: to(["datasets"]) } : { label: "Projects", href: to(["projects"]) };
    const trail = [root, { label: task.project?.name ?? "No project", href: task.project ? to(["projects", task.project.id, "tasks"]) : undefined }, { label: task.name }];
    const archived = (task.system_tags ?? []).includes("archived");
    const copy = iconButton("copy", "Copy the task's ID", () => attempt(async () => { await copyText(task.id); toast("Copied."); }));
    head.replaceChildren(breadcrumbs(trail),
      h("div", { class: "task-title" }, title(), h("div", { class: "task-actions" }, mainActions(), button("Actions", (event) => {
        const box = event.currentTarget.getBoundingClientRect();
        menuAt(menuItems(task, left), box.left, box.bottom + 4, "Actions");
      }, { icon: "more" }))),
      h("div", { class: "task-facts" }, statusChip(task.status), archived ? h("span", { class: "chip" }, "Archived") : null, task.runtime?.progress ? h("span", {}, `${task.runtime.progress}%`) : null,
        h("span", {}, task.type?.replaceAll("_", " ")), h("span", {}, "iteration ", number(task.last_iteration)), runTime(task) === null ? null : h("span", {}, duration(runTime(task))), h("span", {}, task.user?.name ?? ""), h("span", {}, "updated ", timeText(task.last_update)),
        h("span", {}, h("code", {}, task.id.slice(0, 8)), copy), h("span", { class: "tag-list" }, (task.tags ?? []).map((/** @type {string} */ tag) => tagChip(tag, mayWrite() ? () => attempt(() => call("tasks.update_tags", { ids: [task.id], remove_tags: [tag] })) : null)))),
      task.status_message && ["failed", "stopped"].includes(task.status) ? h("p", { class: task.status === "failed" ? "error" : "warning", tabindex: "0" }, [task.status_reason, task.status_message].filter((one, index, all) => one && all.indexOf(one) === index).join(" — ")) : new Text(""));
  }

  function title() {
    const heading = h("h1", {}, task.name);
    if (!mayWrite()) return heading;
    const rename = () => {
      const input = h("input", { class: "input", type: "text", value: task.name, "aria-label": "Name" });
      const finish = async (/** @type {boolean} */ keeps) => {
        if (!input.isConnected) return;
        const name = input.value.trim();
        headText = "";
        if (keeps && name !== task.name) await attempt(() => call("tasks.update", { task: task.id, name }));
        await attempt(refresh);
      };
      input.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => { if (event.key === "Enter") finish(true); else if (event.key === "Escape") finish(false); });
      input.addEventListener("blur", () => finish(true));
      heading.replaceChildren(input);
      input.focus();
    };
    heading.append(" ", iconButton("edit", "Rename", rename));
    return heading;
  }

  /** The one or two things that one mostly does in this state. */
  function mainActions() {
    if (isPipeline && task.status !== "created" && mayWrite()) {
      return [button("New run", () => attempt(async () => (await import("../dialogs/run_pipeline.js")).runPipelineDialog(task.id)), { icon: "play", kind: "primary" }), ...usual()];
    }
    return usual();
  }

  function usual() {
    const wanted = { created: ["enqueue", "clone"], queued: ["dequeue", "clone"], in_progress: ["abort", "clone"], published: ["clone"] }[/** @type {string} */ (task.status)] ?? ["clone", "reset"];
    return ACTIONS.filter((action) => wanted.includes(action.name)).map((action) => button(action.label, () => attempt(async () => { await action.run([task]); left(action.name); }),
      { icon: action.icon, title: whyNot(action, task), disabled: !!whyNot(action, task), kind: action.name === "enqueue" ? "primary" : "" }));
  }

  /** After an action: what is deleted cannot be shown. @param {string} name */
  function left(name) {
    if (name === "clone") return;
    if (name !== "delete") {
      attempt(refresh);
      return;
    }
    call("tasks.get_all_ex", { id: [task.id], search_hidden: true, only_fields: ["id"] }).then(({ tasks }) => { if (!tasks.length) go(to(["projects", task.project?.id ?? "*", "tasks"]), { replace: true }); });
  }

  async function refresh() {
    task = await load(task.id);
    drawHead();
    tab?.update(task);
  }

  drawHead();
  await open(parameters);
  element.addEventListener("changed", () => attempt(refresh));
  const live = paced(() => refresh().catch((error) => { if (error.message.startsWith("There is no")) element.replaceChildren(h("p", { class: "warning" }, "This task was deleted.")); }), 300);
  const unwatch = watch(["task"], (changed) => { if (changed("task", task.id)) live(); });
  return { update: (wanted) => { open(wanted); }, leave: () => { unwatch(); tab?.leave?.(); } };
}
