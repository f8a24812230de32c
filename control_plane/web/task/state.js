// @ts-check
// What the tabs of a task share: what may be edited, and how an edit is kept and taken back.

import { call } from "../core/api.js";
import { mayWrite } from "../core/session.js";
import { saved } from "../widgets/section.js";

const READER = "Your role may read only";

/** Why the task cannot be edited now, or null. @param {any} task */
export function draftOnly(task) {
  if (!mayWrite()) return READER;
  if (task.status === "created") return null;
  return task.status === "published" ? "Published tasks are read-only: clone it to change it" : "Only drafts can be edited: clone this task, or reset it";
}

/** User properties can be edited in any state but published. @param {any} task */
export function notPublished(task) {
  if (!mayWrite()) return READER;
  return ["published", "publishing"].includes(task.status) ? "Published tasks are read-only" : null;
}

/**
 * Change fields of a task, and offer to take it back.
 * @param {any} task @param {object} change @param {object} before what takes it back @param {string} what
 */
export async function edit(task, change, before, what) {
  await call("tasks.edit", { task: task.id, ...change });
  saved(`${what} saved.`, () => call("tasks.edit", { task: task.id, ...before }));
}

/** A text of `script.requirements`: recorded as a text or as a list. @param {any} value @returns {string} */
export function packages(value) {
  return Array.isArray(value) ? value.join("\n") : value ?? "";
}

const FIRST = ["Args", "General", "TF_DEFINE", "Environment"];

/** Sections of hyperparameters, each once: those that clients fill first. @param {string[]} names */
export function sectionNames(names) {
  const place = (/** @type {string} */ name) => (FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length);
  return [...new Set(names)].sort((a, b) => place(a) - place(b) || a.localeCompare(b));
}
