// @ts-check
// DATASET: what a version holds, how it differs from what it stands on, and the versions before it as a graph.

import { call } from "../core/api.js";
import { to } from "../core/address.js";
import { h } from "../core/dom.js";
import { STATUS, bytes, number } from "../core/format.js";
import { facts, statusChip } from "../widgets/controls.js";
import { attempt } from "../widgets/toast.js";
import { graphOf } from "./graph_view.js";

const MOST_ROWS = 500;
const USE = 'from clearml import Dataset\n\ndataset = Dataset.get(dataset_id="%ID%")\nfolder = dataset.get_local_copy()\n';

/** @param {HTMLElement} element */
export function datasetTab(element) {
  const graph = h("div", { class: "dag", role: "group", "aria-label": "Versions" });
  const details = h("div", {});
  const find = h("input", { class: "input text-search", type: "search", placeholder: "Find a file", "aria-label": "Find a file", input: () => drawFiles() });
  const files = h("div", { class: "scroll-x" });
  const count = h("span", { class: "quiet small", role: "status" });
  const numbers = h("div", {}), use = h("pre", { class: "code-sample" });
  const part = (/** @type {string} */ title, /** @type {any} */ tools, /** @type {any[]} */ ...body) => h("section", { class: "section", "aria-label": title }, h("header", { class: "section-head" }, h("h3", {}, title), tools), h("div", { class: "section-body stack" }, body));
  element.replaceChildren(h("div", { class: "stack" }, h("div", { class: "two" }, part("This version", null, numbers), part("Use it", null, use)), part("Versions", null, graph, details), part("Content", [count, find], files)));
  /** @type {any} */
  let task = null;
  let shown = "", chosen = "";

  /** @param {any} next */
  function update(next) {
    task = next;
    const text = JSON.stringify([task.status, task.runtime, task.configuration?.["Dataset Struct"]?.value, task.configuration?.["Dataset Content"]?.value]);
    if (text === shown) return;
    shown = text;
    const of = task.runtime ?? {};
    const change = (/** @type {string} */ name) => number(Number(of[`ds_change_${name}`] ?? 0));
    numbers.replaceChildren(facts([["Version", of.version], ["Status", statusChip(task.status)], ["Files", number(Number(of.ds_file_count ?? 0)) + (Number(of.ds_link_count) ? ` and ${number(Number(of.ds_link_count))} links` : "")],
      ["Size", bytes(Number(of.ds_total_size ?? 0))], ["Stored", of.ds_total_size_compressed ? bytes(Number(of.ds_total_size_compressed)) : ""], ["Changes", `${change("add")} added, ${change("modify")} modified, ${change("remove")} removed`]]));
    use.textContent = USE.replace("%ID%", task.id);
    drawFiles();
    attempt(drawGraph);
  }

  async function drawGraph() {
    const struct = parsed(task.configuration?.["Dataset Struct"]?.value);
    const known = Object.values(struct).some((/** @type {any} */ one) => one.job_id === task.id) ? struct : { 0: { job_id: task.id, name: task.name, version: task.runtime?.version, parents: [] } };
    const ids = Object.values(known).map((/** @type {any} */ one) => one.job_id);
    const { tasks } = await call("tasks.get_all_ex", { id: ids, search_hidden: true, only_fields: ["id", "name", "status", "project.id", "runtime"] });
    const found = new Map(tasks.map((/** @type {any} */ one) => [one.id, one]));
    const nodes = Object.entries(known).map(([key, /** @type {any} */ one]) => {
      const now = /** @type {any} */ (found.get(one.job_id));
      const version = now?.runtime?.version ?? one.version;
      const note = now ? `${STATUS[now.status] ?? now.status} · ${bytes(Number(now.runtime?.ds_total_size ?? 0))}` : "deleted";
      return { key, parents: one.parents ?? [], status: now?.status ?? "unknown", title: `${version ?? ""} ${now?.name ?? one.name ?? ""}`.trim(), note, isHere: one.job_id === task.id, id: one.job_id, now };
    });
    graph.replaceChildren(graphOf(nodes, (node) => { chosen = node.id; drawDetails(node.now, node); }));
    const again = nodes.find((node) => node.id === chosen);
    if (again) drawDetails(again.now, again);
  }

  /** @param {any} now @param {any} node */
  function drawDetails(now, node) {
    const of = now?.runtime ?? {};
    details.replaceChildren(h("div", { class: "stack" }, h("div", { class: "section-title" }, h("h3", {}, node.title), now && !node.isHere ? h("a", { href: to(["datasets", "simple", now.project?.id ?? "*", "experiments", now.id, "dataset"]) }, "Open version") : null),
      facts([["ID", h("code", {}, node.id)], ["Files", of.ds_file_count ? number(Number(of.ds_file_count)) : ""], ["Size", of.ds_total_size ? bytes(Number(of.ds_total_size)) : ""], ["Changes", now ? `${of.ds_change_add ?? 0} added, ${of.ds_change_modify ?? 0} modified, ${of.ds_change_remove ?? 0} removed` : "It was deleted."]])));
  }

  function drawFiles() {
    const lines = String(task?.configuration?.["Dataset Content"]?.value ?? "").split("\n").slice(1).filter(Boolean);
    const fits = lines.filter((line) => line.toLowerCase().includes(find.value.toLowerCase()));
    count.textContent = fits.length > MOST_ROWS ? `the first ${number(MOST_ROWS)} of ${number(fits.length)}` : `${number(fits.length)} listed`;
    const rows = fits.slice(0, MOST_ROWS).map((line) => {
      const [, path = line, size = "", hash = ""] = line.match(/^(.*), ([^,]*), ([^,]*)$/) ?? [];
      return h("tr", {}, h("td", {}, path), h("td", { class: "number" }, size ? bytes(Number(size)) : ""), h("td", {}, h("code", { title: hash }, hash.slice(0, 12))));
    });
    files.replaceChildren(rows.length ? h("table", { class: "list" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "File"), h("th", { scope: "col", class: "number" }, "Size"), h("th", { scope: "col" }, "SHA-256"))), h("tbody", {}, rows)) : h("p", { class: "quiet" }, lines.length ? "No file fits." : "The files are listed when the version is finished."));
  }
  return { update };
}

/** @param {string | undefined} text @returns {Record<string, any>} */
function parsed(text) {
  try {
    return JSON.parse(text || "{}");
  } catch {
    return {}; // half written, or in a form of another's: the version itself is shown all the same
  }
}
