// @ts-check
// A graph without cycles as boxes and lines: steps of a pipeline, versions of a dataset.

import { s } from "../core/dom.js";
import { STATUS } from "../core/format.js";
import { placed } from "./graph.js";

const WIDTH = 190, HEIGHT = 54, LETTERS = 22;

/**
 * @typedef {{key: string, parents: string[], status: string, title: string, note: string, isHere?: boolean}} GraphNode
 */

/**
 * @template {GraphNode} T
 * @param {T[]} nodes @param {(node: T) => void} open
 */
export function graphOf(nodes, open) {
  const known = new Set(nodes.map((node) => node.key));
  const parents = Object.fromEntries(nodes.map((node) => [node.key, node.parents.filter((one) => known.has(one))]));
  const places = placed(parents, WIDTH + 70, HEIGHT + 30);
  const place = (/** @type {string} */ key) => /** @type {{x: number, y: number}} */ (places.get(key));
  const width = Math.max(...[...places.values()].map((one) => one.x)) + WIDTH + 4, height = Math.max(...[...places.values()].map((one) => one.y)) + HEIGHT + 4;
  const edges = nodes.flatMap((node) => parents[node.key].map((parent) => {
    const from = place(parent), until = place(node.key);
    const [x, y, X, Y] = [from.x + WIDTH, from.y + HEIGHT / 2, until.x, until.y + HEIGHT / 2];
    return s("path", { class: "edge", d: `M${x} ${y}C${x + 35} ${y} ${X - 35} ${Y} ${X} ${Y}` });
  }));
  const boxes = nodes.map((node) => {
    const { x, y } = place(node.key);
    const choose = () => open(node);
    return s("g", { class: `dag-node status ${node.status}${node.isHere ? " here" : ""}`, transform: `translate(${x + 2} ${y + 2})`, tabindex: "0", role: "button", "aria-label": `${node.title}: ${STATUS[node.status] ?? node.status}`, "aria-current": node.isHere ? "true" : null, click: choose,
      keydown: (/** @type {KeyboardEvent} */ event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        choose();
      } },
      s("title", {}, node.title), s("rect", { width: WIDTH, height: HEIGHT, rx: 10 }), s("rect", { width: 5, height: HEIGHT - 16, x: 8, y: 8, rx: 2.5, style: "fill: var(--tone); stroke: none" }),
      s("text", { x: 22, y: 23 }, node.title.length > LETTERS ? `${node.title.slice(0, LETTERS - 1)}…` : node.title), s("text", { x: 22, y: 41, class: "sub" }, node.note));
  });
  return s("svg", { width, height, viewBox: `0 0 ${width} ${height}` }, edges, boxes);
}
