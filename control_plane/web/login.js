// @ts-check
// Logging in: with a user and a password or a key and its secret; or by picking a name, where the server lets people.

import { call, login } from "./api.js";
import { h } from "./dom.js";

/**
 * The form that this server wants.
 * @param {() => Promise<void>} entered what to do with the new session
 * @returns {Promise<Node>}
 */
export async function loginPage(entered) {
  const modes = await call("login.supported_modes");
  return modes.basic.enabled ? passwordForm(entered) : namesForm(entered, await door());
}

/**
 * A form that shows what went wrong.
 * @param {() => Promise<void>} enter opens a session
 * @param {() => Promise<void>} entered
 * @param {Node[]} fields
 * @param {string} hint
 */
function form(enter, entered, fields, hint) {
  const alert = h("p", { class: "error", role: "alert", hidden: "" });
  return h("form", {
    submit: async (/** @type {Event} */ event) => {
      event.preventDefault();
      alert.hidden = true;
      try {
        await enter();
        // A session that does not reach the server shows here, with the server's reason: an origin it does not know, say.
        await call("users.get_current_user");
        await entered();
      } catch (error) {
        alert.textContent = error instanceof Error ? error.message : String(error);
        alert.hidden = false;
      }
    },
  }, h("h1", {}, "Log in"), h("p", { class: "quiet" }, hint), alert, ...fields, h("button", {}, "Log in"));
}

/** @param {() => Promise<void>} entered */
function passwordForm(entered) {
  const name = h("input", { name: "name", required: "", autocomplete: "username" });
  const secret = h("input", { name: "secret", type: "password", required: "", autocomplete: "current-password" });
  const fields = [h("label", {}, "User or access key", name), h("label", {}, "Password or secret key", secret)];
  const hint = "The administrator's key and secret are in credentials.json in the server's data directory.";
  return form(() => login(name.value.trim(), secret.value), entered, fields, hint);
}

/** @typedef {{ userKey: string, userSecret: string, companyID: string }} Door */

/** The page's own key, which lists names and opens sessions. @returns {Promise<Door>} */
async function door() {
  const answer = await fetch("credentials.json");
  if (!answer.ok) throw new Error("This server lets nobody pick a name.");
  return answer.json();
}

/** @param {() => Promise<void>} entered @param {Door} key */
async function namesForm(entered, key) {
  const as = { Authorization: `Basic ${btoa(`${key.userKey}:${key.userSecret}`)}` };
  const { users } = await call("users.get_all_ex", { only_fields: ["id", "name"] }, as);
  const name = h("input", { name: "name", required: "", list: "names", autocomplete: "off" });
  const names = h("datalist", { id: "names" }, ...users.map((/** @type {{name: string}} */ user) => h("option", { value: user.name })));
  const enter = async () => {
    const wanted = name.value.trim();
    const known = users.find((/** @type {{name: string}} */ user) => user.name === wanted);
    const id = known?.id ?? (await call("auth.create_user", { name: wanted, company: key.companyID, email: "" }, as)).id;
    await call("auth.login", {}, { ...as, "X-Clearml-Impersonate-As": id });
  };
  return form(enter, entered, [h("label", {}, "Your name", name), names], "Pick your name, or type a new one.");
}
