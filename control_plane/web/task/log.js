// @ts-check
// Reading a task's log: windows of it by time, and every line of it with a text; what is shown of a line.

import { call, jsonLines } from "../core/api.js";
import { h } from "../core/dom.js";
import { when } from "../core/format.js";
import { ansi, withoutAnsi } from "../widgets/ansi.js";

const MOST = 10_000;

/**
 * Lines before (`isEarlier`) or after a moment, or those at the end or the beginning; oldest first. Of lines of one
 * millisecond it gives all or none, unless more than MOST share it: windows beside each other leave nothing out.
 * @param {string} task @param {number} most @param {boolean} isEarlier @param {number} [at]
 * @returns {Promise<{events: any[], isAll: boolean}>} isAll: there is nothing beyond them
 */
export async function windowOf(task, most, isEarlier, at) {
  const { events } = await call("events.get_task_log", { task, batch_size: most, navigate_earlier: isEarlier, order: "asc", ...(at === undefined ? {} : { from_timestamp: at }) });
  if (events.length < most) return { events, isAll: true };
  const whole = withoutEdge(events, isEarlier);
  if (whole.length || most >= MOST) return { events: whole.length ? whole : events, isAll: false };
  return windowOf(task, MOST, isEarlier, at);
}

/** Without the outermost millisecond, of which there may be more. @param {any[]} events @param {boolean} isEarlier */
export function withoutEdge(events, isEarlier) {
  const cut = events[isEarlier ? 0 : events.length - 1]?.timestamp;
  return events.filter((event) => event.timestamp !== cut);
}

/** What tells a line from others. @param {any} event @returns {string} */
export function keyOf(event) {
  return `${event.timestamp} ${event.msg}`;
}

/** @param {any} event @param {string} wanted in lower case */
export function has(event, wanted) {
  return withoutAnsi(String(event.msg ?? "")).toLowerCase().includes(wanted);
}

/** Every line with a text, oldest first, as they are found. @param {string} task @param {string} text @param {(some: any[]) => void} onSome @param {AbortSignal} signal */
export function search(task, text, onSome, signal) {
  return jsonLines("events.download_task_log", { task, line_type: "json", search: text }, onSome, signal);
}

/** @param {any} event */
export function messageOf(event) {
  // What a carriage return overwrites is not seen in a terminal either.
  const text = String(event.msg ?? "").replace(/\r?\n$/, "").split("\n").map((one) => one.replace(/\r$/, "").split("\r").pop()).join("\n");
  return [h("time", { title: when(event.timestamp) }, new Date(event.timestamp).toTimeString().slice(0, 8)), h("span", { class: "message" }, ansi(text))];
}
