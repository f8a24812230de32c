// @ts-check
// Dark or light: as the system says, unless somebody chose.

import { prefer, preference } from "./preferences.js";

const KEY = "clearml.theme";

/** @returns {"dark" | "light"} */
export function theme() {
  const chosen = localStorage.getItem(KEY);
  if (chosen === "dark" || chosen === "light") return chosen;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

export function applyTheme() {
  if (document.documentElement.dataset.theme === theme()) return;
  document.documentElement.dataset.theme = theme();
  dispatchEvent(new CustomEvent("themechange"));
}

export function switchTheme() {
  const next = theme() === "dark" ? "light" : "dark";
  localStorage.setItem(KEY, next);
  prefer("theme", next);
  applyTheme();
}

/** What the user chose, perhaps at another machine. */
export function applyPreferredTheme() {
  const chosen = preference("theme");
  if (chosen === "dark" || chosen === "light") localStorage.setItem(KEY, chosen);
  applyTheme();
}

/** A colour of the style sheet. @param {string} name such as "--text" */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
