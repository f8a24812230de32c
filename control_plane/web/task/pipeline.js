// @ts-check
// PIPELINE: the steps of a controller as a graph that lives, and what there is to know of each.

import { call } from "../core/api.js";
import { to } from "../core/address.js";
import { h, paced } from "../core/dom.js";
import { STATUS, duration, runTime } from "../core/format.js";
import { emptyState, facts, statusChip } from "../widgets/controls.js";
import { attempt } from "../widgets/toast.js";
import { graphOf } from "./graph_view.js";

/** @param {HTMLElement} element */
export function pipelineTab(element) {
  const graph = h("div", { class: "dag", role: "group", "aria-label": "Steps" });
  const details = h("div", {});
  element.replaceChildren(h("div", { class: "stack" }, graph, details));
  /** @type {any} */
  let task = null;
  let chosen = "", shown = "";
  /** @type {Map<string, any>} */
  let jobs = new Map();

  const load = paced(async () => {
    await attempt(async () => {
      const steps = read(task);
      const ids = Object.values(steps).map((step) => step.job_id ?? step.executed).filter((id) => typeof id === "string" && id);
      const { tasks } = ids.length ? await call("tasks.get_all_ex", { id: ids, search_hidden: true, only_fields: ["id", "name", "status", "started", "completed", "active_duration", "project.id"] }) : { tasks: [] };
      jobs = new Map(tasks.map((/** @type {any} */ one) => [one.id, one]));
      const text = JSON.stringify([steps, tasks]);
      if (text === shown) return;
      shown = text;
      draw(steps);
    });
  }, 500);

  /** The steps that the controller wrote down. @param {any} owner @returns {Record<string, any>} */
  function read(owner) {
    const text = owner.configuration?.Pipeline?.value;
    if (!text) return {};
    try {
      return JSON.parse(text);
    } catch {
      return {}; // half written, or in a form of another's: the console still tells what happens
    }
  }

  /** @param {any} step */
  function statusOf(step) {
    return jobs.get(step.job_id ?? step.executed)?.status ?? { pending: "created", running: "in_progress", cached: "completed", executed: "completed", skipped: "closed", aborted: "stopped" }[/** @type {string} */ (step.status)] ?? step.status ?? "created";
  }

  /** @param {Record<string, any>} steps */
  function draw(steps) {
    const names = Object.keys(steps);
    if (!names.length) return graph.replaceChildren(emptyState("No steps yet.", "They are shown when the controller has written them down."));
    const nodes = names.map((name) => {
      const status = statusOf(steps[name]);
      const job = jobs.get(steps[name].job_id ?? steps[name].executed);
      const note = `${STATUS[status] ?? status}${job && runTime(job) ? ` · ${duration(runTime(job))}` : ""}`;
      return { key: name, parents: steps[name].parents ?? [], status, title: name, note };
    });
    graph.replaceChildren(graphOf(nodes, ({ key }) => { chosen = key; drawDetails(steps[key], key); }));
    if (chosen && steps[chosen]) drawDetails(steps[chosen], chosen);
  }

  /** @param {any} step @param {string} name */
  function drawDetails(step, name) {
    const id = step.job_id ?? step.executed;
    const job = jobs.get(id);
    const parameters = Object.entries(step.parameters ?? {}).map(([key, value]) => /** @type {[string, any]} */ ([key, String(value)]));
    details.replaceChildren(h("section", { class: "section", "aria-label": `Step ${name}` }, h("header", { class: "section-head" }, h("h3", {}, name), job ? h("a", { href: to(["projects", job.project?.id ?? "*", "tasks", job.id, "console"]) }, "Open task") : null),
      h("div", { class: "section-body stack" }, facts([["Status", statusChip(statusOf(step))], ["Task", job?.name ?? ""], ["Run time", job ? duration(runTime(job)) : ""], ["After", (step.parents ?? []).join(", ")], ["Queue", step.queue ?? ""], ["From cache", step.status === "cached" ? "yes" : ""]]),
        parameters.length ? facts(parameters) : null)));
  }

  return { update: (/** @type {any} */ next) => { task = next; load(); } };
}
