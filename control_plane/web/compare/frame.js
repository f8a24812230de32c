// @ts-check
// The page around a comparison: what is compared and can be left out or added, the views, and the address that keeps it.

import { call, save } from "../core/api.js";
import { keep, matrix, query, to } from "../core/address.js";
import { h, paced } from "../core/dom.js";
import { watch } from "../core/live.js";
import { go } from "../core/router.js";
import { breadcrumbs, button, emptyState, field, tabBar } from "../widgets/controls.js";
import { ask } from "../widgets/dialog.js";
import { picker } from "../widgets/picker.js";
import { attempt } from "../widgets/toast.js";
import { csvOf } from "./tables.js";

/**
 * @typedef {{node: Node, start?: () => any, leave?: () => void, groups?: () => import("./tables.js").Group[]}} Made `groups`: what a table shows
 * @typedef {{label: string, make: (things: any[], onlyDiffering: boolean) => Made, isTable?: boolean}} ViewOf
 * @typedef {{kind: import("./kinds.js").Kind, path: string, views: Record<string, ViewOf>, names: Record<string, string>, fields: string[],
 *   list: {label: string, href: string}[], find: (text: string) => Promise<import("../widgets/picker.js").Choice[]>}} Comparison
 *   `names`: what official addresses call the views
 */

/** @param {HTMLElement} element @param {string} project @param {string} view @param {Comparison} of @returns {Promise<() => void>} */
export async function comparison(element, project, view, { kind, path, views, names, fields, list, find }) {
  document.title = "Compare · clearml-lean";
  const ids = (query().get("ids") ?? matrix("ids") ?? "").split(",").filter(Boolean);
  const name = names[view] ?? (view in views ? view : "details"), chosen = views[name];
  const load = async () => {
    const answer = ids.length ? await call(`${kind.names}.get_all_ex`, { id: ids, search_hidden: true, only_fields: fields }) : { [kind.names]: [] };
    return /** @type {any[]} */ (ids.map((id) => answer[kind.names].find((/** @type {any} */ one) => one.id === id)).filter(Boolean));
  };
  let things = await load();
  const address = (/** @type {string} */ shown, /** @type {string[]} */ wanted) => to(["projects", project, path, shown], { ids: wanted.join(",") });
  const chips = h("div", { class: "chips" });
  const add = button(`Add ${kind.name}`, () => attempt(addDialog), { icon: "plus", kind: "small" });
  const same = h("input", { type: "checkbox", checked: !!query().get("differ"), change: () => { keep({ differ: same.checked ? "1" : null }); draw(); } });
  const csv = button("CSV", () => { if (made?.groups) save(new Blob([csvOf(things, made.groups())], { type: "text/csv" }), `compared-${name}.csv`); }, { icon: "download", kind: "small" });
  const body = h("div", {});
  element.replaceChildren(breadcrumbs([...list, { label: "Compare" }]), h("h1", { class: "visually-hidden" }, `Compare ${kind.names}`),
    h("div", { class: "toolbar" }, chips, add, h("span", { class: "grow" }), chosen.isTable ? [h("label", { class: "check" }, same, "Only what differs"), csv] : null),
    tabBar(Object.entries(views).map(([key, { label }]) => ({ name: key, label, href: address(key, ids) })), name, "Compare"), body);
  /** @type {Made | undefined} */
  let made;

  function draw() {
    const place = body.querySelector(".compare-scroll");
    const [left, top] = [place?.scrollLeft ?? 0, place?.scrollTop ?? 0];
    made?.leave?.();
    made = undefined;
    chips.replaceChildren(...things.map((thing) => h("span", { class: "chip", title: thing.name }, h("span", { class: "ellipsis" }, thing.name), h("button", { type: "button", "aria-label": `Leave out ${thing.name}`, click: () => { go(address(name, ids.filter((id) => id !== thing.id))); } }, "×"))));
    if (!things.length) return body.replaceChildren(emptyState("Nothing to compare.", `Select ${kind.names} in the table, then “Compare”.`));
    made = chosen.make(things, same.checked);
    body.replaceChildren(made.node);
    body.querySelector(".compare-scroll")?.scrollTo(left, top);
    made.start?.();
  }

  function addDialog() {
    const label = kind.name[0].toUpperCase() + kind.name.slice(1);
    const one = picker({ label, find });
    return ask({ title: `Add ${kind.name}`, body: field(label, one.node), action: "Add", run: () => {
      const { id } = one.value();
      if (!id) throw new Error(`Choose a ${kind.name} of the list.`);
      go(address(name, [...ids.filter((other) => other !== id), id]));
    } });
  }
  draw();

  /** Tables follow what changes; plots follow by themselves, or stay as somebody has zoomed and brushed them. */
  const follow = paced(async () => {
    await attempt(async () => {
      const next = await load();
      const isSame = JSON.stringify(next) === JSON.stringify(things);
      const isGone = next.length !== things.length;
      things = next;
      if (isGone || (!isSame && chosen.isTable)) draw();
    });
  }, 2000);
  const unwatch = watch([kind.name], (changed) => { if (ids.some((id) => changed(kind.name, id))) follow(); });
  return () => { unwatch(); made?.leave?.(); };
}
