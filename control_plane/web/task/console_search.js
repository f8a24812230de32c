// @ts-check
// Searching a console: the server reads the whole of it, however long; what is found comes as it is found.

import { debounced, h } from "../core/dom.js";
import { number } from "../core/format.js";
import { attempt } from "../widgets/toast.js";
import { has, keyOf, messageOf, search } from "./log.js";

const MOST_FOUND = 10_000, MOST_LISTED = 1000;

/**
 * @param {{id: () => string, mark: () => void, jump: (event: any) => Promise<void>, lines: HTMLElement}} of `mark`
 *   marks what is loaded, `jump` shows a line with what is around it
 */
export function consoleSearch({ id, mark, jump, lines }) {
  let looking = new AbortController();
  let wanted = "", at = -1, isBusy = false, isCut = false;
  /** Every line found, oldest first. @type {any[]} */
  let hits = [];
  /** What came with the text while the server was reading. @type {any[]} */
  let late = [];
  const found = h("span", { class: "quiet small", role: "status" });
  const begin = debounced(() => attempt(look), 200);
  const input = h("input", { class: "input", type: "search", placeholder: "Search the whole log", "aria-label": "Search the console", input: begin,
    keydown: (/** @type {KeyboardEvent} */ event) => { if (event.key === "Enter") attempt(() => step(event.shiftKey ? -1 : 1)); } });
  const only = h("input", { type: "checkbox", change: () => show() });
  const list = h("div", { class: "lines", role: "region", "aria-label": "Lines found", tabindex: "0", hidden: true });

  async function look() {
    looking.abort();
    const mine = (looking = new AbortController());
    wanted = input.value.toLowerCase();
    hits = [];
    late = [];
    at = -1;
    isCut = false;
    isBusy = !!wanted;
    mark();
    show();
    if (!wanted) return;
    try {
      await search(id(), wanted, (some) => {
        for (const event of some) if (hits.length < MOST_FOUND) hits.push(event); else isCut = true;
        if (isCut) mine.abort(); // who finds so many looks for something else
        tell();
      }, mine.signal);
    } catch (error) {
      if (!mine.signal.aborted) {
        isBusy = false;
        found.textContent = "";
        throw error;
      }
    }
    if (mine !== looking || (mine.signal.aborted && !isCut)) return;
    isBusy = false;
    const known = new Set(hits.slice(-MOST_LISTED).map(keyOf));
    for (const event of late) if (!known.has(keyOf(event))) hits.push(event);
    show();
    await step(-1);
  }

  function tell() {
    const count = `${number(hits.length)}${isCut ? "+" : ""}`;
    if (!wanted) found.textContent = "";
    else if (isBusy) found.textContent = hits.length ? `${count} found, searching…` : "searching…";
    else if (!hits.length) found.textContent = "not found";
    else found.textContent = at < 0 ? `${count} found` : `${number(at + 1)} of ${count}`;
  }

  function show() {
    const isList = only.checked && !!wanted;
    list.hidden = !isList;
    lines.hidden = isList;
    const listed = isList ? hits.slice(-MOST_LISTED) : [];
    list.replaceChildren(...listed.map((event, index) => h("button", { type: "button", class: "console-line", title: "Show it in the log", click: () => {
      only.checked = false;
      show();
      attempt(() => to(hits.length - listed.length + index));
    } }, messageOf(event))));
    tell();
  }

  /** @param {number} by */
  async function step(by) {
    if (isBusy || !hits.length) return;
    await to(at < 0 ? (by < 0 ? hits.length - 1 : 0) : (at + by + hits.length) % hits.length);
  }

  /** @param {number} index */
  async function to(index) {
    at = index;
    tell();
    if (!only.checked) await jump(hits[index]);
  }

  return {
    tools: [input, found, h("label", { class: "check small" }, only, "Only lines found")],
    list,
    wanted: () => wanted,
    /** Lines that were just written. @param {any[]} events */
    came: (events) => {
      if (!wanted) return;
      const some = events.filter((event) => has(event, wanted));
      (isBusy ? late : hits).push(...some);
      if (some.length && !isBusy) (only.checked ? show : tell)();
    },
    leave: () => looking.abort(),
  };
}
