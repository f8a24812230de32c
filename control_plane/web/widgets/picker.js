// @ts-check
// A box that finds while one types: projects, queues, models. Something new may be allowed.

import { debounced, h } from "../core/dom.js";

let count = 0;

/**
 * @typedef {{id: string, name: string, note?: string}} Choice
 * @param {{label: string, find: (text: string) => Promise<Choice[]>, chosen?: Choice | null, mayCreate?: boolean,
 *   placeholder?: string, onChoose?: (choice: Choice | null) => void}} options
 * @returns {{node: HTMLElement, value: () => {id: string | null, name: string}}} id null: the name is new, or nothing
 */
export function picker({ label, find, chosen = null, mayCreate = false, placeholder = "", onChoose = () => {} }) {
  const listId = `choices-${++count}`;
  let choice = chosen;
  /** @type {Choice[]} */
  let found = [];
  let marked = -1, turn = 0;
  const input = h("input", {
    type: "text", role: "combobox", "aria-label": label, "aria-expanded": "false", "aria-controls": listId, "aria-autocomplete": "list",
    autocomplete: "off", placeholder, value: chosen?.name ?? "", class: "input",
    input: () => { choice = null; onChoose(null); look(); },
    focus: () => { input.select(); refresh(); },
    blur: () => setTimeout(hide, 150),
    keydown: keys,
  });
  const list = h("ul", { id: listId, role: "listbox", "aria-label": label, class: "choices", hidden: true });

  const look = debounced(() => { if (!choice) refresh(); }, 80); // one may have chosen meanwhile

  async function refresh() {
    const mine = ++turn;
    const text = choice ? "" : input.value.trim();
    const answer = await find(text);
    if (mine !== turn || document.activeElement !== input) return;
    found = answer;
    const isNew = mayCreate && text && !found.some((one) => one.name === text);
    marked = found.length ? 0 : -1;
    const options = found.map((one, index) => option(one.name, one.note ?? "", index, () => choose(one)));
    if (isNew) options.push(option(`Create New “${text}”`, "", found.length, () => choose({ id: "", name: text })));
    if (isNew && marked < 0) marked = 0;
    list.replaceChildren(...(options.length ? options : [h("li", { class: "quiet choice" }, "Nothing found")]));
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    mark();
  }

  /** @param {string} name @param {string} note @param {number} index @param {() => void} take */
  function option(name, note, index, take) {
    return h("li", { role: "option", id: `${listId}-${index}`, class: "choice", pointerdown: (/** @type {Event} */ event) => { event.preventDefault(); take(); } },
      h("span", {}, name), note ? h("span", { class: "quiet small" }, note) : null);
  }

  /** @param {Choice} one */
  function choose(one) {
    choice = one;
    input.value = one.name;
    hide();
    onChoose(one);
  }

  function hide() {
    list.hidden = true;
    turn += 1;
    input.setAttribute("aria-expanded", "false");
  }

  function mark() {
    [...list.children].forEach((item, index) => item.setAttribute("aria-selected", String(index === marked)));
    list.children[marked]?.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", marked >= 0 ? `${listId}-${marked}` : "");
  }

  /** @param {KeyboardEvent} event */
  function keys(event) {
    if (list.hidden) return;
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step) {
      event.preventDefault();
      marked = (marked + step + list.children.length) % list.children.length;
      mark();
    } else if (event.key === "Enter" && marked >= 0) {
      event.preventDefault();
      list.children[marked].dispatchEvent(new PointerEvent("pointerdown"));
    } else if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      hide();
    }
  }

  const value = () => (choice ? { id: choice.id || null, name: choice.name } : { id: null, name: input.value.trim() });
  return { node: h("div", { class: "picker" }, input, list), value };
}
