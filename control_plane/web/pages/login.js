// @ts-check
// Logging in: with a user and a password or a key and its secret; or by picking a name, where the server lets people.

import { call } from "../core/api.js";
import { base, query } from "../core/address.js";
import { h } from "../core/dom.js";
import { go } from "../core/router.js";
import { field } from "../widgets/controls.js";

/** @param {() => Promise<void>} entered what to do with the new session @returns {import("../core/router.js").View} */
export function loginPage(entered) {
  return async (element) => {
    document.title = "Log in · clearml-lean";
    const modes = await call("login.supported_modes");
    element.replaceChildren(modes.basic.enabled ? passwordForm(entered) : await namesForm(entered, await door()));
    element.querySelector("input")?.focus();
  };
}

/** Where the person wanted to go: an address of this page, and of no other. */
function wanted() {
  const address = query().get("redirect") ?? "";
  return address.startsWith("/") && new URL(address, location.origin).origin === location.origin ? address : `${base}dashboard`;
}

/**
 * A form that shows what went wrong.
 * @param {() => Promise<void>} enter opens a session
 * @param {() => Promise<void>} entered
 * @param {Node[]} fields
 * @param {string} hint
 */
function form(enter, entered, fields, hint) {
  const alert = h("p", { class: "error", role: "alert", hidden: true });
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    alert.hidden = true;
    try {
      await enter();
      // A session that does not reach the server shows here, with the server's reason: an origin it does not know, say.
      await entered();
      await go(wanted(), { replace: true });
    } catch (error) {
      alert.textContent = error instanceof Error ? error.message : String(error);
      alert.hidden = false;
    }
  };
  return h("form", { class: "card login", submit }, h("h1", {}, "Log in to clearml-lean"), h("p", { class: "quiet" }, hint), alert, fields,
    h("button", { class: "button primary", type: "submit" }, "Log in"));
}

/** @param {string} name @param {string} secret */
function basic(name, secret) {
  const bytes = new TextEncoder().encode(`${name}:${secret}`);
  return { Authorization: `Basic ${btoa(String.fromCharCode(...bytes))}` };
}

/** @param {() => Promise<void>} entered */
function passwordForm(entered) {
  const name = h("input", { class: "input", name: "name", required: true, autocomplete: "username" });
  const secret = h("input", { class: "input", name: "secret", type: "password", required: true, autocomplete: "current-password" });
  const fields = [field("User or access key", name), field("Password or secret key", secret)];
  const hint = "The administrator's key and secret are in credentials.json in the server's data directory.";
  return form(() => call("auth.login", {}, { headers: basic(name.value.trim(), secret.value) }), entered, fields, hint);
}

/** @typedef {{ userKey: string, userSecret: string, companyID: string }} Door */

/** The page's own key, which lists names and opens sessions. @returns {Promise<Door>} */
async function door() {
  const answer = await fetch(`${base}credentials.json`);
  if (!answer.ok) throw new Error("This server lets nobody pick a name.");
  return answer.json();
}

/** @param {() => Promise<void>} entered @param {Door} key */
async function namesForm(entered, key) {
  const as = basic(key.userKey, key.userSecret);
  const { users } = await call("users.get_all_ex", { only_fields: ["id", "name"] }, { headers: as });
  const name = h("input", { class: "input", name: "name", required: true, list: "names", autocomplete: "off" });
  const names = h("datalist", { id: "names" }, users.map((/** @type {{name: string}} */ user) => h("option", { value: user.name })));
  const enter = async () => {
    const picked = name.value.trim();
    const known = users.find((/** @type {{name: string}} */ user) => user.name === picked);
    const id = known?.id ?? (await call("auth.create_user", { name: picked, company: key.companyID, email: "" }, { headers: as })).id;
    await call("auth.login", {}, { headers: { ...as, "X-Clearml-Impersonate-As": id } });
  };
  return form(enter, entered, [field("Your name", name), names], "Pick your name, or type a new one.");
}
