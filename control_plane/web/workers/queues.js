// @ts-check
// The queues: what waits in each, in which order; moved by dragging or by the keyboard.

import { call } from "../core/api.js";
import { keep, query, to } from "../core/address.js";
import { h, paced } from "../core/dom.js";
import { findQueues, watchers } from "../core/finders.js";
import { plural } from "../core/format.js";
import { watch } from "../core/live.js";
import { mayWrite } from "../core/session.js";
import { button, emptyState, field, iconButton, timeText } from "../widgets/controls.js";
import { ask } from "../widgets/dialog.js";
import { menuAt } from "../widgets/menu.js";
import { picker } from "../widgets/picker.js";
import { draw, whenSeen } from "../widgets/plot.js";
import { attempt, toast } from "../widgets/toast.js";

const DAY_S = 86_400;

/** @param {HTMLElement} element */
export async function queuesView(element) {
  const list = h("div", { class: "card flush" });
  const entries = h("div", { class: "stack" });
  let chosen = query().get("queue") ?? "", shown = "", dragged = "";
  /** @type {any[]} */
  let queues = [];

  const load = paced(async () => { await attempt(fetchAll); }, 300);

  async function fetchAll() {
    if (!element.isConnected) return;
    const [answer, counts] = await Promise.all([call("queues.get_all_ex", { order_by: ["name"], page: 0, page_size: 500, only_fields: ["id", "name", "system_tags", "entries", "created"] }), watchers()]);
    queues = answer.queues;
    if (!queues.some((queue) => queue.id === chosen)) chosen = queues.find((queue) => queue.entries?.length)?.id ?? queues[0]?.id ?? "";
    const text = JSON.stringify([queues, [...counts], chosen]);
    if (text === shown || dragged) return;
    shown = text;
    list.replaceChildren(queues.length ? table(counts) : emptyState("No queue."));
    drawEntries();
  }

  /** @param {Map<string, number>} counts */
  function table(counts) {
    const head = ["Queue", "Waiting", "First since", "Workers", ""].map((label) => h("th", { scope: "col", class: ["Waiting", "Workers"].includes(label) ? "number" : null }, label || h("span", { class: "visually-hidden" }, "Actions")));
    return h("div", { class: "scroll-x" }, h("table", { class: "list" }, h("thead", {}, h("tr", {}, head)), h("tbody", {}, queues.map((queue) => h("tr", { "data-id": queue.id, class: queue.id === chosen ? "on" : null },
      h("td", {}, h("button", { type: "button", class: "link", "aria-pressed": String(queue.id === chosen), click: () => choose(queue.id) }, queue.name), queue.system_tags?.includes("default") ? h("span", { class: "badge", title: "Tasks that name no queue go here" }, "default") : null),
      h("td", { class: "number" }, String(queue.entries?.length ?? 0)), h("td", {}, timeText(queue.entries?.[0]?.added)),
      h("td", { class: "number" }, counts.get(queue.id) ? String(counts.get(queue.id)) : h("span", { class: "badge warn", title: "What is enqueued here waits until a worker watches it" }, "none")),
      h("td", { class: "number" }, mayWrite() ? iconButton("more", `Actions for ${queue.name}`, (event) => menu(event, queue)) : null))))));
  }

  /** @param {string} id */
  function choose(id) {
    chosen = id;
    keep({ queue: id });
    shown = "";
    load();
  }

  /** @param {any} event @param {any} queue */
  function menu(event, queue) {
    const box = event.currentTarget.getBoundingClientRect();
    const run = (/** @type {() => Promise<any>} */ action) => () => attempt(async () => { await action(); await load(); });
    menuAt([
      { label: "Rename…", icon: "edit", run: run(() => nameDialog(queue)) },
      { label: "Clear…", icon: "close", why: queue.entries?.length ? null : "It is empty", run: run(() => ask({ title: "Clear queue", body: `${plural(queue.entries.length, "task")} leave “${queue.name}” and go back to what they were.`, action: "Clear", danger: true, run: () => call("queues.clear_queue", { queue: queue.id }) })) },
      { label: "Delete…", icon: "trash", danger: true, run: run(() => ask({ title: "Delete queue", body: queue.entries?.length ? `“${queue.name}” still holds ${plural(queue.entries.length, "task")}, which go back to what they were.` : `“${queue.name}” is deleted.`, action: "Delete", danger: true, run: () => call("queues.delete", { queue: queue.id, force: true }) })) },
    ], box.left, box.bottom, `Actions for ${queue.name}`);
  }

  function drawEntries() {
    const queue = queues.find((one) => one.id === chosen);
    if (!queue) return entries.replaceChildren();
    const waiting = queue.entries ?? [];
    const plot = h("div", { class: "plot", style: "height: 180px", role: "group", "aria-label": `Length of ${queue.name} over time` });
    whenSeen(plot, () => attempt(() => drawMetrics(plot, queue)));
    const rows = h("ol", { class: "queue-list", "aria-label": `Tasks in ${queue.name}` }, waiting.map((/** @type {any} */ entry, /** @type {number} */ index) => row(queue, entry, index, waiting.length)));
    entries.replaceChildren(h("div", { class: "section-title" }, h("h2", {}, queue.name), h("span", { class: "quiet" }, plural(waiting.length, "task"))), h("div", { class: "card flush" }, waiting.length ? rows : emptyState("Nothing waits here.")),
      h("article", { class: "plot-card" }, h("header", {}, h("h3", {}, "Waiting tasks and seconds, over a day")), plot));
  }

  /** @param {any} queue @param {any} entry @param {number} index @param {number} count */
  function row(queue, entry, index, count) {
    const task = entry.task?.id ? entry.task : { id: entry.task, name: entry.task };
    const move = (/** @type {number} */ by) => attempt(async () => {
      if (by) await call(by < 0 ? "queues.move_task_forward" : "queues.move_task_backward", { queue: queue.id, task: task.id, count: Math.abs(by) });
      await load();
    });
    const act = (/** @type {() => Promise<any>} */ action) => () => attempt(async () => { await action(); await load(); });
    const tools = mayWrite() ? [
      iconButton("top", `Move ${task.name} to the top`, act(() => call("queues.move_task_to_front", { queue: queue.id, task: task.id })), { disabled: index === 0 }),
      iconButton("up", `Move ${task.name} up`, () => move(-1), { disabled: index === 0 }), iconButton("down", `Move ${task.name} down`, () => move(1), { disabled: index === count - 1 }),
      iconButton("move", `Move ${task.name} to another queue`, act(() => otherQueue(queue, task))), iconButton("close", `Remove ${task.name} from the queue`, act(() => call("tasks.dequeue", { task: task.id }))),
    ] : [];
    return h("li", {
      class: "queue-row", draggable: mayWrite() ? "true" : null, "data-id": task.id,
      dragstart: (/** @type {DragEvent} */ event) => { dragged = task.id; event.dataTransfer?.setData("text/plain", task.id); },
      dragover: (/** @type {any} */ event) => { event.preventDefault(); event.currentTarget.classList.add("over"); },
      dragleave: (/** @type {any} */ event) => event.currentTarget.classList.remove("over"),
      dragend: () => { dragged = ""; load(); },
      drop: (/** @type {DragEvent} */ event) => {
        event.preventDefault();
        const from = (queue.entries ?? []).findIndex((/** @type {any} */ one) => (one.task?.id ?? one.task) === dragged);
        const moved = dragged;
        dragged = "";
        if (from < 0 || from === index) return;
        attempt(async () => {
          await call(from > index ? "queues.move_task_forward" : "queues.move_task_backward", { queue: queue.id, task: moved, count: Math.abs(from - index) });
          await load();
        });
      },
    }, h("span", { class: "quiet number" }, String(index + 1)), h("a", { class: "ellipsis", href: to(["projects", "*", "tasks", task.id, "execution"]) }, task.name ?? task.id), h("span", { class: "quiet small" }, timeText(entry.added)), h("span", { class: "queue-tools" }, tools));
  }

  const create = mayWrite() && button("New queue", () => attempt(async () => { await nameDialog(null); await load(); }), { icon: "plus", kind: "primary" });
  element.replaceChildren(h("div", { class: "toolbar" }, h("span", { class: "grow" }), create || null), list, entries);
  await load();
  return watch(["queue", "task"], () => load());
}

