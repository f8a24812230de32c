// @ts-check
// The page: state is the address; a page is a function from the address to nodes.

import { ApiError, call } from "./api.js";
import { h } from "./dom.js";
import { loginPage } from "./login.js";
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
    const isOut = error instanceof ApiError && error.code === 401;
    main.replaceChildren(isOut ? await loginPage(entered).catch(problem) : problem(error));
  }
}

/** @param {unknown} error */
function problem(error) {
  return h("p", { class: "error", role: "alert" }, error instanceof Error ? error.message : String(error));
}

/** Keep what is open and where the reader is. @param {Node} node */
function replace(node) {
  const open = !!main.querySelector("details[open]");
  const at = window.scrollY;
  main.replaceChildren(node);
  if (open) main.querySelector("details")?.setAttribute("open", "");
  window.scrollTo(0, at);
}

/** Who is logged in, and how to log out. */
async function showUser() {
  const who = /** @type {HTMLElement} */ (document.getElementById("who"));
  try {
    const { user } = await call("users.get_current_user");
    const leave = h("button", { click: async () => { await call("login.logout"); location.reload(); } }, "Log out");
    who.replaceChildren(user.name, " ", leave);
  } catch {
    who.replaceChildren(); // not logged in: the form says so
  }
}

async function entered() {
  await Promise.all([show(), showUser()]);
}

entered();
