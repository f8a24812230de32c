// @ts-check
// Which page an address shows. A page is a function (element, parameters) -> what to do when it is left.

import { base, words } from "./address.js";

/**
 * @typedef {Record<string, string>} Parameters
 * @typedef {(() => void) | void | {leave?: () => void, update?: (parameters: Parameters) => void}} Left
 * @typedef {(element: HTMLElement, parameters: Parameters) => Promise<Left> | Left} View
 * @typedef {{pattern: string, load: () => Promise<View>, section?: string}} Route
 */

/** @type {Route[]} */
let routes = [];
/** @type {HTMLElement} */
let outlet;
/** @type {(section: string) => void} */
let onShown = () => {};
/** @type {Left} */
let current;
/** @type {Route | null} */
let shown = null;
let shownKey = "";
let turn = 0;
/** The address that is shown: where one comes back to who does not want to leave. */
let here = location.href;
/** @type {() => Promise<boolean>} */
let mayLeave = async () => true;

/** Ask this before another page is shown. @param {() => Promise<boolean>} question */
export function beforeLeaving(question) {
  mayLeave = question;
}

/** @param {Route[]} table @param {HTMLElement} element @param {(section: string) => void} told */
export function start(table, element, told) {
  routes = table;
  outlet = element;
  onShown = told;
  addEventListener("popstate", async () => {
    const wanted = location.href;
    if (await mayLeave()) return location.href === wanted ? show() : undefined;
    history.pushState(null, "", here);
  });
  document.addEventListener("click", (event) => {
    const link = /** @type {HTMLElement} */ (event.target).closest?.("a[href]");
    if (!(link instanceof HTMLAnchorElement) || event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || link.target || link.hasAttribute("download")) return;
    const wanted = new URL(link.href);
    if (wanted.origin !== location.origin || !wanted.pathname.startsWith(base)) return;
    if (wanted.pathname.startsWith(`${base}files/`) || wanted.pathname.startsWith(`${base}api/`)) return;
    event.preventDefault();
    go(link.href);
  });
}

/** Show another address. @param {string} address @param {{replace?: boolean}} [options] */
export async function go(address, { replace = false } = {}) {
  if (!(await mayLeave())) return;
  history[replace ? "replaceState" : "pushState"](null, "", address);
  return show();
}

/** The first route whose pattern fits, and what its places hold. @returns {[Route, Parameters] | null} */
function find() {
  const path = words();
  for (const route of routes) {
    const pattern = route.pattern.split("/").filter(Boolean);
    const required = pattern.filter((word) => !word.endsWith("?")).length;
    if (path.length < required || path.length > pattern.length) continue;
    /** @type {Parameters} */
    const parameters = {};
    const fits = pattern.every((word, index) => {
      const value = path[index];
      if (word.startsWith(":")) {
        if (value !== undefined) parameters[word.slice(1).replace("?", "")] = value;
        return true;
      }
      return word.replace("?", "") === value;
    });
    if (fits) return [route, parameters];
  }
  return null;
}

/** Show what the address says. */
export async function show() {
  const found = find();
  const mine = ++turn;
  here = location.href;
  if (!found) {
    await go(base + "dashboard", { replace: true });
    return;
  }
  const [route, parameters] = found;
  // A tab of the page that is already shown: the page changes what it must.
  const key = `${route.pattern} ${parameters.project ?? ""} ${parameters.task ?? ""} ${parameters.model ?? ""} ${parameters.report ?? ""}`;
  if (key === shownKey && current && typeof current === "object" && current.update) {
    current.update(parameters);
    return;
  }
  leave();
  shown = route;
  shownKey = key;
  const element = document.createElement("div");
  element.className = "page";
  outlet.replaceChildren(element);
  onShown(route.section ?? "");
  window.scrollTo(0, 0);
  try {
    const view = await loaded(route);
    if (mine !== turn) return;
    const left = await view(element, parameters);
    if (mine !== turn) {
      finish(left);
      return;
    }
    current = left;
  } catch (error) {
    if (mine === turn) failed(element, error);
  }
}

const RELOADED = "clearml.reloaded", SOON_MS = 20_000;

/**
 * A page's module. Browsers may remember that it could not be fetched: then everything is loaded anew, but not over and over.
 * @param {Route} route @returns {Promise<View>}
 */
async function loaded(route) {
  try {
    return await route.load();
  } catch (error) {
    const last = Number(sessionStorage.getItem(RELOADED) ?? 0);
    if (!(error instanceof TypeError) || Date.now() - last < SOON_MS) throw error;
    sessionStorage.setItem(RELOADED, String(Date.now()));
    location.reload();
    return new Promise(() => {}); // this page ends
  }
}

/** Show the address anew, as after a login. */
export function reload() {
  shownKey = "";
  return show();
}

function leave() {
  finish(current);
  current = undefined;
}

/** @param {Left} left */
function finish(left) {
  if (typeof left === "function") left();
  else left?.leave?.();
}

/** @param {HTMLElement} element @param {unknown} error */
function failed(element, error) {
  const text = document.createElement("p");
  text.className = "error";
  text.setAttribute("role", "alert");
  text.textContent = error instanceof Error ? error.message : String(error);
  element.replaceChildren(text);
  if (!(error instanceof Error) || error.name !== "ApiError") console.warn(error);
}

/** The route that is shown. */
export function route() {
  return shown;
}
