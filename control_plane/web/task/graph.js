// @ts-check
// Where the nodes of a graph without cycles are drawn: in columns, each right of all that it depends on. Pure.

/**
 * @param {Record<string, string[]>} parents of each node
 * @param {number} stepX @param {number} stepY
 * @returns {Map<string, {x: number, y: number}>}
 */
export function placed(parents, stepX, stepY) {
  /** @type {Map<string, number>} */
  const depth = new Map();
  const find = (/** @type {string} */ name, /** @type {Set<string>} */ above) => {
    if (depth.has(name)) return /** @type {number} */ (depth.get(name));
    if (above.has(name)) return 0; // a cycle: somebody wrote it wrong, and it is drawn all the same
    const below = new Set([...above, name]);
    const own = parents[name].reduce((most, parent) => Math.max(most, find(parent, below) + 1), 0);
    depth.set(name, own);
    return own;
  };
  Object.keys(parents).forEach((name) => find(name, new Set()));
  /** @type {string[][]} */
  const columns = [];
  for (const [name, column] of depth) (columns[column] ??= []).push(name);
  /** @type {Map<string, {x: number, y: number}>} */
  const places = new Map();
  const tallest = Math.max(...columns.map((column) => column?.length ?? 0));
  columns.forEach((column, index) => {
    // Near the middle of what it comes from, as far as there is room.
    const middle = (/** @type {string} */ name) => parents[name].reduce((sum, parent) => sum + (places.get(parent)?.y ?? 0), 0) / (parents[name].length || 1);
    column.sort((a, b) => middle(a) - middle(b));
    column.forEach((name, row) => places.set(name, { x: index * stepX, y: (row + (tallest - column.length) / 2) * stepY }));
  });
  return places;
}
