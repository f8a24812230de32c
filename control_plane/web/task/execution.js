// @ts-check
// EXECUTION: the code, its packages and changes, the container, where output goes.

import { h } from "../core/dom.js";
import { facts, field } from "../widgets/controls.js";
import { section } from "../widgets/section.js";
import { textEditor, textView } from "../widgets/text.js";
import { draftOnly, edit, packages } from "./state.js";
import { checkDestination } from "./destination.js";

/** @param {HTMLElement} element */
export function executionTab(element) {
  const parts = [source(), installed(), changes(), container(), output()];
  element.replaceChildren(h("div", { class: "stack" }, parts.map((part) => part.node)));
  return { update: (/** @type {any} */ task) => parts.forEach((part) => part.update(task)) };
}

/** Which commit a script is of: one of the three ways to say it. @param {any} script */
function revisionKind(script) {
  if (script.version_num) return "commit";
  return script.tag ? "tag" : "branch";
}

const KINDS = { commit: "Commit ID", tag: "Tag name", branch: "Last commit in branch" };

function source() {
  return section({
    title: "Source code", why: draftOnly, read: (task) => task.script ?? {},
    view: (script) => {
      const kind = revisionKind(script);
      const rows = /** @type {[string, any][]} */ ([["Repository", script.repository], [KINDS[kind], { commit: script.version_num, tag: script.tag, branch: script.branch }[kind]],
        ...(kind === "commit" && script.branch ? [["Branch", script.branch]] : []), ...(kind === "commit" && script.tag ? [["Tag", script.tag]] : []),
        ["Script", script.entry_point], ["Working directory", script.working_dir], ["Binary", script.binary]]);
      return facts(rows);
    },
    form: (script, task) => {
      const input = (/** @type {string} */ name) => h("input", { class: "input", type: "text", value: script[name] ?? "" });
      const [repository, entry, folder, binary] = ["repository", "entry_point", "working_dir", "binary"].map(input);
      const now = revisionKind(script);
      const kind = h("select", { class: "input", "aria-label": "Revision by" }, Object.entries(KINDS).map(([value, label]) => h("option", { value }, label)));
      const text = h("input", { class: "input", type: "text", "aria-label": "Revision" });
      const known = { commit: script.version_num ?? "", tag: script.tag ?? "", branch: script.branch ?? "" };
      const show = () => { text.value = known[/** @type {keyof typeof known} */ (kind.value)]; };
      kind.value = now;
      kind.addEventListener("change", show);
      show();
      return {
        node: h("div", { class: "form-grid three" }, field("Repository", repository), h("div", { class: "field" }, h("span", { class: "field-name" }, "Revision"), kind, text),
          field("Script", entry), field("Working directory", folder), field("Binary", binary)),
        save: async () => {
          const value = text.value.trim();
          if (kind.value === "commit" && value && !/^[0-9a-fA-F]{4,64}$/.test(value)) throw new Error("A commit ID has hexadecimal digits alone: for a name choose “Tag name” or “Last commit in branch”.");
          if (!entry.value.trim()) throw new Error("The script is needed: the agent would not know what to run.");
          const revision = { commit: { version_num: value }, tag: { version_num: "", tag: value }, branch: { version_num: "", tag: "", branch: value } }[/** @type {keyof typeof KINDS} */ (kind.value)];
          const next = { repository: repository.value.trim(), entry_point: entry.value.trim(), working_dir: folder.value.trim(), binary: binary.value.trim(), ...revision };
          const before = Object.fromEntries(Object.keys(next).map((name) => [name, script[name] ?? ""]));
          await edit(task, { script: next }, { script: before }, "Source code");
        },
      };
    },
  });
}

