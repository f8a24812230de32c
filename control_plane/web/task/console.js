// @ts-check
// CONSOLE: what the task writes, as it comes; what lies before and after is read when one scrolls to it or searches it.

import { ApiError, download, follow } from "../core/api.js";
import { h } from "../core/dom.js";
import { button } from "../widgets/controls.js";
import { attempt } from "../widgets/toast.js";
import { consoleSearch } from "./console_search.js";
import { has, keyOf, messageOf, windowOf, withoutEdge } from "./log.js";

const AT_FIRST = 500, MORE = 500, AROUND = 250, MOST_FOLLOWED = 5000, MOST_SHOWN = 20_000;
const RETRY_MS = 1000;

/** @param {HTMLElement} element */
export function consoleTab(element) {
  const stop = new AbortController();
  /** @type {any} */
  let task = null;
  let started = false, isAtStart = false, isAtEnd = true, isLoading = false, follows = true, last = "";
  /** One for each child of `lines`. @type {any[]} */
  let shown = [];
  /** What came while something else than the end was shown. @type {any[]} */
  let missed = [];
  /** What was read already, and may come once more. @type {Set<string>} */
  let repeated = new Set();
  const lines = h("div", { class: "lines", role: "log", "aria-label": "Console", tabindex: "0", scroll: scrolled });
  const live = h("span", { class: "live-dot quiet small" }, "live");
  const searching = consoleSearch({ id: () => task.id, mark, jump, lines });
  const tools = h("div", { class: "toolbar" }, searching.tools, h("span", { class: "grow" }), live,
    button("Beginning", () => attempt(toStart), { icon: "top", kind: "small" }), button("Latest", () => attempt(toEnd), { icon: "down", kind: "small" }),
    button("Download", () => attempt(() => download("events.download_task_log", { task: task.id, line_type: "text", line_format: "{asctime} {worker} {level} {msg}" }, `${task.name}.log`)), { icon: "download", kind: "small" }));
  element.replaceChildren(h("div", { class: "console" }, tools, lines, searching.list));
  element.classList.add("filled");

  /** @param {any} event */
  function line(event) {
    const wanted = searching.wanted();
    return h("div", { class: wanted && has(event, wanted) ? "console-line hit" : "console-line" }, messageOf(event));
  }

  function mark() {
    const wanted = searching.wanted();
    shown.forEach((event, index) => lines.children[index].classList.toggle("hit", !!wanted && has(event, wanted)));
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
      if (shown.length > MOST_SHOWN) drop(shown.length - MOST_SHOWN, false);
      return;
    }
    for (const event of events) shown.push(event);
    lines.append(...nodes);
    const extra = shown.length - (follows ? MOST_FOLLOWED : MOST_SHOWN);
    if (extra > 0) drop(extra, true);
    if (follows) lines.scrollTop = lines.scrollHeight;
  }

  /** Lines that lie too far off; they are read again when one scrolls there. @param {number} count @param {boolean} isTop */
  function drop(count, isTop) {
    const before = lines.scrollHeight, top = lines.scrollTop;
    shown.splice(isTop ? 0 : shown.length - count, count);
    for (let n = 0; n < count; n += 1) (isTop ? lines.firstChild : lines.lastChild)?.remove();
    if (isTop) {
      isAtStart = false;
      lines.scrollTop = top + lines.scrollHeight - before;
    } else {
      isAtEnd = false;
    }
  }

  /** @param {any[]} events */
  function replace(events) {
    shown = [];
    lines.replaceChildren();
    add(events, false);
  }

  /** The window reaches the end again: what comes goes on below it. @param {any[]} events the last that were read */
  function reachEnd(events) {
    isAtEnd = true;
    repeated = new Set(events.map(keyOf));
    add(missed.filter((event) => !repeated.delete(keyOf(event))), false);
    missed = [];
  }

  /** @param {any[]} events */
  function came(events) {
    searching.came(events);
    if (!isAtEnd) {
      missed.push(...events);
      return;
    }
    const fresh = repeated.size ? events.filter((event) => !repeated.delete(keyOf(event))) : events;
    add(!shown.length && fresh.length >= AT_FIRST ? orAll(withoutEdge(fresh, true), fresh) : fresh, false);
  }

  function scrolled() {
    const below = lines.scrollHeight - lines.scrollTop - lines.clientHeight;
    follows = isAtEnd && below < 24;
    if (lines.scrollTop < 200) attempt(older);
    if (below < 400) attempt(newer);
  }

  /** One reading at a time. @param {() => Promise<void>} read */
  async function alone(read) {
    isLoading = true;
    try {
      await read();
    } finally {
      isLoading = false;
    }
  }

  async function older() {
    if (isLoading || isAtStart || !shown.length) return;
    await alone(async () => {
      const edge = shown[0];
      const { events, isAll } = await windowOf(task.id, MORE, true, edge.timestamp);
      if (shown[0] !== edge) return; // something else is shown by now
      isAtStart = isAll;
      add(events, true);
    });
  }

  async function newer() {
    if (isLoading || isAtEnd || !shown.length) return;
    await alone(async () => {
      missed = [];
      const edge = shown[shown.length - 1];
      const { events, isAll } = await windowOf(task.id, MORE, false, edge.timestamp);
      if (shown[shown.length - 1] !== edge) return;
      add(events, false);
      if (isAll) reachEnd(events);
    });
  }

  async function toStart() {
    follows = false;
    if (!isAtStart) {
      await alone(async () => {
        missed = [];
        const { events, isAll } = await windowOf(task.id, AT_FIRST, false);
        isAtEnd = false;
        replace(events);
        if (isAll) reachEnd(events);
      });
      isAtStart = true;
    }
    lines.scrollTop = 0;
  }

  async function toEnd() {
    await alone(async () => {
      missed = [];
      const { events, isAll } = await windowOf(task.id, AT_FIRST, true);
      isAtStart = isAll;
      follows = true;
      replace(events);
      reachEnd(events);
    });
  }

  /** Show a line with what is around it. @param {any} event */
  async function jump(event) {
    const key = keyOf(event);
    const find = () => lines.children[shown.findIndex((one) => keyOf(one) === key)];
    follows = false;
    if (!find()) {
      await alone(async () => {
        missed = [];
        const [before, after] = await Promise.all([windowOf(task.id, AROUND, true, event.timestamp + 1), windowOf(task.id, AROUND, false, event.timestamp)]);
        isAtEnd = false;
        replace([...before.events, ...after.events]);
        isAtStart = before.isAll;
        if (after.isAll) reachEnd([...before.events, ...after.events]);
      });
    }
    for (const node of lines.querySelectorAll(".current")) node.classList.remove("current");
    find()?.classList.add("current");
    find()?.scrollIntoView({ block: "center" });
  }

  /** Lines as they come, until the task has ended; then again when it runs again. */
  async function run() {
    while (!stop.signal.aborted) {
      let isOver = false;
      try {
        live.classList.add("on");
        await follow("events.follow", { task: task.id, lines: AT_FIRST, ...(last ? { after: last } : {}) }, (event, data, id) => {
          if (event === "reset") {
            replace([]);
            missed = [];
            isAtStart = false;
            isAtEnd = true;
          }
          if (event === "lines") came(data.lines);
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
    leave: () => {
      stop.abort();
      searching.leave();
    },
  };
}

/** @param {any[]} some @param {any[]} all */
function orAll(some, all) {
  return some.length ? some : all;
}
