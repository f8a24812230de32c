// @ts-check
// Dark or light: as the system says, unless somebody chose.

const KEY = "clearml.theme";

/** @returns {"dark" | "light"} */
export function theme() {
  const chosen = localStorage.getItem(KEY);
  if (chosen === "dark" || chosen === "light") return chosen;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

export function applyTheme() {
  document.documentElement.dataset.theme = theme();
  dispatchEvent(new CustomEvent("themechange"));
}

export function switchTheme() {
  localStorage.setItem(KEY, theme() === "dark" ? "light" : "dark");
  applyTheme();
}

/** A colour of the style sheet. @param {string} name such as "--text" */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
