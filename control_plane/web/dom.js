// @ts-check
// Nodes from data. Text goes in as text, never as markup.

/**
 * @param {string} name tag name; SVG names make SVG nodes
 * @param {Record<string, string | ((event: any) => void)>} [attributes] functions are event handlers
 * @param {...(Node | string | null | undefined)} children
 * @returns {any}
 */
export function h(name, attributes = {}, ...children) {
  const svg = name === "svg" || name === "polyline";
  const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(key, value);
    else node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined).map(asNode));
  return node;
}

/** @param {any} child @returns {Node} */
function asNode(child) {
  return child instanceof Node ? child : document.createTextNode(String(child));
}

/**
 * @param {string[]} head
 * @param {(Node | string)[][]} rows
 */
export function table(head, rows) {
  return h(
    "table", {},
    h("thead", {}, h("tr", {}, ...head.map((text) => h("th", {}, text)))),
    h("tbody", {}, ...rows.map((row) => h("tr", {}, ...row.map((cell) => h("td", {}, cell))))),
  );
}

/** A curve without axes. @param {number[]} values */
export function curve(values) {
  const shown = values.filter(Number.isFinite);
  const low = Math.min(...shown), high = Math.max(...shown);
  const step = 160 / Math.max(shown.length - 1, 1);
  const points = shown.map((y, i) => `${(i * step).toFixed(1)},${(34 - ((y - low) / (high - low || 1)) * 32).toFixed(1)}`);
  return h("svg", { viewBox: "0 0 160 36", class: "curve", role: "img" }, h("polyline", { points: points.join(" ") }));
}

/** @param {string | null | undefined} text an ISO time */
export function when(text) {
  return text ? new Date(text).toLocaleString() : "";
}
