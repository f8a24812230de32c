// @ts-check
// What a user prefers: kept on the server, so that it is the same at every machine; and here, for the moment before the
// server has told it.

import { call } from "./api.js";
import { debounced } from "./dom.js";

const KEY = "clearml.preferences";
/** Other pages keep theirs beside it. */
const OURS = "lean";
const SENT_AFTER_MS = 500;
/** @type {Record<string, any>} */
let known = JSON.parse(localStorage.getItem(KEY) ?? "{}");
/** @type {Record<string, any>} */
let unsent = {};

/** @param {string} name */
export function preference(name) {
  return known[name];
}

/** Keep it, here at once and on the server soon. @param {string} name @param {any} value */
export function prefer(name, value) {
  take({ ...known, [name]: value });
  unsent[name] = value;
  send();
}

/** Ask the server what this user prefers. @returns {Promise<void>} */
export async function loadPreferences() {
  const { preferences } = await call("users.get_preferences");
  take({ ...preferences[OURS], ...unsent });
}

const send = debounced(async () => {
  const changes = unsent;
  unsent = {};
  // Where it fails it is kept here still: nobody is told of a column's width that went missing.
  await call("users.set_preferences", { preferences: { [OURS]: changes } }).catch((error) => console.warn(error.message));
}, SENT_AFTER_MS);

/** @param {Record<string, any>} next */
function take(next) {
  known = next;
  localStorage.setItem(KEY, JSON.stringify(next));
}

/** Another user may come to this browser. */
export function forgetPreferences() {
  unsent = {};
  take({});
}
