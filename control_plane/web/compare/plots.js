// @ts-check
// The newest figures of several tasks or models, beside each other; those of a name are fetched when they come into sight.

import { call } from "../core/api.js";
import { keep, query } from "../core/address.js";
import { debounced, h, paced } from "../core/dom.js";
import { watch } from "../core/live.js";
import { emptyState } from "../widgets/controls.js";
import { whenSeen } from "../widgets/plot.js";
import { attempt } from "../widgets/toast.js";
import { plotCard } from "../task/plots.js";
import { TASKS, toldApart } from "./kinds.js";

/** @typedef {{metric: string, variant: string, node: HTMLElement, cards: HTMLElement, drawn: Map<string, {text: string, node: HTMLElement, leave: () => void}>, forget: () => void, isSeen: boolean, isFound: boolean}} Group */

/** @param {any[]} things @param {import("./kinds.js").Kind} [kind] */
export function plotsView(things, kind = TASKS) {
  const find = h("input", { class: "input", type: "search", placeholder: "Find a plot", "aria-label": "Find a plot", value: query().get("metric") ?? "", input: () => { keep({ metric: find.value.trim() }); filter(); } });
  const place = h("div", { class: "stack" });
  const nothing = h("div", {});
  /** @type {Map<string, Group>} */
  const groups = new Map();
  let turn = 0, isKnown = false;
  const ids = () => things.map((thing) => thing.id);

  const load = paced(async () => {
    await attempt(async () => {
      const mine = turn;
      const { metrics } = things.length ? await call("events.get_multi_task_metrics", { tasks: ids(), event_type: "plot", ...kind.of }) : { metrics: [] };
      if (mine !== turn) return;
      isKnown = true;
      const names = metrics.flatMap((/** @type {any} */ one) => one.variants.map((/** @type {string} */ variant) => ({ key: `${one.metric} / ${variant}`, metric: one.metric, variant })));
      const keys = new Set(names.map((/** @type {any} */ one) => one.key));
      for (const [key, group] of groups) {
        if (keys.has(key)) continue;
        leave(group);
        group.node.remove();
        groups.delete(key);
      }
      names.forEach((/** @type {any} */ one, /** @type {number} */ at) => {
        const group = groups.get(one.key) ?? begin(one.key, one.metric, one.variant);
        if (place.children[at] !== group.node) place.insertBefore(group.node, place.children[at] ?? null);
      });
      filter();
      await ask([...groups.values()].filter((group) => group.isSeen));
    });
  }, 1000);

  const askSeen = debounced(() => attempt(() => ask([...groups.values()].filter((group) => group.isSeen && !group.isFound))), 20);

  /** @param {string} key @param {string} metric @param {string} variant */
  function begin(key, metric, variant) {
    const cards = h("div", { class: "plots waiting" });
    const node = h("section", { "aria-label": key }, h("div", { class: "section-title" }, h("h2", {}, key)), cards);
    const group = { metric, variant, node, cards, drawn: new Map(), forget: whenSeen(node, () => { group.isSeen = true; askSeen(); }), isSeen: false, isFound: false };
    groups.set(key, group);
    return group;
  }

  /** @param {Group[]} some */
  async function ask(some) {
    if (!some.length) return;
    const mine = turn;
    /** @type {Map<string, string[]>} */
    const variants = new Map();
    for (const { metric, variant } of some) variants.set(metric, [...(variants.get(metric) ?? []), variant]);
    const { plots } = await call("events.get_multi_task_plots", { tasks: ids(), iters: 1, no_scroll: true, metrics: [...variants].map(([metric, names]) => ({ metric, variants: names })), ...kind.of });
    if (mine !== turn) return;
    for (const group of some) fill(group, plots[group.metric]?.[group.variant] ?? {});
  }

  /** @param {Group} group @param {any} found id -> iteration -> plots */
  function fill(group, found) {
    const names = toldApart(things);
    group.isFound = true;
    group.cards.classList.remove("waiting");
    for (const [id, one] of group.drawn) {
      if (found[id]) continue;
      one.leave();
      one.node.remove();
      group.drawn.delete(id);
    }
    let at = 0;
    for (const { id } of things) {
      const [plot] = Object.values(found[id] ?? {}).flatMap((/** @type {any} */ one) => one.plots);
      if (!plot) continue;
      const old = group.drawn.get(id), text = `${names.get(id)} ${plot.iter} ${plot.plot_str}`;
      const made = old?.text === text ? old : { text, ...plotCard(plot, /** @type {string} */ (names.get(id)), { task: id, ...kind.of }) };
      if (old && old !== made) {
        old.leave();
        old.node.replaceWith(made.node);
      }
      group.drawn.set(id, made);
      if (group.cards.children[at] !== made.node) group.cards.insertBefore(made.node, group.cards.children[at] ?? null);
      at += 1;
    }
  }

  function filter() {
    const text = find.value.trim().toLowerCase();
    for (const [key, { node }] of groups) node.hidden = !key.toLowerCase().includes(text);
    const isAny = [...groups.values()].some(({ node }) => !node.hidden);
    nothing.replaceChildren(...(isAny || !isKnown ? [] : [emptyState(groups.size ? "No plot fits." : "None of them reported plots.")]));
  }

  /** @param {Group} group */
  function leave(group) {
    group.forget();
    group.drawn.forEach((one) => one.leave());
  }

  /** Of others. @param {any[]} next */
  function show(next) {
    things = next;
    turn += 1;
    for (const group of groups.values()) group.isFound = false;
    load();
  }
  const unwatch = watch([kind.name], (changed) => { if (ids().some((id) => changed(kind.name, id))) load(); });
  return { node: h("div", { class: "stack" }, h("div", { class: "toolbar" }, find), place, nothing), start: load, show, leave: () => { unwatch(); groups.forEach(leave); } };
}
