// @ts-check
// A table of any length: only the rows in sight exist, and pages of rows are fetched as they come into sight.

import { debounced, h } from "../core/dom.js";
import { problem } from "./controls.js";
import { icon } from "./icons.js";

export const PAGE = 50;
const ROW = 36;
const MARGIN_ROWS = 8;

/**
 * @typedef {{id: string, label: string, width: number, isNumber?: boolean, isWide?: boolean, grows?: boolean, cell: (row: any) => any, sort?: string, hint?: string,
 *   filter?: (anchor: Element) => void, isFiltered?: () => boolean}} Column
 * @typedef {{label: string, columns: Column[], page: (number: number) => Promise<any[]>, total: () => Promise<number>,
 *   open: (row: any) => void, menu?: (row: any, x: number, y: number) => void, empty: () => Node,
 *   sorted?: () => string[], sort?: (field: string, adds: boolean) => void,
 *   selected?: Map<string, any>, onSelect?: () => void, selectAll?: () => Promise<any[]>,
 *   resized?: (column: Column, width: number) => void, keepsPlace?: boolean}} Options `keepsPlace`: who comes back finds the rows that were in sight
 */

/** @param {Options} options */
export function grid(options) {
  let columns = options.columns;
  /** @type {Map<number, any[]>} */
  let pages = new Map();
  /** @type {Map<number, {node: HTMLElement, text: string}>} */
  let drawn = new Map();
  /** @type {Set<number>} */
  const asked = new Set();
  let total = 0, turn = 0, current = -1, picked = -1, isLoaded = false;
  const selected = options.selected;

  const head = h("div", { class: "grid-head", role: "row" });
  const space = h("div", { class: "grid-space", role: "rowgroup" });
  const note = h("div", { class: "grid-note" });
  const node = h("div", { class: "grid", role: "grid", "aria-label": options.label, tabindex: "0", keydown: keys, scroll: () => { requestAnimationFrame(draw); keepPlace(); } },
    h("div", { role: "rowgroup", class: "grid-top" }, head), space, note);
  new ResizeObserver(() => draw()).observe(node);

  let place = options.keepsPlace ? history.state?.top ?? 0 : 0;
  const here = location.pathname;
  const placeNow = () => {
    if (options.keepsPlace && isLoaded && location.pathname === here) history.replaceState({ ...history.state, top: node.scrollTop }, "");
  };
  const keepPlace = debounced(placeNow, 100);

  /** @param {any} row */
  function open(row) {
    placeNow();
    options.open(row);
  }

  /** What a control is, whichever node stands for it. @param {Element} one */
  function identity(one) {
    const row = one.closest("[data-id]")?.getAttribute("data-id") ?? "";
    return `${row} ${one.getAttribute("aria-label") ?? one.querySelector(".ellipsis")?.textContent ?? one.textContent}`;
  }

  /** Draw anew without taking the focus from who uses the keyboard. @param {() => void} action */
  function keepingFocus(action) {
    const held = document.activeElement;
    const wanted = held && held !== node && node.contains(held) ? identity(held) : null;
    action();
    if (wanted === null || node.contains(document.activeElement)) return;
    const again = [...node.querySelectorAll("button, input, a")].find((one) => identity(one) === wanted);
    if (again instanceof HTMLElement) again.focus({ preventScroll: true });
  }

  function drawHead() {
    const template = columns.map((column) => (column.grows ? `minmax(${column.width}px, 1fr)` : `${column.width}px`)).join(" ");
    node.style.setProperty("--columns", (selected ? "36px " : "") + template);
    node.style.setProperty("--width", `${columns.reduce((sum, column) => sum + column.width, selected ? 36 : 0)}px`);
    const order = options.sorted?.() ?? [];
    head.replaceChildren(...(selected ? [allBox()] : []), ...columns.map((column) => heading(column, order)));
  }

  function allBox() {
    const isAll = selected?.size && selected.size >= total;
    const change = async (/** @type {any} */ event) => {
      const wanted = event.target.checked;
      selected?.clear();
      if (wanted) for (const row of await /** @type {any} */ (options.selectAll)()) selected?.set(row.id, row);
      redraw();
      options.onSelect?.();
    };
    return h("div", { role: "columnheader", class: "cell check" }, h("input", { type: "checkbox", "aria-label": "Select all", checked: !!isAll, indeterminate: !!selected?.size && !isAll, change }));
  }

  /** @param {Column} column @param {string[]} order */
  function heading(column, order) {
    const at = order.findIndex((field) => field.replace(/^-/, "") === column.sort);
    const direction = at < 0 ? "none" : order[at].startsWith("-") ? "descending" : "ascending";
    const mark = at < 0 ? "" : (direction === "descending" ? "↓" : "↑") + (order.length > 1 ? String(at + 1) : "");
    const label = h("span", { class: "ellipsis" }, column.label);
    const inner = column.sort && options.sort
      ? h("button", { type: "button", class: "sort", title: column.hint ?? `Sort by ${column.label} (Shift: as well)`,
        click: (/** @type {MouseEvent} */ event) => options.sort?.(/** @type {string} */ (column.sort), event.shiftKey) }, label, h("span", { class: "sort-mark" }, mark))
      : h("span", { class: "ellipsis", title: column.hint }, column.label);
    const filter = column.filter && h("button", { type: "button", class: column.isFiltered?.() ? "filter-button on" : column.isWide ? "filter-button" : "filter-button shy", "aria-label": `Filter by ${column.label}`,
      click: (/** @type {any} */ event) => column.filter?.(event.currentTarget) }, icon("filter"));
    const grip = h("span", { class: "grip", pointerdown: (/** @type {PointerEvent} */ event) => resize(event, column) });
    return h("div", { role: "columnheader", class: column.isNumber ? "cell numeric" : "cell", "aria-sort": column.sort ? direction : null }, inner, filter, grip);
  }

  /** @param {PointerEvent} event @param {Column} column */
  function resize(event, column) {
    event.preventDefault();
    const from = event.clientX, width = /** @type {Element} */ (event.target).parentElement?.clientWidth ?? column.width;
    const move = (/** @type {PointerEvent} */ moved) => {
      column.grows = false;
      column.width = Math.max(60, width + moved.clientX - from);
      drawHead();
    };
    const up = () => {
      removeEventListener("pointermove", move);
      options.resized?.(column, column.width);
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", up, { once: true });
  }

  /** @param {number} index */
  function rowAt(index) {
    return pages.get(Math.floor(index / PAGE))?.[index % PAGE];
  }

  function range() {
    const first = Math.max(0, Math.floor(node.scrollTop / ROW) - MARGIN_ROWS);
    const last = Math.min(total - 1, Math.ceil((node.scrollTop + node.clientHeight) / ROW) + MARGIN_ROWS);
    return [first, last];
  }

  function draw() {
    const [first, last] = range();
    for (const [index, { node: old }] of drawn) {
      if (index < first || index > last) {
        old.remove();
        drawn.delete(index);
      }
    }
    for (let index = first; index <= last; index += 1) drawRow(index);
    for (let page = Math.floor(first / PAGE); page <= Math.floor(last / PAGE); page += 1) {
      if (total && !pages.has(page)) ask(page);
    }
  }

  /** @param {number} index */
  function drawRow(index) {
    const row = rowAt(index);
    const isOn = !!row && !!selected?.has(row.id);
    const text = row ? JSON.stringify(row) + isOn : "";
    const old = drawn.get(index);
    if (old && old.text === text) return;
    const made = row ? filledRow(row, index, isOn) : h("div", { class: "grid-row waiting", role: "row" });
    made.style.transform = `translateY(${index * ROW}px)`;
    if (index === current) made.classList.add("current");
    if (old) old.node.replaceWith(made);
    else space.append(made);
    drawn.set(index, { node: made, text });
  }

  /** @param {any} row @param {number} index @param {boolean} isOn */
  function filledRow(row, index, isOn) {
    const toggle = (/** @type {any} */ event) => {
      if (event.shiftKey && picked >= 0) selectRange(picked, index, event.target.checked);
      else select(row, event.target.checked);
      picked = index;
    };
    const check = selected && h("div", { role: "gridcell", class: "cell check" }, h("input", { type: "checkbox", checked: isOn, "aria-label": `Select ${row.name ?? row.id}`, title: "Shift: all rows from the last one", click: toggle }));
    const cells = columns.map((column) => h("div", { role: "gridcell", class: `cell cell-${column.id.split(".")[0]}${column.isNumber ? " numeric" : ""}` }, cellBody(column.cell(row))));
    const click = (/** @type {any} */ event) => {
      if (event.target.closest("a, button, input, label")) return;
      current = index;
      open(row);
    };
    const contextmenu = (/** @type {MouseEvent} */ event) => {
      if (!options.menu) return;
      event.preventDefault();
      options.menu(row, event.clientX, event.clientY);
    };
    return h("div", { class: isOn ? "grid-row on" : "grid-row", role: "row", "aria-rowindex": index + 2, "data-id": row.id, click, contextmenu }, check, cells);
  }

  /** The rows between two, and those. @param {number} from @param {number} until @param {boolean} wanted */
  async function selectRange(from, until, wanted) {
    const [first, last] = from < until ? [from, until] : [until, from];
    const mine = turn;
    for (let page = Math.floor(first / PAGE); page <= Math.floor(last / PAGE); page += 1) {
      if (!pages.has(page)) await ask(page);
    }
    if (mine !== turn) return;
    for (let index = first; index <= last; index += 1) {
      const row = rowAt(index);
      if (row) mark(row, wanted);
    }
    redraw();
    options.onSelect?.();
  }

  /** @param {any} row @param {boolean} wanted */
  function mark(row, wanted) {
    if (wanted) selected?.set(row.id, row);
    else selected?.delete(row.id);
  }

  /** @param {any} row @param {boolean} wanted */
  function select(row, wanted) {
    mark(row, wanted);
    redraw();
    options.onSelect?.();
  }

  function redraw() {
    keepingFocus(() => {
      drawHead();
      for (const index of drawn.keys()) drawRow(index);
    });
  }

  /** @param {number} page */
  async function ask(page) {
    if (asked.has(page)) return;
    asked.add(page);
    const mine = turn;
    try {
      const rows = await options.page(page);
      if (mine !== turn) return;
      took(page, rows);
    } catch (error) {
      if (mine === turn) note.replaceChildren(problem(error));
    } finally {
      if (mine === turn) asked.delete(page);
    }
  }

  /** @param {number} page @param {any[]} rows */
  function took(page, rows) {
    pages.set(page, rows);
    for (const row of rows) if (selected?.has(row.id)) selected.set(row.id, row);
    keepingFocus(() => {
      for (const index of drawn.keys()) if (Math.floor(index / PAGE) === page) drawRow(index);
    });
  }

  /** @param {number} count */
  function sized(count) {
    total = count;
    isLoaded = true;
    space.style.height = `${count * ROW}px`;
    node.setAttribute("aria-rowcount", String(count + 1));
    note.replaceChildren(...(count ? [] : [options.empty()]));
    head.parentElement?.classList.toggle("bare", !count);
    for (const [index, { node: old }] of drawn) {
      if (index < count) continue;
      old.remove();
      drawn.delete(index);
    }
  }

  /** Another question: begin at its first row. */
  async function restart() {
    turn += 1;
    const mine = turn;
    asked.clear();
    keepingFocus(drawHead);
    try {
      // The first page is shown as soon as it is there; how long the table is may follow.
      const counting = options.total();
      counting.catch(() => 0);
      const rows = await options.page(0);
      if (mine !== turn) return;
      pages = new Map();
      for (const { node: old } of drawn.values()) old.remove();
      drawn = new Map();
      node.scrollTop = 0;
      current = picked = -1;
      sized(rows.length);
      pages.set(0, rows);
      draw();
      const count = await counting;
      if (mine !== turn) return;
      sized(Math.max(count, rows.length));
      if (place) node.scrollTop = place;
      place = 0;
      draw();
    } catch (error) {
      if (mine === turn) note.replaceChildren(problem(error));
    }
  }

  /** The same question again: what is in sight is fetched anew, what is not is forgotten. */
  async function refresh() {
    if (!isLoaded) return;
    const mine = turn;
    const [first, last] = range();
    const wanted = [];
    for (let page = Math.floor(first / PAGE); page <= Math.max(0, Math.floor(last / PAGE)); page += 1) wanted.push(page);
    const [count, ...found] = await Promise.all([options.total(), ...wanted.map((page) => options.page(page))]);
    if (mine !== turn) return;
    pages = new Map(wanted.map((page, index) => [page, found[index]]));
    sized(count);
    wanted.forEach((page, index) => took(page, found[index]));
    draw();
  }

  /** @param {Column[]} next */
  function setColumns(next) {
    columns = next;
    keepingFocus(() => {
      for (const { node: old } of drawn.values()) old.remove();
      drawn = new Map();
      drawHead();
      draw();
    });
  }

  /** @param {KeyboardEvent} event */
  function keys(event) {
    if (event.target !== node) return;
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 20, PageUp: -20, Home: -total, End: total };
    const step = steps[/** @type {keyof typeof steps} */ (event.key)];
    const row = rowAt(current);
    if (step) {
      event.preventDefault();
      current = Math.max(0, Math.min(total - 1, current + step));
      const top = current * ROW;
      if (top < node.scrollTop) node.scrollTop = top;
      else if (top + ROW * 2 > node.scrollTop + node.clientHeight) node.scrollTop = top + ROW * 2 - node.clientHeight;
      for (const [index, { node: one }] of drawn) one.classList.toggle("current", index === current);
    } else if (event.key === "Enter" && row) open(row);
    else if (event.key === " " && row && selected) {
      event.preventDefault();
      select(row, !selected.has(row.id));
    } else if (event.key === "ContextMenu" && row && options.menu) {
      const box = drawn.get(current)?.node.getBoundingClientRect();
      event.preventDefault();
      options.menu(row, box?.left ?? 0, box?.bottom ?? 0);
    }
  }

  drawHead();
  return { node, restart, refresh, redraw, setColumns, count: () => total };
}

/** A text that is too long for its cell ends in dots. @param {any} body */
function cellBody(body) {
  return typeof body === "string" && body ? h("span", { class: "ellipsis", title: body }, body) : body;
}
