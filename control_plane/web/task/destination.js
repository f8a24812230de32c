// @ts-check
// Where output can go: which texts are a place.

/** Throw where a text is no place that an SDK can store to. @param {string} text */
export function checkDestination(text) {
  if (!text || text.startsWith("/") || /^[A-Za-z]:[\\/]/.test(text)) return;
  const found = text.match(/^([a-z0-9+]+):\/\/([^/]*)(\/.*)?$/i);
  if (!found) throw new Error("A destination is an absolute folder or an address such as s3://bucket/folder.");
  const [, scheme, host, path] = found;
  if (!["s3", "gs", "azure", "file", "http", "https"].includes(scheme.toLowerCase())) throw new Error(`No storage is known behind ${scheme}://. Use a folder, s3, gs, azure, or this server's files.`);
  if (scheme.toLowerCase() !== "file" && !host) throw new Error(`The bucket is missing behind ${scheme}://.`);
  if (scheme.toLowerCase() !== "s3") return;
  // A dot is legal in a bucket's name too, but such a first part is nearly always a host, which needs its port.
  const isHost = /^(localhost|\d+\.\d+\.\d+\.\d+|.*\.[a-z]{2,}.*)$/i.test(host.split(":")[0]);
  if (isHost && !/:\d+$/.test(host)) throw new Error(`“${host}” looks like a host: S3-like storage needs its port, as s3://${host}:9000/bucket.`);
  if (/:\d+$/.test(host) && (path ?? "/") === "/") throw new Error(`The bucket is missing: s3://${host}/bucket.`);
}
