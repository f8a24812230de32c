// @ts-check
// Nodes from data. Text goes in as text, never as markup: nothing here, and nothing elsewhere, parses a string as HTML.

const SVG = new Set(["svg", "path", "g", "rect", "line", "polyline", "circle", "text", "title"]);

/** @typedef {Node | string | number | null | undefined | false} Child */
/** @typedef {Record<string, any>} Attributes functions are event handlers; true is an empty attribute; null is none */

/**
 * @param {string} name
 * @param {Attributes} [attributes]
 * @param {...(Child | Child[])} children
 * @returns {any}
 */
export function h(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/**
 * The same for SVG.
 * @param {string} name
 * @param {Attributes} [attributes]
 * @param {...(Child | Child[])} children
 * @returns {any}
 */
export function s(name, attributes = {}, ...children) {
  if (!SVG.has(name)) throw new Error(`no SVG element that is drawn here: ${name}`);
  return filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

/** @param {any} node @param {Attributes} attributes @param {any[]} children */
function filled(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(key, value);
    else if (key === "value" || key === "checked" || key === "indeterminate") node[key] = value;
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  if (node instanceof HTMLSelectElement && attributes.value !== undefined) node.value = attributes.value;
  return node;
}

/** Put these in the place of what is in a node. @param {Element} node @param {...(Child | Child[])} children */
export function fill(node, ...children) {
  const shown = children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
  node.replaceChildren(.../** @type {any[]} */ (shown).map((child) => (child instanceof Node ? child : String(child))));
}

/** Call it once for calls that come close together. @param {() => void} action @param {number} ms */
export function debounced(action, ms) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = window.setTimeout(action, ms);
  };
}

/**
 * Call it at once, and again at most once in `ms` while more is asked for; never twice at the same time.
 * @param {() => Promise<void>} action @param {number} ms
 */
export function paced(action, ms) {
  let running = false, again = false;
  const run = async () => {
    if (running) {
      again = true;
      return;
    }
    running = true;
    try {
      await action();
    } finally {
      setTimeout(() => {
        running = false;
        if (again) {
          again = false;
          run();
        }
      }, ms);
    }
  };
  return run;
}
