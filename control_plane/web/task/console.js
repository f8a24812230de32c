// @ts-check
// CONSOLE: what the task writes, as it comes; older lines come when one scrolls to them.

import { ApiError, call, download, follow } from "../core/api.js";
import { h } from "../core/dom.js";
import { when } from "../core/format.js";
import { ansi, withoutAnsi } from "../widgets/ansi.js";
import { button } from "../widgets/controls.js";
import { attempt } from "../widgets/toast.js";

const AT_FIRST = 500, EARLIER = 500, MOST_SHOWN = 5000;
const RETRY_MS = 1000;

/** @param {HTMLElement} element */
export function consoleTab(element) {
  const stop = new AbortController();
  /** @type {any} */
  let task = null;
  let started = false, isAtStart = false, isLoading = false, follows = true, last = "";
  /** @type {any[]} */
  let shown = [];
  const lines = h("div", { class: "lines", role: "log", "aria-label": "Console", tabindex: "0", scroll: scrolled });
  const live = h("span", { class: "live-dot quiet small" }, "live");
  const found = h("span", { class: "quiet small", role: "status" });
  let hits = /** @type {Element[]} */ ([]), hit = -1;
  const search = h("input", { class: "input", type: "search", placeholder: "Search what is loaded", "aria-label": "Search the console", input: () => find(),
    keydown: (/** @type {KeyboardEvent} */ event) => { if (event.key === "Enter") step(event.shiftKey ? -1 : 1); } });
  const only = h("input", { type: "checkbox", change: () => find() });
  const tools = h("div", { class: "toolbar" }, search, found, h("label", { class: "check small" }, only, "Only lines found"), h("span", { class: "grow" }), live,
    button("Beginning", () => attempt(toStart), { icon: "top", kind: "small" }), button("Latest", () => attempt(toEnd), { icon: "down", kind: "small" }),
    button("Download", () => attempt(() => download("events.download_task_log", { task: task.id, line_type: "text", line_format: "{asctime} {worker} {level} {msg}" }, `${task.name}.log`)), { icon: "download", kind: "small" }));
  element.replaceChildren(h("div", { class: "console" }, tools, lines));
  element.classList.add("filled");

  /** @param {any} event */
  function line(event) {
    // What a carriage return overwrites is not seen in a terminal either.
    const text = String(event.msg ?? "").replace(/\r?\n$/, "").split("\n").map((one) => one.replace(/\r$/, "").split("\r").pop()).join("\n");
    const node = h("div", { class: "console-line" }, h("time", { title: when(event.timestamp) }, new Date(event.timestamp).toTimeString().slice(0, 8)), h("span", { class: "message" }, ansi(text)));
    return node;
  }

  /** @param {any[]} events @param {boolean} isOlder */
  function add(events, isOlder) {
    if (!events.length) return;
    const before = lines.scrollHeight, top = lines.scrollTop;
    const nodes = events.map(line);
    if (isOlder) {
      shown = [...events, ...shown];
      lines.prepend(...nodes);
      lines.scrollTop = top + lines.scrollHeight - before;
    } else {
      shown.push(...events);
      lines.append(...nodes);
      const extra = shown.length - MOST_SHOWN;
      if (extra > 0 && follows) {
        shown.splice(0, extra);
        for (let n = 0; n < extra; n += 1) lines.firstChild?.remove();
        isAtStart = false;
      }
      if (follows) lines.scrollTop = lines.scrollHeight;
    }
    if (search.value) find();
  }

  function scrolled() {
    follows = lines.scrollTop + lines.clientHeight >= lines.scrollHeight - 24;
    if (lines.scrollTop < 200) attempt(older);
  }

  async function older() {
    if (isLoading || isAtStart || !shown.length) return;
    isLoading = true;
    try {
      const { events } = await call("events.get_task_log", { task: task.id, batch_size: EARLIER, navigate_earlier: true, order: "asc", from_timestamp: shown[0].timestamp });
      isAtStart = !events.length;
      add(events, true);
    } finally {
      isLoading = false;
    }
  }

  async function toStart() {
    follows = false;
    const { events } = await call("events.get_task_log", { task: task.id, batch_size: AT_FIRST, navigate_earlier: false, order: "asc" });
    if (events.length && events[0].timestamp !== shown[0]?.timestamp) {
      // What lies between is read when one scrolls down again.
      lines.replaceChildren();
      shown = [];
      last = "";
      add(events, false);
      later();
    }
    isAtStart = true;
    lines.scrollTop = 0;
  }

  /** After a jump to the beginning: read on towards the end. */
  async function later() {
    for (;;) {
      const { events } = await call("events.get_task_log", { task: task.id, batch_size: 2000, navigate_earlier: false, order: "asc", from_timestamp: shown[shown.length - 1]?.timestamp });
      if (!events.length || stop.signal.aborted || shown.length > MOST_SHOWN * 4) return;
      add(events, false);
    }
  }

  async function toEnd() {
    const { events } = await call("events.get_task_log", { task: task.id, batch_size: AT_FIRST, navigate_earlier: true, order: "asc" });
    lines.replaceChildren();
    shown = [];
    isAtStart = false;
    follows = true;
    add(events, false);
  }

  function find() {
    const wanted = search.value.toLowerCase();
    hits = [];
    for (const node of lines.children) {
      const isHit = !!wanted && withoutAnsi(node.querySelector(".message")?.textContent ?? "").toLowerCase().includes(wanted);
      node.classList.toggle("hit", isHit);
      /** @type {any} */ (node).hidden = !!wanted && only.checked && !isHit;
      if (isHit) hits.push(node);
    }
    found.textContent = wanted ? (hits.length ? `${hits.length} found` : "not found") : "";
    hit = -1;
    if (hits.length) step(-1);
  }

  /** @param {number} by */
  function step(by) {
    if (!hits.length) return;
    hit = (hit + by + hits.length) % hits.length;
    follows = false;
    hits[hit].scrollIntoView({ block: "center" });
    found.textContent = `${hit + 1} of ${hits.length}`;
  }

  /** Lines as they come, until the task has ended; then again when it runs again. */
  async function run() {
    while (!stop.signal.aborted) {
      let isOver = false;
      try {
        live.classList.add("on");
        await follow("events.follow", { task: task.id, lines: AT_FIRST, ...(last ? { after: last } : {}) }, (event, data, id) => {
          if (event === "reset") {
            lines.replaceChildren();
            shown = [];
          }
          if (event === "lines") add(data.lines, false);
          if (id) last = id;
          if (event === "end") isOver = true;
        }, stop.signal);
      } catch (error) {
        if (stop.signal.aborted || (error instanceof ApiError && error.code >= 400 && error.code < 500)) break;
      }
      if (isOver) break;
      await new Promise((done) => setTimeout(done, RETRY_MS));
    }
    live.classList.remove("on");
    started = false;
  }

  return {
    update: (/** @type {any} */ next) => {
      const wasStatus = task?.status;
      task = next;
      if (!started && wasStatus !== task.status) {
        started = true;
        run();
      }
    },
    leave: () => stop.abort(),
  };
}
