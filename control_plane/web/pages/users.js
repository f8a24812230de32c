// @ts-check
// The users of this server, for administrators.

import { call } from "../core/api.js";
import { h } from "../core/dom.js";
import { currentUser } from "../core/session.js";
import { button, field, iconButton } from "../widgets/controls.js";
import { ask } from "../widgets/dialog.js";
import { attempt, toast } from "../widgets/toast.js";

const ROLES = ["admin", "user", "agent", "read-only"];

/** @param {HTMLElement} element */
export async function usersView(element) {
  const { users } = await call("users.get_all_ex", { order_by: ["name"] });
  const redraw = () => usersView(element);
  const create = button("New user", () => attempt(async () => { if (await createDialog()) await redraw(); }), { icon: "plus", kind: "primary" });
  const rows = users.map((/** @type {any} */ user) => h("tr", {}, h("td", {}, user.name), h("td", {}, roleSelect(user)), h("td", {}, h("code", {}, user.id)),
    h("td", { class: "number" }, button("Password", () => attempt(() => passwordDialog(user)), { kind: "small" }), " ",
      iconButton("trash", `Delete ${user.name}`, () => attempt(async () => {
        if (await ask({ title: "Delete user", body: `“${user.name}” cannot log in any more, and their keys end. What they made stays.`, action: "Delete", danger: true, run: () => call("users.delete", { user: user.id }) })) await redraw();
      }), { disabled: user.id === currentUser()?.id }))));
  const head = ["Name", "Role", "ID", ""].map((label) => h("th", { scope: "col" }, label || h("span", { class: "visually-hidden" }, "Actions")));
  element.replaceChildren(h("div", { class: "toolbar" }, h("span", { class: "grow" }), create), h("div", { class: "card flush scroll-x" }, h("table", { class: "list" }, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows))));

  /** @param {any} user */
  function roleSelect(user) {
    const options = [...new Set([...ROLES, user.role].filter(Boolean))].map((role) => h("option", { value: role }, role));
    const select = h("select", { class: "input", "aria-label": `Role of ${user.name}`, disabled: user.id === currentUser()?.id, change: () => attempt(async () => {
      await call("auth.edit_user", { user: user.id, role: select.value });
      toast(`${user.name} is ${select.value} now.`);
    }) }, options);
    select.value = user.role;
    return select;
  }
}

async function createDialog() {
  const name = h("input", { class: "input", type: "text", autocomplete: "off" });
  const password = h("input", { class: "input", type: "password", autocomplete: "new-password" });
  const role = h("select", { class: "input" }, ROLES.map((one) => h("option", { value: one }, one)));
  role.value = "user";
  return ask({
    title: "New user", body: [field("Name", name), field("Role", role), field("Password", password)], action: "Create",
    run: async () => {
      const { id } = await call("auth.create_user", { name: name.value.trim(), company: currentUser().company?.id ?? "", email: `${name.value.trim()}@`, role: role.value });
      if (password.value) await call("auth.set_password", { user: id, password: password.value });
    },
  });
}

/** @param {any} user */
function passwordDialog(user) {
  const password = h("input", { class: "input", type: "password", autocomplete: "new-password" });
  return ask({ title: `Password of ${user.name}`, body: field("New password", password), action: "Set", run: async () => { await call("auth.set_password", { user: user.id, password: password.value }); toast("The password was set."); } });
}
