// @ts-check
// Who is logged in, and what they may change.

import { call } from "./api.js";

/** @type {any} */
let user = null;

/** Ask the server who this is. @returns {Promise<any>} */
export async function loadUser() {
  ({ user } = await call("users.get_current_user"));
  return user;
}

/** The user, once `loadUser` has answered. */
export function currentUser() {
  return user;
}

export function forget() {
  user = null;
}

/** Whether this user may change what everybody shares: the server refuses it to others whatever the page shows. */
export function mayWrite() {
  return !["read-only", "guest"].includes(user?.role);
}

export function isAdmin() {
  return ["admin", "root", "system", "superuser"].includes(user?.role);
}
