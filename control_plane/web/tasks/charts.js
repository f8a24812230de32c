// @ts-check
// Curves or plots of the tasks in the table, beside it: of those selected, or of its first ones.

import { keep, query } from "../core/address.js";
import { h, paced } from "../core/dom.js";
import { plural } from "../core/format.js";
import { button } from "../widgets/controls.js";
import { attempt } from "../widgets/toast.js";
import { TASKS, colourOf } from "../compare/kinds.js";
import { plotsView } from "../compare/plots.js";
import { scalarsView } from "../compare/scalars.js";

/** So many tasks are drawn at once. */
export const MOST_DRAWN = 100;
/** Of more, the table beside tells which is which: the plots are small. On a narrow screen there is no table. */
const MOST_NAMED_BESIDE = 3;
const isAlone = () => matchMedia("(max-width: 800px)").matches;
/** @typedef {ReturnType<typeof scalarsView> | ReturnType<typeof plotsView>} View */
/** @type {Record<string, {label: string, make: (tasks: any[]) => View}>} */
const VIEWS = { scalars: { label: "Scalars", make: (tasks) => scalarsView(tasks, TASKS, isAlone() ? undefined : MOST_NAMED_BESIDE) }, plots: { label: "Plots", make: (tasks) => plotsView(tasks) } };

/**
 * @param {{selected: Map<string, any>, first: () => Promise<any[]>, drawn: (colours: Map<string, string>) => void}} options
 *   `first`: the table’s first `MOST_DRAWN` rows; `drawn` is told which tasks are drawn, each in which colour
 */
export function chartsPane({ selected, first, drawn }) {
  const note = h("span", { class: "quiet small", role: "status" });
  const body = h("div", {});
  const switches = Object.entries(VIEWS).map(([name, { label }]) => button(label, () => { keep({ charts: name }); open(); }, { kind: "small" }));
  const node = h("section", { class: "charts", "aria-label": "Charts" }, h("div", { class: "toolbar" }, h("div", { class: "switches", role: "group", "aria-label": "What is drawn" }, switches), note), body);
  /** @type {any[]} */
  let tasks = [];
  /** @type {View | null} */
  let view = null;

  function chosen() {
    const name = query().get("charts") ?? "";
    return name in VIEWS ? name : "scalars";
  }

  function open() {
    Object.keys(VIEWS).forEach((name, at) => switches[at].setAttribute("aria-pressed", String(name === chosen())));
    view?.leave();
    view = VIEWS[chosen()].make(tasks);
    body.replaceChildren(view.node);
    view.start();
  }

  /** The selection, or the table, may be another. */
  const update = paced(async () => {
    await attempt(async () => {
      const all = selected.size ? [...selected.values()] : await first();
      const next = all.slice(0, MOST_DRAWN).map(({ id, name }) => ({ id, name }));
      note.textContent = told(next.length, selected.size);
      if (view && JSON.stringify(next) === JSON.stringify(tasks)) return;
      tasks = next;
      drawn(new Map(tasks.map(({ id }, place) => [id, colourOf(place)])));
      if (view) view.show(tasks);
      else open();
    });
  }, 200);
  return { node, update, leave: () => view?.leave() };
}

/** @param {number} count @param {number} of how many are selected */
function told(count, of) {
  if (!of) return count ? `the table’s first ${plural(count, "task")}: select some to see only theirs` : "";
  return count < of ? `the first ${count} of ${of.toLocaleString("en")} selected tasks` : plural(of, "selected task");
}
