// @ts-check
// Where the page is: below which prefix it is served, which path is shown, and what the address keeps of a page's state.

/** The address of the page's root, with a slash at its end: "/" or "/some/prefix/". */
export const base = new URL(document.baseURI).pathname;

/** The path below the root, decoded, as words. @returns {string[]} */
export function words() {
  const below = location.pathname.startsWith(base) ? location.pathname.slice(base.length) : "";
  // Official addresses keep parameters behind semicolons: /compare-tasks;ids=a,b/details
  return below.split("/").map((word) => decodeURIComponent(word.split(";")[0])).filter(Boolean);
}

/** Parameters behind a semicolon in the path, as official pages write them. @param {string} name */
export function matrix(name) {
  const found = location.pathname.match(new RegExp(`;${name}=([^;/]*)`));
  return found ? decodeURIComponent(found[1]) : null;
}

/** An address of the page. @param {string[]} path @param {Record<string, any>} [query] */
export function to(path, query = {}) {
  const kept = new URLSearchParams(Object.entries(query).filter(([, value]) => value));
  const text = kept.toString();
  return base + path.map((word) => (word === "*" ? "*" : encodeURIComponent(word))).join("/") + (text ? `?${text}` : "");
}

/** What the address says beside the path. @returns {URLSearchParams} */
export function query() {
  return new URLSearchParams(location.search);
}

/** Keep state in the address, without a new step back. Empty values are left out. @param {Record<string, any>} changes */
export function keep(changes) {
  const now = query();
  for (const [key, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === "" || value === false) now.delete(key);
    else now.set(key, String(value));
  }
  const text = now.toString();
  history.replaceState(history.state, "", location.pathname + (text ? `?${text}` : ""));
}

/** A fact of the server that the page was served with. @param {string} name */
export function fact(name) {
  return document.querySelector(`meta[name="clearml-${name}"]`)?.getAttribute("content") ?? "";
}

/**
 * Where programs reach a part of this server, to be told to people: under the name by which this page was reached; below
 * the page's own address where a proxy stands before it.
 * @param {"api" | "files"} name
 */
export function programAddress(name) {
  const isDirect = location.protocol === "http:" && location.port === new URL(fact("web")).port && base === "/";
  if (!isDirect) return `${location.origin}${base}${name}`;
  const address = new URL(fact(name));
  address.hostname = location.hostname;
  return address.origin;
}

/**
 * The address under which this page may load a file: files of this server come through the page's own origin, and
 * nothing is ever loaded from anywhere else.
 * @param {string | null | undefined} uri
 * @returns {string | null} null for a file that lies elsewhere
 */
export function fileAddress(uri) {
  if (!uri) return null;
  let wanted;
  try {
    wanted = new URL(uri);
  } catch {
    return null;
  }
  const files = new URL(fact("files"));
  const isHere = ["127.0.0.1", "localhost", "[::1]", location.hostname, files.hostname].includes(wanted.hostname);
  const path = wanted.pathname + wanted.search;
  const alias = fact("files-urls").split(" ").find((one) => one && wanted.href.startsWith(`${one}/`));
  if (alias) return `${base}files${wanted.href.slice(alias.length)}`;
  if (isHere && wanted.port === files.port) return `${base}files${path}`;
  return wanted.origin === location.origin && wanted.pathname.startsWith(`${base}files/`) ? path : null;
}