function installed() {
  /** @param {any} task @param {string} pip @param {string} what */
  const put = (task, pip, what) => {
    const all = task.script?.requirements ?? {};
    return edit(task, { script: { requirements: { ...all, pip } } }, { script: { requirements: all } }, what);
  };
  /** @type {any} */
  let now = null;
  const part = section({
    title: "Installed packages", why: draftOnly,
    read: (task) => { now = task; return task.script?.requirements ?? {}; },
    view: (all) => {
      const text = packages(all.pip);
      const original = packages(all.orig_pip);
      const note = original && original !== text ? h("p", { class: "quiet small" }, "Changed since the task recorded them: “Original Pip” brings them back.") : null;
      return text ? [note, textView(text, { label: "packages" })] : [note, h("p", { class: "quiet" }, "None: the agent installs the repository's requirements.txt where there is one, and nothing otherwise.")];
    },
    form: (all, task) => {
      const box = textEditor(packages(all.pip), "Installed packages", 12);
      return { node: h("div", {}, h("p", { class: "quiet small" }, "One requirement a line, as pip reads them"), box), save: () => put(task, box.value.trim(), "Packages") };
    },
    extras: [
      { label: "Clear", icon: "trash", when: (all) => !!packages(all.pip), run: () => put(now, "", "Packages") },
      { label: "Original Pip", icon: "reset", when: (all) => !!all.orig_pip && packages(all.orig_pip) !== packages(all.pip), run: (all) => put(now, packages(all.orig_pip), "Packages") },
    ],
  });
  return part;
}

function changes() {
  /** @type {any} */
  let now = null;
  return section({
    title: "Uncommitted changes", why: draftOnly, read: (task) => { now = task; return task.script?.diff ?? ""; },
    view: (diff) => (diff ? textView(diff, { isDiff: /^(diff --git|--- |@@)/m.test(diff), label: "uncommitted changes" }) : h("p", { class: "quiet" }, "None.")),
    form: (diff, task) => {
      const box = textEditor(diff, "Uncommitted changes");
      return { node: box, save: () => edit(task, { script: { diff: box.value } }, { script: { diff } }, "Uncommitted changes") };
    },
    extras: [{ label: "Discard", icon: "trash", when: (diff) => !!diff, run: (diff) => edit(now, { script: { diff: "" } }, { script: { diff } }, "Uncommitted changes") }],
  });
}

function container() {
  /** @type {any} */
  let now = null;
  return section({
    title: "Container", why: draftOnly, read: (task) => { now = task; return task.container ?? {}; },
    view: (value) => (value.image || value.arguments || value.setup_shell_script
      ? [facts([["Image", value.image], ["Arguments", value.arguments]]), value.setup_shell_script ? textView(value.setup_shell_script, { label: "setup script" }) : null,
        h("p", { class: "quiet small" }, "Used by agents in docker mode; others run the task without a container and say so in its console.")]
      : h("p", { class: "quiet" }, "None: agents in docker mode use their default image.")),
    form: (value, task) => {
      const image = h("input", { class: "input", type: "text", value: value.image ?? "", placeholder: "python:3.12" });
      const words = h("input", { class: "input", type: "text", value: value.arguments ?? "", placeholder: "--ipc=host" });
      const script = textEditor(value.setup_shell_script ?? "", "Setup shell script", 4);
      return {
        node: h("div", { class: "stack" }, h("div", { class: "form-grid" }, field("Image", image), field("Arguments", words)), field("Setup shell script", script)),
        save: () => edit(task, { container: { image: image.value.trim(), arguments: words.value.trim(), setup_shell_script: script.value } }, { container: value }, "Container"),
      };
    },
    extras: [{ label: "Clear", icon: "trash", when: (value) => Object.values(value).some(Boolean), run: (value) => edit(now, { container: {} }, { container: value }, "Container") }],
  });
}

function output() {
  /** @type {any} */
  let now = null;
  return section({
    title: "Output", why: draftOnly, read: (task) => { now = task; return task.output?.destination ?? ""; },
    view: (destination) => facts([["Destination", destination]]),
    form: (destination, task) => {
      const input = h("input", { class: "input", type: "text", value: destination, placeholder: "s3://bucket/folder" });
      return {
        node: field("Destination", input, "A folder, s3://bucket/folder, s3://host:port/bucket, gs://bucket/folder, azure://account.blob.core.windows.net/container"),
        save: async () => {
          checkDestination(input.value.trim());
          await edit(task, { output_dest: input.value.trim() }, { output_dest: destination }, "Output destination");
        },
      };
    },
    extras: [{ label: "Clear", icon: "trash", when: (destination) => !!destination, run: (destination) => edit(now, { output_dest: "" }, { output_dest: destination }, "Output destination") }],
  });
}
