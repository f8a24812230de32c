// @ts-check
// The one place that knows fetch: calls of the API, and their errors. The session is a cookie that scripts cannot read.

export class ApiError extends Error {
  /** @param {number} code @param {string} message */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/**
 * @param {string} endpoint such as "tasks.get_by_id"
 * @param {object} [body]
 * @param {Record<string, string>} [headers]
 * @returns {Promise<any>} the envelope's data
 */
export async function call(endpoint, body = {}, headers = {}) {
  const answer = await fetch(`api/${endpoint}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  const envelope = await answer.json();
  if (envelope.meta.result_code !== 200) throw new ApiError(envelope.meta.result_code, envelope.meta.result_msg);
  return envelope.data;
}

/**
 * Open a session with a user's name and password, or with a key and its secret.
 * @param {string} name @param {string} secret
 * @returns {Promise<void>}
 */
export async function login(name, secret) {
  const bytes = new TextEncoder().encode(`${name}:${secret}`);
  await call("auth.login", {}, { Authorization: `Basic ${btoa(String.fromCharCode(...bytes))}` });
}
