// @ts-check
// The page: state is the address; a page is a function from the address to nodes.

import { ApiError, call, login } from "./api.js";
import { h } from "./dom.js";
import { taskPage } from "./task.js";
import { tasksPage } from "./tasks.js";

const REFRESH_MS = 2000;
const main = /** @type {HTMLElement} */ (document.getElementById("main"));

async function show() {
  try {
    const task = location.pathname.match(/\/projects\/[^/]+\/(?:tasks|experiments)\/([^/]+)/);
    if (!task) {
      main.replaceChildren(await tasksPage());
      return;
    }
    const { node, isOver } = await taskPage(decodeURIComponent(task[1]));
    replace(node);
    if (!isOver) setTimeout(show, REFRESH_MS);
  } catch (error) {
    if (error instanceof ApiError && error.code === 401) main.replaceChildren(loginForm());
    else main.replaceChildren(h("p", { class: "error", role: "alert" }, `${error instanceof Error ? error.message : error}`));
  }
}

/** Keep what is open and where the reader is. @param {Node} node */
function replace(node) {
  const open = !!main.querySelector("details[open]");
  const at = window.scrollY;
  main.replaceChildren(node);
  if (open) main.querySelector("details")?.setAttribute("open", "");
  window.scrollTo(0, at);
}

/** @param {string} [problem] */
function loginForm(problem) {
  const key = h("input", { name: "key", required: "", autocomplete: "username" });
  const secret = h("input", { name: "secret", type: "password", required: "", autocomplete: "current-password" });
  return h("form", {
    submit: async (/** @type {Event} */ event) => {
      event.preventDefault();
      try {
        await login(key.value.trim(), secret.value.trim());
        await show();
      } catch (error) {
        main.replaceChildren(loginForm(error instanceof Error ? error.message : String(error)));
      }
    },
  },
  h("h1", {}, "Log in"),
  h("p", { class: "quiet" }, "The administrator's key and secret are in credentials.json in the server's data directory."),
  problem ? h("p", { class: "error", role: "alert" }, problem) : null,
  h("label", {}, "Access key", key), h("label", {}, "Secret key", secret), h("button", {}, "Log in"));
}

show();
call("users.get_current_user").then(
  ({ user }) => { /** @type {HTMLElement} */ (document.getElementById("who")).textContent = user.name; },
  () => {}, // not logged in: the form says so
);
