// @ts-check
// The one place that knows fetch: calls of the API, streams, and their errors. The session is a cookie that scripts
// cannot read; the server takes it only with a JSON POST from this page's own origin.

import { base } from "./address.js";

export class ApiError extends Error {
  /** @param {number} code @param {number} subcode @param {string} message */
  constructor(code, subcode, message) {
    super(message);
    this.name = "ApiError";
    this.code = code;
    this.subcode = subcode;
  }
}

/** @type {() => void} */
let onSignedOut = () => {};
/** What to do when the session is over. @param {() => void} action */
export function whenSignedOut(action) {
  onSignedOut = action;
}

/**
 * @param {string} endpoint such as "tasks.get_by_id"
 * @param {object} [body]
 * @param {{headers?: Record<string, string>, signal?: AbortSignal}} [options]
 * @returns {Promise<any>} the envelope's data
 */
export async function call(endpoint, body = {}, { headers = {}, signal } = {}) {
  const answer = await send(endpoint, body, headers, signal);
  const envelope = await answer.json().catch(() => {
    throw new ApiError(answer.status, 0, `The server answered ${answer.status} without saying why.`);
  });
  const meta = envelope.meta;
  if (meta.result_code === 200) return envelope.data;
  if (meta.result_code === 401 && !headers.Authorization) onSignedOut();
  throw new ApiError(meta.result_code, meta.result_subcode, meta.result_msg);
}

/** Calls that only read: asked once more when the network fails, as it does for a moment when somebody changes it. */
const READS = /\.(get_|scalar_metrics|multi_task|debug_images|next_|supported_modes|info)/;
const AGAIN_MS = 400;

/** @param {string} endpoint @param {object} body @param {Record<string, string>} headers @param {AbortSignal} [signal] */
async function send(endpoint, body, headers, signal, isAgain = false) {
  try {
    return await fetch(`${base}api/${endpoint}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...headers },
      body: JSON.stringify(body),
      signal,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    if (!isAgain && READS.test(endpoint)) {
      await new Promise((done) => setTimeout(done, AGAIN_MS));
      return send(endpoint, body, headers, signal, true);
    }
    throw new ApiError(0, 0, "The server cannot be reached.");
  }
}

/**
 * Follow server-sent events until they end. Throws when the connection breaks.
 * @param {string} endpoint
 * @param {object} body
 * @param {(event: string, data: any, id: string) => void} onMessage
 * @param {AbortSignal} signal
 */
export async function follow(endpoint, body, onMessage, signal) {
  await pieces(endpoint, body, "\n\n", (some) => some.forEach((piece) => told(piece, onMessage)), signal);
}

/**
 * What an endpoint sends as lines of JSON, some at a time as they come. Throws when the connection breaks.
 * @param {string} endpoint @param {object} body @param {(some: any[]) => void} onSome @param {AbortSignal} signal
 */
export async function jsonLines(endpoint, body, onSome, signal) {
  await pieces(endpoint, body, "\n", (some) => onSome(some.filter(Boolean).map((line) => JSON.parse(line))), signal);
}

/** @param {string} endpoint @param {object} body @param {string} separator @param {(some: string[]) => void} onSome @param {AbortSignal} signal */
async function pieces(endpoint, body, separator, onSome, signal) {
  const answer = await send(endpoint, body, {}, signal);
  if (!answer.ok || !answer.body) {
    const meta = (await answer.json().catch(() => ({}))).meta;
    if (answer.status === 401) onSignedOut();
    throw new ApiError(answer.status, meta?.result_subcode ?? 0, meta?.result_msg ?? "The stream could not be read.");
  }
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const some = (rest + value).split(separator);
    rest = some.pop() ?? "";
    onSome(some);
  }
}

/** @param {string} piece @param {(event: string, data: any, id: string) => void} onMessage */
function told(piece, onMessage) {
  /** @type {Record<string, string>} */
  const fields = {};
  for (const line of piece.split("\n")) {
    const colon = line.indexOf(": ");
    if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 2);
  }
  if (fields.event) onMessage(fields.event, JSON.parse(fields.data), fields.id ?? "");
}

/**
 * A file that an endpoint sends without an envelope, saved by the browser.
 * @param {string} endpoint @param {object} body @param {string} name
 */
export async function download(endpoint, body, name) {
  const answer = await send(endpoint, body, {}, undefined);
  if (!answer.ok) throw new ApiError(answer.status, 0, (await answer.json()).meta.result_msg);
  save(await answer.blob(), name);
}

/** @param {Blob} blob @param {string} name */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
