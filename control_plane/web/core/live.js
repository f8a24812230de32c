// @ts-check
// What changes on the server, as it changes: one stream for the whole page, closed while the page is hidden.

import { ApiError, follow } from "./api.js";

/** @typedef {"task" | "model" | "project" | "queue"} Kind */
/** @typedef {{kinds: Kind[], told: (changed: (kind: Kind, id: string) => boolean) => void}} Listener */

/** @type {Set<Listener>} */
const listeners = new Set();
/** @type {AbortController | null} */
let stream = null;
const RETRY_MS = [500, 1000, 2000, 5000];
/** A server that starts again is back before somebody need know. */
const LOST_AFTER = 2;
/** @type {(isLost: boolean, isBack: boolean) => void} */
let onConnection = () => {};

/** Be told when the connection is lost, and when it is back. @param {(isLost: boolean, isBack: boolean) => void} told */
export function whenConnection(told) {
  onConnection = told;
}

/**
 * Call `told` when something of these kinds changed; it is given a question: did this one change?
 * After a time without a connection, everything may have.
 * @param {Kind[]} kinds
 * @param {(changed: (kind: Kind, id: string) => boolean) => void} told
 * @returns {() => void} ends it
 */
export function watch(kinds, told) {
  const listener = { kinds, told };
  listeners.add(listener);
  open();
  return () => {
    listeners.delete(listener);
    if (!listeners.size) close();
  };
}

document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));

function open() {
  if (stream || document.hidden || !listeners.size) return;
  stream = new AbortController();
  run(stream.signal);
}

function close() {
  stream?.abort();
  stream = null;
  onConnection(false, false);
}

/** @param {AbortSignal} signal */
async function run(signal) {
  for (let failures = 0, first = true; !signal.aborted; ) {
    try {
      await follow("organization.follow", {}, (event, data) => {
        if (failures) onConnection(false, true);
        failures = 0;
        if (event === "ready" && !first) tell(null);
        if (event === "ready") first = false;
        if (event === "changed") tell(data);
      }, signal);
    } catch (error) {
      if (signal.aborted || (error instanceof ApiError && error.code === 401)) return;
      failures += 1;
      if (failures >= LOST_AFTER) onConnection(true, false);
    }
    await new Promise((done) => setTimeout(done, RETRY_MS[Math.min(failures, RETRY_MS.length - 1)]));
  }
}

/** @param {any} data null: anything may have changed */
function tell(data) {
  const all = !data || !data.complete;
  const changed = (/** @type {Kind} */ kind, /** @type {string} */ id) => all || (data[kind] ?? []).includes(id);
  for (const { kinds, told } of [...listeners]) {
    if (all || kinds.some((kind) => data[kind])) told(changed);
  }
}
