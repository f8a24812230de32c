// @ts-check
// Where the page begins: which address shows what, who is logged in, and the frame around it.

import { ApiError, call, whenSignedOut } from "./core/api.js";
import { base, to } from "./core/address.js";
import { go, reload, start } from "./core/router.js";
import { forget, loadUser } from "./core/session.js";
import { forgetPreferences, loadPreferences } from "./core/preferences.js";
import { applyPreferredTheme, applyTheme } from "./core/theme.js";
import { frame } from "./shell.js";

const tasks = async () => (await import("./pages/tasks.js")).tasksPage;
const task = async () => (await import("./pages/task.js")).taskPage;

/** @type {import("./core/router.js").Route[]} */
const ROUTES = [
  { pattern: "login", load: async () => (await import("./pages/login.js")).loginPage(entered) },
  { pattern: "dashboard", section: "dashboard", load: async () => (await import("./pages/dashboard.js")).dashboardPage },
  { pattern: "projects", section: "projects", load: async () => (await import("./pages/projects.js")).projectsPage },
  { pattern: "projects/:project/projects", section: "projects", load: async () => (await import("./pages/projects.js")).projectsPage },
  { pattern: "projects/:project/overview", section: "projects", load: async () => (await import("./pages/overview.js")).overviewPage },
  { pattern: "projects/:project/compare-tasks/:view?/:more?", section: "projects", load: async () => (await import("./pages/compare.js")).comparePage },
  { pattern: "projects/:project/compare-experiments/:view?/:more?", section: "projects", load: async () => (await import("./pages/compare.js")).comparePage },
  { pattern: "projects/:project/compare-models/:view?/:more?", section: "models", load: async () => (await import("./pages/compare_models.js")).compareModelsPage },
  { pattern: "projects/:project/experiments/:task?/:tab?/:part?", load: async () => renamed },
  { pattern: "projects/:project/tasks", section: "projects", load: tasks },
  { pattern: "projects/:project/tasks/:task/:tab?/:part?/:more?", section: "projects", load: task },
  { pattern: "projects/:project/models/:model?/:tab?", section: "models", load: models },
  { pattern: "projects/:project", section: "projects", load: tasks },
  { pattern: "models/:model?/:tab?", section: "models", load: models },
  { pattern: "pipelines", section: "pipelines", load: async () => (await import("./pages/collections.js")).pipelinesPage },
  { pattern: "pipelines/:project/experiments/:task/:tab?/:part?", section: "pipelines", load: task },
  { pattern: "pipelines/:project/tasks/:task?/:tab?/:part?", section: "pipelines", load: async () => (hasTask() ? task() : tasks()) },
  { pattern: "datasets", section: "datasets", load: async () => (await import("./pages/collections.js")).datasetsPage },
  { pattern: "datasets/simple/:project/experiments/:task/:tab?/:part?", section: "datasets", load: task },
  { pattern: "datasets/simple/:project/tasks/:task?/:tab?/:part?", section: "datasets", load: async () => (hasTask() ? task() : tasks()) },
  { pattern: "workers-and-queues/:view?/:id?", section: "workers-and-queues", load: async () => (await import("./pages/workers.js")).workersPage },
  { pattern: "settings/:view?", section: "settings", load: async () => (await import("./pages/settings.js")).settingsPage },
  { pattern: "reports", section: "reports", load: reports },
  { pattern: "reports/:project/:report", section: "reports", load: reports },
  { pattern: "search", load: async () => (await import("./pages/search.js")).searchPage },
];

async function models() {
  return (await import("./pages/models.js")).modelsPage;
}

async function reports() {
  return (await import("./pages/reports.js")).reportsPage;
}

/** Whether the address names a task, behind "tasks". */
function hasTask() {
  return /\/tasks\/[^/]+/.test(location.pathname);
}

/** Older programs print "experiments" where the page says "tasks". */
function renamed() {
  go(location.href.replace("/experiments", "/tasks"), { replace: true });
}

const shell = frame({ onLogout: async () => { await call("login.logout"); forget(); forgetPreferences(); location.assign(to(["login"])); } });

/** The session began, or was there. */
async function entered() {
  await Promise.all([loadUser(), loadPreferences()]);
  applyPreferredTheme();
  shell.showUser();
}

whenSignedOut(() => {
  if (location.pathname === `${base}login`) return;
  forget();
  shell.showUser();
  go(to(["login"], { redirect: location.pathname + location.search }), { replace: true });
});

/** What a page offers depends on who looks at it: that is asked first. */
async function begin() {
  if (location.pathname !== `${base}login`) {
    try {
      await entered();
    } catch (error) {
      if (error instanceof ApiError && error.code === 401) return; // the login is shown
    }
  }
  await reload();
}

applyTheme();
document.body.append(shell.node);
start(ROUTES, shell.outlet, shell.mark);
begin();
