// @ts-check
// A project's overview: what people wrote about it, and its statistics.

import { call } from "../core/api.js";
import { h } from "../core/dom.js";
import { STATUS, duration, number } from "../core/format.js";
import { mayWrite } from "../core/session.js";
import { facts } from "../widgets/controls.js";
import { markdown } from "../widgets/markdown.js";
import { saved, section } from "../widgets/section.js";
import { textEditor } from "../widgets/text.js";
import { projectHead } from "./project_head.js";

/** @type {import("../core/router.js").View} */
export async function overviewPage(element, { project: id }) {
  const load = async () => (await call("projects.get_all_ex", { id: [id], search_hidden: true, include_stats: true, stats_with_children: true })).projects[0];
  const project = await load();
  if (!project) throw new Error("There is no such project (any more).");
  document.title = `${project.name} · clearml-lean`;
  const put = async (/** @type {string} */ description) => {
    await call("projects.update", { project: id, description });
    text.update(await load());
  };
  const text = section({
    title: "About", why: () => (mayWrite() ? null : "Your role may read only"), read: (one) => one.description ?? "",
    view: (about) => (about ? markdown(about) : h("p", { class: "quiet" }, "Nothing is written here yet. Markdown is understood.")),
    form: (about) => {
      const box = textEditor(about, "About the project", 18);
      return { node: box, save: async () => { await put(box.value); saved("Saved.", () => put(about)); } };
    },
  });
  const stats = project.stats?.active ?? {};
  const numbers = section({ title: "Tasks", read: (one) => one, view: () => facts([...Object.entries(stats.status_count ?? {}).filter(([, count]) => count).map(([status, count]) => /** @type {[string, any]} */ ([STATUS[status] ?? status, number(/** @type {number} */ (count))])), ["Computing", duration(stats.total_runtime)], ["Default output", project.default_output_destination]]) });
  element.replaceChildren(await projectHead(/** @type {string} */ (id), "overview"), h("div", { class: "two" }, text.node, numbers.node));
  text.update(project);
  numbers.update(project);
}
