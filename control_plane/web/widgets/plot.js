// @ts-check
// Plots by plotly.js, which is loaded when the first one is drawn; in the page's colours.

import { base, fact, fileAddress } from "../core/address.js";
import { colour } from "../core/theme.js";

/** @type {Promise<any> | null} */
let loading = null;

/** @returns {Promise<any>} */
export function plotly() {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = `${base}assets/${fact("build")}/plotly.min.js`;
    script.onload = () => resolve(/** @type {any} */ (window).Plotly);
    script.onerror = () => {
      loading = null;
      reject(new Error("Plots need plotly.js, which this server lacks: pip install plotly, beside the server."));
    };
    document.head.append(script);
  });
  return loading;
}

const COLOURS = ["#3b74e8", "#e8743b", "#2ea36b", "#a052d6", "#d6436e", "#0e95a8", "#b58a00", "#6b7688", "#7c4fe0", "#c2571a"];

/** @param {any} [layout] what a plot says itself */
function themed(layout = {}) {
  const line = colour("--line"), text = colour("--text");
  const axis = (/** @type {any} */ own = {}) => ({ gridcolor: line, zerolinecolor: line, linecolor: line, automargin: true, ...own });
  const axes = Object.fromEntries(Object.entries(layout).filter(([name]) => /^[xy]axis\d*$/.test(name)).map(([name, own]) => [name, axis(own)]));
  return {
    margin: { l: 48, r: 12, t: 12, b: 30 }, hovermode: "closest", hoverlabel: { namelength: -1 }, colorway: COLOURS, showlegend: true,
    legend: { orientation: "h", x: 0, y: 1.01, yanchor: "bottom", font: { size: 11 } },
    ...layout, xaxis: axis(layout.xaxis), yaxis: axis(layout.yaxis), ...axes,
    paper_bgcolor: colour("--panel"), plot_bgcolor: "rgba(0,0,0,0)", font: { ...layout.font, color: text, family: "system-ui, sans-serif", size: 12 }, template: undefined,
    autosize: true, width: undefined, height: undefined,
  };
}

const CONFIG = { displaylogo: false, responsive: true, modeBarButtonsToRemove: ["lasso2d", "select2d", "sendDataToCloud"], topojsonURL: "" };

/**
 * Draw, or draw again what changed.
 * @param {HTMLElement} element @param {any[]} traces @param {any} [layout]
 */
export async function draw(element, traces, layout) {
  const Plotly = await plotly();
  if (!element.isConnected) return;
  shown.set(element, { traces, layout });
  for (const trace of traces) if (trace.type === "table") colourTable(trace);
  await Plotly.react(element, traces, themed(layout), CONFIG);
}

/** What is drawn, to be drawn again in the colours of the other theme. @type {WeakMap<Element, {traces: any[], layout: any}>} */
const shown = new WeakMap();
addEventListener("themechange", () => {
  for (const element of document.querySelectorAll(".js-plotly-plot")) {
    const one = shown.get(element);
    if (one) draw(/** @type {HTMLElement} */ (element), one.traces.map((trace) => ({ ...trace })), one.layout);
  }
});

/** A figure as a task reported it: its pictures come through this page's origin, or not at all. @param {string} text */
export function figure(text) {
  const { data = [], layout = {} } = JSON.parse(text);
  for (const image of layout.images ?? []) if (!String(image.source).startsWith("data:")) image.source = fileAddress(image.source) ?? "";
  return { data, layout };
}

/** Parts of tables that have the page's colours. */
const ours = new WeakSet();

/** A table keeps its own colours; one without any gets the page's. @param {any} trace */
function colourTable(trace) {
  for (const [name, fill] of [["header", "--sunken"], ["cells", "--panel"]]) {
    const part = trace[name];
    if (!part || (part.fill?.color && !ours.has(part))) continue;
    ours.add(part);
    Object.assign(part, { fill: { color: colour(fill) }, line: { color: colour("--line") }, font: { ...part.font, color: colour("--text") }, align: part.align ?? "left" });
  }
}

const SOON = "200px";

/** Draw it when it comes into sight. @param {HTMLElement} element @param {() => void} action @returns {() => void} */
export function whenSeen(element, action) {
  const observer = new IntersectionObserver((seen) => {
    if (!seen.some((one) => one.isIntersecting)) return;
    observer.disconnect();
    action();
    // `main` is what scrolls: a margin around anything else is cut off by it; or what scrolls inside of it.
  }, /** @type {any} */ ({ root: document.querySelector("main"), rootMargin: SOON, scrollMargin: SOON }));
  observer.observe(element);
  return () => observer.disconnect();
}

/** Let go of what plotly holds. @param {HTMLElement} element */
export function purge(element) {
  /** @type {any} */ (window).Plotly?.purge(element);
}