/** @param {HTMLElement} plot @param {any} queue */
async function drawMetrics(plot, queue) {
  const now = Math.floor(Date.now() / 1000);
  const { queues } = await call("queues.get_queue_metrics", { queue_ids: [queue.id], from_date: now - DAY_S, to_date: now, interval: 600, refresh: true });
  const { dates = [], queue_lengths: lengths = [], avg_waiting_times: waits = [] } = queues[0] ?? {};
  const x = dates.map((/** @type {number} */ at) => new Date(at * 1000));
  await draw(plot, [{ name: "waiting tasks", x, y: lengths, mode: "lines+markers" }, { name: "waiting time (s)", x, y: waits, mode: "lines+markers", yaxis: "y2" }], { xaxis: { range: [(now - DAY_S) * 1000, now * 1000], type: "date" }, yaxis: { rangemode: "tozero" }, yaxis2: { overlaying: "y", side: "right", rangemode: "tozero", showgrid: false } });
}

/** @param {any} queue null: a new one */
function nameDialog(queue) {
  const name = h("input", { class: "input", type: "text", value: queue?.name ?? "" });
  return ask({
    title: queue ? "Rename queue" : "New queue", body: field("Name", name), action: queue ? "Rename" : "Create",
    run: async () => {
      if (queue) await call("queues.update", { queue: queue.id, name: name.value.trim() });
      else await call("queues.create", { name: name.value.trim() });
    },
  });
}

/** @param {any} queue @param {any} task */
function otherQueue(queue, task) {
  const other = picker({ label: "Queue", find: findQueues });
  return ask({
    title: `Move “${task.name}”`, body: field("To queue", other.node), action: "Move",
    run: async () => {
      const { id, name } = other.value();
      if (!id) throw new Error("Choose a queue of the list.");
      await call("tasks.dequeue", { task: task.id });
      await call("tasks.enqueue", { task: task.id, queue: id });
      toast(`Moved from “${queue.name}” to “${name}”.`);
    },
  });
}
