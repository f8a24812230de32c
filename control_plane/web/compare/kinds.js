// @ts-check
// What is compared: tasks or models. Where each has its page, how it stands, and how the server is asked for its events.

import { to } from "../core/address.js";
import { COLOURS } from "../task/curve_card.js";
import { modelStatus, statusChip } from "../widgets/controls.js";

/**
 * @typedef {{name: "task" | "model", of: {model_events?: boolean}, href: (thing: any) => string, status: (thing: any) => Node, names: string}} Kind
 *   `of`: what calls about its events say more; `names`: several of them, in words
 */

/** @type {Kind} */
export const TASKS = { name: "task", names: "tasks", of: {}, href: (task) => to(["projects", task.project?.id ?? "*", "tasks", task.id, "execution"]), status: (task) => statusChip(task.status) };

/** @type {Kind} */
export const MODELS = { name: "model", names: "models", of: { model_events: true }, href: (model) => to(["projects", model.project?.id ?? "*", "models", model.id, "general"]), status: modelStatus };

/** What each is called among the others: with the beginning of its id, where another has the same name. @param {any[]} things @returns {Map<string, string>} id -> name */
export function toldApart(things) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const thing of things) counts.set(thing.name, (counts.get(thing.name) ?? 0) + 1);
  return new Map(things.map((thing) => [thing.id, /** @type {number} */ (counts.get(thing.name)) > 1 ? `${thing.name} (${thing.id.slice(0, 6)})` : thing.name]));
}

/** Hues that are this far apart come near to each other as late as possible. */
const GOLDEN_ANGLE = 137.508;

/** The colour of the one at a place: the same in every plot. @param {number} place */
export function colourOf(place) {
  return COLOURS[place] ?? `hsl(${Math.round(place * GOLDEN_ANGLE) % 360} 62% ${place % 2 ? 44 : 56}%)`;
}
