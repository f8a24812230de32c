// @ts-check
// Workers and queues: who runs what, under which load; what waits where, in which order.

import { to } from "../core/address.js";
import { h } from "../core/dom.js";
import { tabBar } from "../widgets/controls.js";
import { queuesView } from "../workers/queues.js";
import { workersView } from "../workers/workers.js";

/** @type {import("../core/router.js").View} */
export async function workersPage(element, { view = "workers" }) {
  document.title = "Workers & queues · clearml-lean";
  const tabs = tabBar([{ name: "workers", label: "Workers", href: to(["workers-and-queues", "workers"]) }, { name: "queues", label: "Queues", href: to(["workers-and-queues", "queues"]) }], view, "Workers and queues");
  const body = h("div", { class: "stack" });
  element.replaceChildren(h("h1", { class: "visually-hidden" }, "Workers and queues"), tabs, body);
  return view === "queues" ? queuesView(body) : workersView(body);
}
