// @ts-check
// The frame around every page: where one can go, the search, the theme, who is logged in.

import { base, fact, to } from "./core/address.js";
import { h } from "./core/dom.js";
import { go } from "./core/router.js";
import { currentUser } from "./core/session.js";
import { whenConnection } from "./core/live.js";
import { switchTheme, theme } from "./core/theme.js";
import { iconButton } from "./widgets/controls.js";
import { icon } from "./widgets/icons.js";

const PLACES = [
  ["dashboard", "Dashboard", "dashboard"], ["projects", "Projects", "projects"], ["pipelines", "Pipelines", "pipelines"],
  ["datasets", "Datasets", "datasets"], ["models", "Models", "models"], ["reports", "Reports", "reports"],
  ["workers-and-queues", "Workers & queues", "queues"],
  ["settings", "Settings", "settings"],
];

/** @param {{onLogout: () => void}} options */
export function frame({ onLogout }) {
  const links = PLACES.map(([path, label, drawing]) => h("a", { href: to(path.split("/")), class: "nav-link", "data-section": path, title: label }, icon(drawing), h("span", {}, label)));
  const nav = h("nav", { class: "nav", "aria-label": "Main" }, h("a", { href: to(["dashboard"]), class: "brand", "aria-label": "clearml-lean" }, mark0(), h("span", {}, "clearml-lean")), links);
  const search = h("input", { type: "search", class: "input", placeholder: "Search everything", "aria-label": "Search everything",
    keydown: (/** @type {KeyboardEvent} */ event) => { if (event.key === "Enter" && search.value.trim()) go(to(["search"], { q: search.value.trim() })); } });
  addEventListener("themechange", () => themeButton.replaceChildren(icon(theme() === "dark" ? "sun" : "moon")));
  const who = h("span", { id: "who", class: "who" });
  const themeButton = iconButton(theme() === "dark" ? "sun" : "moon", "Switch between dark and light", switchTheme);
  const opener = iconButton("menu", "Menu", () => node.classList.toggle("nav-open"), { class: "icon-button nav-opener" });
  const top = h("header", { class: "top" }, opener, h("div", { class: "top-search", role: "search" }, icon("search"), search), themeButton, who);
  const strip = h("div", { class: "strip", role: "status", hidden: true });
  whenConnection((isLost, isBack) => {
    if (isLost) strip.replaceChildren("No connection to the server: what is shown may be old. Trying again…");
    strip.hidden = !isLost;
    if (isBack) updated().then((isNew) => { if (isNew) offerReload(); });
  });
  const offerReload = () => {
    strip.replaceChildren("The server was updated. ", h("button", { type: "button", class: "link", click: () => location.reload() }, "Load the page anew"));
    strip.hidden = false;
  };
  const outlet = h("main", { id: "main", tabindex: "-1" });
  const skip = h("a", { href: "#main", class: "skip", click: (/** @type {Event} */ event) => { event.preventDefault(); outlet.focus(); } }, "Skip to content");
  const node = h("div", { class: "shell" }, skip, nav, h("div", { class: "column" }, top, strip, outlet));
  addEventListener("keydown", (event) => {
    const isTyping = event.target instanceof HTMLElement && event.target.matches("input, textarea, select");
    if (event.key === "/" && !isTyping) {
      event.preventDefault();
      search.focus();
    }
  });

  function showUser() {
    const user = currentUser();
    const leave = h("button", { type: "button", class: "button small", click: onLogout }, "Log out");
    who.replaceChildren(...(user ? [icon("user"), h("span", { class: "who-name" }, user.name), leave] : []));
    node.classList.toggle("signed-out", !user);
  }

  /** @param {string} section */
  function mark(section) {
    for (const link of links) {
      if (link.dataset.section === section) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    node.classList.remove("nav-open");
    node.classList.toggle("bare", location.pathname.endsWith("/login"));
  }
  return { node, outlet, showUser, mark };
}

/** Whether the server has another page by now than this one. */
async function updated() {
  const answer = await fetch(`${base}login`).catch(() => null);
  const found = answer?.ok && (await answer.text()).match(/name="clearml-build" content="([^"]*)"/);
  return !!found && found[1] !== fact("build");
}

function mark0() {
  return h("span", { class: "brand-mark", "aria-hidden": "true" }, icon("chart"));
}
