// @ts-check
// DEBUG SAMPLES: pictures, sounds, films and pages that the task reported, by iteration.

import { call } from "../core/api.js";
import { base, fact, fileAddress } from "../core/address.js";
import { h, paced } from "../core/dom.js";
import { button, emptyState } from "../widgets/controls.js";
import { show } from "../widgets/dialog.js";
import { icon } from "../widgets/icons.js";
import { attempt } from "../widgets/toast.js";

const KINDS = { image: /\.(png|jpe?g|gif|webp|bmp|avif)$/i, audio: /\.(wav|mp3|ogg|flac|m4a)$/i, video: /\.(mp4|webm|mov)$/i, page: /\.html?$/i };

/** @param {string} url @returns {string} */
function kindOf(url) {
  const path = url.split("?")[0];
  return Object.entries(KINDS).find(([, pattern]) => pattern.test(path))?.[0] ?? "other";
}

/** @param {HTMLElement} element */
export function samplesTab(element) {
  const metric = h("select", { class: "input", "aria-label": "Metric", change: () => { scroll = null; load(); } });
  const place = h("div", { class: "stack" });
  const older = button("Earlier iterations", () => attempt(() => page(true)), { icon: "left", kind: "small" });
  const newer = button("Later iterations", () => attempt(() => page(false)), { icon: "right", kind: "small" });
  element.replaceChildren(h("div", { class: "toolbar" }, metric, h("span", { class: "grow" }), older, newer), place);
  /** @type {any} */
  let task = null;
  /** @type {string | null} */
  let scroll = null;
  let metrics = "", shown = "";

  const load = paced(async () => {
    await attempt(async () => {
      if (!element.isConnected || scroll) return; // who looks at earlier ones is left there
      const answer = await call("events.get_task_metrics", { tasks: [task.id], event_type: "training_debug_image" });
      const names = answer.metrics[0]?.metrics ?? [];
      if (names.join("\n") !== metrics) {
        metrics = names.join("\n");
        const before = metric.value;
        metric.replaceChildren(h("option", { value: "" }, "All metrics"), ...names.map((/** @type {string} */ name) => h("option", { value: name }, name)));
        metric.value = names.includes(before) ? before : "";
      }
      await ask({});
    });
  }, 2000);

  /** @param {boolean} isEarlier */
  async function page(isEarlier) {
    await ask({ scroll_id: scroll ?? lastScroll, navigate_earlier: isEarlier });
    scroll = lastScroll;
  }

  let lastScroll = "";
  /** @param {object} more */
  async function ask(more) {
    const which = metric.value ? { metric: metric.value } : {};
    const { metrics: found, scroll_id: id } = await call("events.debug_images", { metrics: [{ task: task.id, ...which }], iters: 3, ...more });
    lastScroll = id;
    const iterations = found[0]?.iterations ?? [];
    const text = JSON.stringify(iterations);
    if (text === shown) return;
    shown = text;
    place.replaceChildren(...(iterations.length ? iterations.map(group) : [emptyState("No debug samples.", "Pictures, sounds and pages that the task reports appear here.")]));
  }

  /** @param {any} iteration */
  function group(iteration) {
    return h("section", { "aria-label": `Iteration ${iteration.iter}` }, h("div", { class: "section-title" }, h("h3", {}, `Iteration ${iteration.iter}`)),
      h("div", { class: "samples" }, iteration.events.map((/** @type {any} */ event) => sample(event, iteration.events))));
  }
  return { update: (/** @type {any} */ next) => { task = next; load(); } };
}

/** What is shown of a sample. @param {any} event its `caption` and `note` stand for its names */
function names(event) {
  return { title: event.caption ? `${event.caption}: ${event.metric} / ${event.variant}` : `${event.metric} / ${event.variant}`, caption: event.caption ?? event.variant, note: event.note ?? event.metric };
}

/** @param {any} event @param {any[]} all those one goes through from here */
export function sample(event, all) {
  const { title, caption, note } = names(event);
  const address = fileAddress(event.url);
  const kind = kindOf(event.url ?? "");
  const picture = kind === "image" && address ? h("img", { src: address, loading: "lazy", alt: `${event.metric} ${event.variant}` }) : h("span", { class: "sample-kind quiet" }, icon("projects"), ` ${kind}`);
  return h("button", { type: "button", class: "sample", "aria-label": `Open ${title}`, click: () => view(all, all.indexOf(event)) }, picture,
    h("span", { class: "ellipsis", title: caption }, caption), h("span", { class: "quiet small ellipsis" }, note));
}

/** @param {any[]} all @param {number} index */
function view(all, index) {
  const place = h("div", { class: "sample-view" });
  const title = h("strong", {});
  const step = (/** @type {number} */ by) => {
    index = (index + by + all.length) % all.length;
    draw();
  };
  const draw = () => {
    title.textContent = names(all[index]).title;
    attempt(async () => place.replaceChildren(...[await medium(all[index])].flat()));
  };
  const body = h("div", { class: "stack", keydown: (/** @type {KeyboardEvent} */ event) => { if (event.key === "ArrowLeft") step(-1); else if (event.key === "ArrowRight") step(1); } },
    h("div", { class: "toolbar" }, button("Previous", () => step(-1), { icon: "left", kind: "small" }), button("Next", () => step(1), { icon: "right", kind: "small" }), title), place);
  show("Debug sample", body, true);
  draw();
}

/** @param {any} event */
async function medium(event) {
  const address = fileAddress(event.url);
  if (!address) return h("p", {}, "This file is not on this server: ", h("code", {}, event.url));
  const kind = kindOf(event.url);
  if (kind === "image") return h("img", { src: address, alt: `${event.metric} ${event.variant}` });
  if (kind === "audio") return h("audio", { src: address, controls: true });
  if (kind === "video") return h("video", { src: address, controls: true });
  if (kind === "page") {
    const answer = await fetch(address);
    if (!answer.ok) throw new Error(`The file could not be read: ${answer.status}.`);
    return [sampleFrame(await answer.text(), `${event.metric} ${event.variant}`), h("p", { class: "quiet small" }, "It runs by itself: without a network and apart from this page. Libraries have to be inside the file.")];
  }
  return h("a", { href: `${address}?download`, download: "" }, "Download this file");
}

/**
 * A task's HTML, with its scripts, in a frame that has no origin: it can reach neither this page nor its session, and its
 * policy, which the server sends, lets it load nothing. Only the text goes in.
 * @param {string} text @param {string} title
 */
function sampleFrame(text, title) {
  const frame = h("iframe", { sandbox: "allow-scripts", src: `${base}assets/${fact("build")}/sample_frame.html`, title });
  const told = (/** @type {MessageEvent} */ event) => {
    if (event.source !== frame.contentWindow) return;
    removeEventListener("message", told);
    frame.contentWindow.postMessage(text, "*"); // a frame without origin has no name to send to
  };
  addEventListener("message", told);
  return frame;
}
