// @ts-check
// Values as people read them.

/** @param {string | number | null | undefined} time ISO or ms */
export function when(time) {
  if (!time) return "";
  return new Date(time).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

/** How long ago. @param {string | number | null | undefined} time */
export function ago(time) {
  if (!time) return "";
  const seconds = (Date.now() - new Date(time).getTime()) / 1000;
  if (seconds < 45) return "just now";
  for (const [unit, length] of UNITS) if (seconds >= length) return relative.format(-Math.floor(seconds / length), unit);
  return relative.format(-1, "minute");
}

const relative = new Intl.RelativeTimeFormat("en", { style: "narrow", numeric: "always" });
/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
const UNITS = [["year", 31_536_000], ["month", 2_592_000], ["day", 86_400], ["hour", 3600], ["minute", 60]];

/** @param {number | null | undefined} seconds */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "";
  const whole = Math.max(0, Math.round(seconds));
  const [days, hours, minutes] = [Math.floor(whole / 86_400), Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60];
  if (days) return `${days}d ${hours}h`;
  if (hours) return `${hours}h ${minutes}m`;
  return minutes ? `${minutes}m ${whole % 60}s` : `${whole}s`;
}

/** How long a task ran, or has been running, in s. @param {any} task */
export function runTime(task) {
  if (!task.started) return null;
  if (typeof task.active_duration === "number" && task.status !== "in_progress") return task.active_duration;
  const end = task.status === "in_progress" || !task.completed ? Date.now() : new Date(task.completed).getTime();
  if (task.status !== "in_progress" && !task.completed) return null;
  return (end - new Date(task.started).getTime()) / 1000;
}

/** @param {any} value */
export function number(value) {
  if (typeof value !== "number") return value === null || value === undefined ? "" : String(value);
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e15) return value.toLocaleString("en");
  return size !== 0 && (size < 1e-4 || size >= 1e7) ? value.toExponential(4) : String(Number(value.toPrecision(6)));
}

/** @param {number | null | undefined} size */
export function bytes(size) {
  if (size === null || size === undefined) return "";
  let value = size, unit = 0;
  while (value >= 1000 && unit < 5) {
    value /= 1000;
    unit += 1;
  }
  return `${unit ? value.toFixed(value < 10 ? 1 : 0) : value} ${["B", "kB", "MB", "GB", "TB", "PB"][unit]}`;
}

/** @param {number} count @param {string} noun */
export function plural(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

/** The last part of a project's path. @param {string | null | undefined} path */
export function leaf(path) {
  return (path ?? "").split("/").pop() ?? "";
}

/** @type {Record<string, string>} */
export const STATUS = {
  created: "Draft", queued: "Pending", in_progress: "Running", completed: "Completed", stopped: "Aborted",
  closed: "Closed", failed: "Failed", publishing: "Publishing", published: "Published", unknown: "Unknown",
};
