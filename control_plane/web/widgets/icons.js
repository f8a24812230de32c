// @ts-check
// Drawings of 24 x 24, in strokes.

import { s } from "../core/dom.js";

/** @type {Record<string, string>} */
const PATHS = {
  dashboard: "M4 4h7v7H4zM13 4h7v4h-7zM13 11h7v9h-7zM4 14h7v6H4z",
  projects: "M3 6a1 1 0 0 1 1-1h5l2 2.5h9a1 1 0 0 1 1 1V18a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1z",
  pipelines: "M5 3h4v4H5zM15 10h4v4h-4zM5 17h4v4H5zM9 5h3a2 2 0 0 1 2 2v5M9 19h3a2 2 0 0 0 2-2v-5h1",
  datasets: "M4 6c0-4 16-4 16 0s-16 4-16 0zM4 6v12c0 4 16 4 16 0V6M4 12c0 4 16 4 16 0",
  models: "M12 3l8 4.5v9L12 21l-8-4.5v-9zM4 7.5l8 4.5 8-4.5M12 12v9",
  reports: "M6 3h9l4 4v14H6zM15 3v4h4M9 11h7M9 14.500h7M9 18h4",
  queues: "M4 6h16M4 12h16M4 18h10",
  settings: "M4 7h9M17 7h3M4 17h3M11 17h9M15 4.500v5M9 14.500v5",
  search: "M10.500 4a6.500 6.500 0 1 1 0 13 6.500 6.500 0 0 1 0-13zM15.500 15.500 21 21",
  sun: "M12 8a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM12 2v2.500M12 19.500V22M2 12h2.500M19.500 12H22M5 5l1.700 1.700M17.300 17.300 19 19M5 19l1.700-1.700M17.300 6.700 19 5",
  moon: "M20 14.500A8.500 8.500 0 0 1 9.500 4 8.500 8.500 0 1 0 20 14.500z",
  user: "M12 4a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM4.500 20.500c1-8 14-8 15 0",
  menu: "M4 6h16M4 12h16M4 18h16",
  more: "M12 4.500v1M12 11.500v1M12 18.500v1",
  close: "M6 6l12 12M18 6 6 18",
  plus: "M12 5v14M5 12h14",
  edit: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
  trash: "M5 7h14M10 4h4M7 7l1 13h8l1-13M10.500 11v5M13.500 11v5",
  copy: "M9 9h11v11H9zM15 9V4H4v11h5",
  clone: "M8 8h12v12H8zM16 8V4H4v12h4M14 11.500v5M11.500 14h5",
  play: "M7 5l12 7-12 7z",
  stop: "M6 6h12v12H6z",
  reset: "M5 12a7 7 0 1 0 2.500-5.400M8 3v4h4",
  publish: "M12 16V4M7 9l5-5 5 5M4 16v4h16v-4",
  archive: "M4 5h16v4H4zM5.500 9v10h13V9M10 13h4",
  move: "M4 12h15M14 7l5 5-5 5",
  tag: "M4 4h8l8 8-8 8-8-8zM8 8v.100",
  download: "M12 4v12M7 11l5 5 5-5M4 20h16",
  filter: "M4 5h16l-6 7.500V19l-4 1.500v-8z",
  columns: "M4 5h16v14H4zM9.500 5v14M15 5v14",
  lock: "M6 11h12v9H6zM8.500 11V8a3.500 3.500 0 0 1 7 0v3",
  check: "M5 12.500 10 17 19 7",
  compare: "M8 5v14M16 5v14M4 9l4-4 4 4M20 15l-4 4-4-4",
  chart: "M4 4v16h16M8 15l3.500-4.500L15 13l4-6",
  up: "M6 15l6-6 6 6", down: "M6 9l6 6 6-6", right: "M9 6l6 6-6 6", left: "M15 6l-6 6 6 6",
  top: "M6 16l6-6 6 6M6 6h12",
  link: "M10 14l4-4M9 16l-1.500 1.500a3.500 3.500 0 0 1-5-5L6 9M15 8l1.500-1.500a3.500 3.500 0 0 1 5 5L18 15",
  worker: "M4 5h16v11H4zM9 20h6M12 16v4",
  expand: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  key: "M8 11a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM11 12.500 20 4M16 7.500l3 3",
};

/** @param {string} name */
export function icon(name) {
  return s("svg", { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" }, s("path", { d: PATHS[name] ?? "" }));
}
