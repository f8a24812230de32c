// @ts-check
// Settings: one's own profile and keys, with a configuration to paste; the users, for administrators; the server.

import { call } from "../core/api.js";
import { base, fact, programAddress, to } from "../core/address.js";
import { h } from "../core/dom.js";
import { when } from "../core/format.js";
import { currentUser, isAdmin, loadUser, mayWrite } from "../core/session.js";
import { button, copyText, emptyState, facts, field, iconButton, tabBar, timeText } from "../widgets/controls.js";
import { ask, show } from "../widgets/dialog.js";
import { attempt, toast } from "../widgets/toast.js";
import { usersView } from "./users.js";

/** @type {import("../core/router.js").View} */
export async function settingsPage(element, { view = "profile" }) {
  document.title = "Settings · clearml-lean";
  if (!currentUser()) await loadUser();
  const places = [["profile", "Profile"], ["workspace-configuration", "Credentials"], ...(isAdmin() ? [["users", "Users"]] : []), ["server", "Server"]];
  const body = h("div", { class: "stack" });
  element.replaceChildren(h("h1", { class: "visually-hidden" }, "Settings"), tabBar(places.map(([name, label]) => ({ name, label, href: to(["settings", name]) })), view, "Settings"), body);
  const views = { profile, "workspace-configuration": credentials, users: usersView, server };
  await (views[/** @type {keyof typeof views} */ (view)] ?? profile)(body);
}

/** @param {HTMLElement} element */
async function profile(element) {
  const user = currentUser();
  const password = button("Change password", () => attempt(() => passwordDialog()), { icon: "key" });
  const sessions = button("End my other sessions", () => attempt(async () => { await call("auth.revoke_sessions"); toast("Every session that began with a password has ended."); location.reload(); }));
  const rename = button("Change name", () => attempt(async () => { if (await nameDialog(user)) location.reload(); }), { icon: "edit" });
  element.replaceChildren(h("section", { class: "card stack" }, facts([["Name", user.name], ["Role", user.role], ["ID", h("code", {}, user.id)]]), h("div", { class: "form-actions" }, mayWrite() ? rename : null, password, sessions)));
}

/** @param {any} user */
function nameDialog(user) {
  const name = h("input", { class: "input", type: "text", value: user.name, autocomplete: "name" });
  return ask({ title: "Change name", body: field("Name", name, "You log in under it from now on"), action: "Change", run: () => call("users.update", { user: user.id, name: name.value.trim() }) });
}

/** @param {any} one of one's credentials */
function labelDialog(one) {
  const label = h("input", { class: "input", type: "text", value: one.label ?? "" });
  return ask({ title: "Label", body: field("Label", label, one.access_key), action: "Save", run: () => call("auth.edit_credentials", { access_key: one.access_key, label: label.value.trim() }) });
}

function passwordDialog() {
  const current = h("input", { class: "input", type: "password", autocomplete: "current-password" });
  const next = h("input", { class: "input", type: "password", autocomplete: "new-password" });
  return ask({
    title: "Change password", body: [field("Current password", current, "Empty if there is none"), field("New password", next)], action: "Change",
    run: async () => {
      await call("auth.set_password", { password: next.value, ...(current.value ? { current: current.value } : {}) });
      toast("The password was changed.");
    },
  });
}

/** What programs need to find this server, as they read it. @param {string} key @param {string} secret */
function configuration(key, secret) {
  const api = programAddress("api"), files = programAddress("files"), web = `${location.origin}${base}`.replace(/\/$/, "");
  return `api {\n    web_server: ${web}\n    api_server: ${api}\n    files_server: ${files}\n    credentials {\n        "access_key" = "${key}"\n        "secret_key" = "${secret}"\n    }\n}\n`;
}

/** @param {HTMLElement} element */
async function credentials(element) {
  const { credentials: keys } = await call("auth.get_credentials");
  const redraw = () => credentials(element);
  const create = mayWrite() && button("Create new credentials", () => attempt(async () => { if (await createDialog()) await redraw(); }), { icon: "plus", kind: "primary" });
  const rows = keys.map((/** @type {any} */ one) => h("tr", {}, h("td", {}, h("code", {}, one.access_key)), h("td", {}, one.label ?? ""), h("td", {}, timeText(one.last_used)), h("td", {}, one.last_used_from ?? ""),
    h("td", { class: "number" }, mayWrite() ? iconButton("edit", `Rename ${one.access_key}`, () => attempt(async () => { if (await labelDialog(one)) await redraw(); })) : null, iconButton("trash", `Revoke ${one.access_key}`, () => attempt(async () => {
      if (await ask({ title: "Revoke credentials", body: `Programs that use ${one.access_key} are refused from now on.`, action: "Revoke", danger: true, run: () => call("auth.revoke_credentials", { access_key: one.access_key }) })) await redraw();
    })))));
  const head = ["Access key", "Label", "Last used", "From", ""].map((label) => h("th", { scope: "col" }, label || h("span", { class: "visually-hidden" }, "Actions")));
  element.replaceChildren(h("div", { class: "toolbar" }, h("p", { class: "quiet" }, "Programs find this server by these: paste the configuration into clearml.conf, or give it to clearml-init."), h("span", { class: "grow" }), create || null),
    h("div", { class: "card flush" }, rows.length ? h("div", { class: "scroll-x" }, h("table", { class: "list" }, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows))) : emptyState("No credentials yet.")));
}

async function createDialog() {
  const label = h("input", { class: "input", type: "text", placeholder: "laptop" });
  /** @type {any} */
  let made = null;
  const isDone = await ask({ title: "Create credentials", body: field("Label", label), action: "Create", run: async () => { made = (await call("auth.create_credentials", { label: label.value.trim() })).credentials; } });
  if (!isDone) return false;
  const text = configuration(made.access_key, made.secret_key);
  const copy = button("Copy", () => attempt(async () => { await copyText(text); toast("Copied."); }), { icon: "copy", kind: "primary" });
  show("Your new credentials", h("div", { class: "stack" }, h("p", {}, "The secret is shown this once."), h("pre", { class: "text", style: "padding: 12px" }, text), copy));
  return true;
}

/** @param {HTMLElement} element */
async function server(element) {
  const info = await call("server.info");
  element.replaceChildren(h("section", { class: "card" }, facts([["Version", info.version], ["API", info.api_version], ["API address", programAddress("api")], ["Files address", programAddress("files")], ["Page", fact("build")], ["Loaded", when(Date.now())]])));
}
