// @ts-check
// Curves as traces: smoothed, over iterations or time. Pure.

/** @typedef {{name: string, x: number[], y: (number | null)[]}} Curve */

/** Exponential smoothing, as if the curve had been like this before. @param {(number | null)[]} y @param {number} weight 0..0.99 */
export function smoothed(y, weight) {
  if (!weight) return y;
  let last = 0, sum = 0;
  return y.map((value) => {
    if (value === null || !Number.isFinite(value)) return null;
    last = last * weight + value * (1 - weight);
    sum = sum * weight + (1 - weight);
    return last / sum;
  });
}

/** Mean of the values around each. @param {(number | null)[]} y @param {number} radius */
export function runningMean(y, radius) {
  return y.map((_, index) => {
    const near = y.slice(Math.max(0, index - radius), index + radius + 1).filter((value) => value !== null);
    return near.length ? near.reduce((sum, value) => /** @type {number} */ (sum) + /** @type {number} */ (value), 0) : null;
  }).map((sum, index) => {
    const count = y.slice(Math.max(0, index - radius), index + radius + 1).filter((value) => value !== null).length;
    return sum === null ? null : /** @type {number} */ (sum) / count;
  });
}

/**
 * The traces of one plot: a smoothed curve lies over a pale one.
 * @param {Curve[]} curves
 * @param {{axis: string, smooth: number, method?: string}} options
 * @param {string[]} colours
 */
export function traces(curves, { axis, smooth, method = "ema" }, colours) {
  return curves.flatMap((curve, index) => {
    const color = colours[index % colours.length];
    const x = axis === "iter" ? curve.x : axis === "timestamp" ? curve.x.map((at) => new Date(at)) : curve.x.map((at) => (at - curve.x[0]) / 1000);
    const common = { x, type: curve.x.length > 3000 ? "scattergl" : "scatter", mode: curve.x.length === 1 ? "markers" : "lines", legendgroup: curve.name };
    if (!smooth) return [{ ...common, y: curve.y, name: curve.name, line: { color, width: 1.8 }, marker: { color, size: 7 } }];
    const y = method === "mean" ? runningMean(curve.y, Math.max(1, Math.round(smooth * 50))) : smoothed(curve.y, smooth);
    return [
      { ...common, y: curve.y, name: curve.name, showlegend: false, hoverinfo: "skip", opacity: 0.25, line: { color, width: 1.2 } },
      { ...common, y, name: curve.name, line: { color, width: 2 } },
    ];
  });
}

/** What a table tells of a curve. @param {Curve} curve */
export function summary(curve) {
  const y = /** @type {number[]} */ (curve.y.filter((value) => value !== null));
  return { name: curve.name, first: y[0], last: y[y.length - 1], min: Math.min(...y), max: Math.max(...y), mean: y.reduce((sum, value) => sum + value, 0) / (y.length || 1) };
}
