// @ts-check
// Curves as traces: smoothed, over iterations or time. Pure.

/**
 * @typedef {{name: string, x: number[], y: (number | null)[], variant?: string, task?: string, colour?: string, dash?: string}} Curve
 *   `variant`, where the name is another; `task`: whose it is, where several are drawn; without a colour it gets the next one
 */

/** Exponential smoothing, as if the curve had been like this before. @param {(number | null)[]} y @param {number} weight 0..0.99 */
function smoothed(y, weight) {
  if (!weight) return y;
  let last = 0, sum = 0;
  return y.map((value) => {
    if (value === null || !Number.isFinite(value)) return null;
    last = last * weight + value * (1 - weight);
    sum = sum * weight + (1 - weight);
    return last / sum;
  });
}

/**
 * The mean of the values around each, by what each counts at its distance.
 * @param {(number | null)[]} y @param {number} radius @param {(distance: number) => number} counts
 */
function around(y, radius, counts) {
  const by = Array.from({ length: radius + 1 }, (_, distance) => counts(distance));
  return y.map((_, index) => {
    let sum = 0, whole = 0;
    for (let at = Math.max(0, index - radius); at <= Math.min(y.length - 1, index + radius); at += 1) {
      const value = y[at];
      if (value === null || !Number.isFinite(value)) continue;
      const weight = by[Math.abs(at - index)];
      sum += value * weight;
      whole += weight;
    }
    return whole ? sum / whole : null;
  });
}

const WIDEST = 50;

/** A curve made smooth by 0..0.99 of what a method can. @param {(number | null)[]} y @param {string} method @param {number} weight */
function smooth(y, method, weight) {
  const radius = Math.max(1, Math.round(weight * WIDEST));
  if (method === "mean") return around(y, radius, () => 1);
  if (method === "gauss") return around(y, radius, (distance) => Math.exp(-((2 * distance / radius) ** 2) / 2));
  return smoothed(y, weight);
}

const MOST_LETTERS = 48;

/** A name as plotly shows it: not as its markup, and no longer than there is room. @param {string} name */
export function legible(name) {
  const letters = [...name];
  const short = letters.length > MOST_LETTERS ? `${letters.slice(0, MOST_LETTERS - 1).join("")}…` : name;
  return short.replace(/[&<>]/g, (letter) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[letter] ?? "");
}

/**
 * The traces of one plot: a smoothed curve lies over a pale one.
 * @param {Curve[]} curves
 * @param {{axis: string, smooth: number, method: string}} options
 * @param {string[]} colours
 */
export function traces(curves, { axis, smooth: weight, method }, colours) {
  return curves.flatMap((curve, index) => {
    const color = curve.colour ?? colours[index % colours.length], name = legible(curve.name), dash = curve.dash;
    const x = axis === "iter" ? curve.x : axis === "timestamp" ? curve.x.map((at) => new Date(at)) : curve.x.map((at) => (at - curve.x[0]) / 1000);
    const common = { x, type: curve.x.length > 3000 ? "scattergl" : "scatter", mode: curve.x.length === 1 ? "markers" : "lines", legendgroup: `${curve.task ?? ""} ${curve.name}` };
    if (!weight) return [{ ...common, y: curve.y, name, line: { color, dash, width: 1.8 }, marker: { color, size: 7 } }];
    const y = smooth(curve.y, method, weight);
    return [
      { ...common, y: curve.y, name, showlegend: false, hoverinfo: "skip", opacity: 0.25, line: { color, dash, width: 1.2 } },
      { ...common, y, name, line: { color, dash, width: 2 } },
    ];
  });
}

/** What a table tells of a curve. @param {Curve} curve */
export function summary(curve) {
  const y = /** @type {number[]} */ (curve.y.filter((value) => value !== null));
  return { name: curve.name, first: y[0], last: y[y.length - 1], min: Math.min(...y), max: Math.max(...y), mean: y.reduce((sum, value) => sum + value, 0) / (y.length || 1) };
}
