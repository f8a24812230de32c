// @ts-check
// "New task": a draft of code that nobody ran yet, from a repository or from a script that is written here; and it may be
// enqueued at once.

import { call } from "../core/api.js";
import { to } from "../core/address.js";
import { findProjects, findQueues } from "../core/finders.js";
import { h } from "../core/dom.js";
import { go } from "../core/router.js";
import { field } from "../widgets/controls.js";
import { ask } from "../widgets/dialog.js";
import { picker } from "../widgets/picker.js";
import { textEditor } from "../widgets/text.js";
import { toast } from "../widgets/toast.js";

const TYPES = ["training", "testing", "inference", "data_processing", "application", "monitor", "controller", "optimizer", "service", "qc", "custom"];
const NAME_LETTERS = 3;

/** @param {{id: string, name: string} | null} here the project it is asked for in */
export async function newTaskDialog(here) {
  const text = (/** @type {string} */ value, placeholder = "") => h("input", { class: "input", type: "text", value, placeholder });
  const name = h("input", { class: "input", type: "text", autofocus: true });
  const project = picker({ label: "Project", find: findProjects, chosen: here, mayCreate: true, placeholder: "Type to search or to create" });
  const type = h("select", { class: "input" }, TYPES.map((one) => h("option", { value: one }, one.replaceAll("_", " "))));
  const from = h("select", { class: "input", change: () => show() }, h("option", { value: "repository" }, "A git repository"), h("option", { value: "script" }, "A script, written here"));
  const repository = text("", "https://git.example/team/project.git"), branch = text("", "The default branch"), commit = text("", "The last of the branch");
  const entry = text("", "train.py"), folder = text("", "The repository's root"), binary = text("", "python3");
  const code = textEditor("", "Script", 10);
  const words = textEditor("", "Arguments", 3), packages = textEditor("", "Packages", 3);
  words.placeholder = "lr = 0.01";
  packages.placeholder = "Empty: the repository's requirements.txt";
  const image = text("", "python:3.12"), output = text("", "s3://bucket/folder");
  const queue = picker({ label: "Queue", find: findQueues, placeholder: "Empty: it stays a draft" });
  const ofRepository = h("div", { class: "form-grid three" }, field("Repository", repository), field("Script in it", entry), field("Working directory", folder), field("Branch", branch), field("Commit ID or tag", commit), field("Python", binary));
  const ofScript = field("Script", code, "It runs as it is written here, by itself");
  const show = () => {
    ofRepository.hidden = from.value !== "repository";
    ofScript.hidden = from.value !== "script";
  };
  show();

  function script() {
    const requirements = packages.value.trim() ? { requirements: { pip: packages.value.trim() } } : {};
    const common = { binary: binary.value.trim() || "python3", ...requirements };
    if (from.value === "script") {
      if (!code.value.trim()) throw new Error("Write the script.");
      return { ...common, entry_point: "script.py", working_dir: ".", diff: code.value };
    }
    if (!repository.value.trim() || !entry.value.trim()) throw new Error("The repository and the script in it are needed.");
    const revision = commit.value.trim();
    const isCommit = /^[0-9a-fA-F]{7,64}$/.test(revision);
    return { ...common, repository: repository.value.trim(), branch: branch.value.trim(), entry_point: entry.value.trim(), working_dir: folder.value.trim() || ".", ...(revision ? { [isCommit ? "version_num" : "tag"]: revision } : {}) };
  }

  await ask({
    title: "New task", action: "Create", wide: true,
    body: [h("div", { class: "form-grid three" }, field("Name", name), field("Project", project.node), field("Type", type)), field("Code", from), ofRepository, ofScript,
      h("div", { class: "form-grid" }, field("Arguments", words, "One a line: name = value"), field("Packages", packages, "One a line, as pip reads them")),
      h("div", { class: "form-grid three" }, field("Container image", image, "For agents in docker mode"), field("Output destination", output, "Empty: as the agent is configured"), field("Enqueue on", queue.node, "It runs when a worker of the queue is free"))],
    run: async () => {
      const wanted = project.value(), own = name.value.trim();
      if (own.length < NAME_LETTERS) throw new Error("The name needs at least three letters.");
      if (!wanted.id && !wanted.name) throw new Error("Choose a project.");
      const [into, args, code_] = [queue.value(), parameters(words.value), script()];
      if (!into.id && into.name) throw new Error(`There is no queue “${into.name}”: choose one of the list.`);
      const place = wanted.id ?? (await projectCalled(wanted.name));
      const { id } = await call("tasks.create", { name: own, type: type.value, project: place, script: code_, ...(args ? { hyperparams: { Args: args } } : {}),
        ...(image.value.trim() ? { container: { image: image.value.trim() } } : {}), ...(output.value.trim() ? { output_dest: output.value.trim() } : {}) });
      if (into.id) await call("tasks.enqueue", { task: id, queue: into.id });
      toast(into.id ? `Created “${own}” and enqueued it on “${into.name}”.` : `Created “${own}”.`);
      await go(to(["projects", place, "tasks", id, "execution"]));
    },
  });
}

/** @param {string} name */
async function projectCalled(name) {
  const { projects } = await call("projects.get_all_ex", { name: `^${name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}$`, only_fields: ["id"], shallow_search: false });
  return projects[0]?.id ?? (await call("projects.create", { name })).id;
}

/** Lines "name = value" as parameters. @param {string} text */
function parameters(text) {
  const lines = text.split("\n").map((line) => line.trim()).filter(Boolean);
  if (!lines.length) return null;
  return Object.fromEntries(lines.map((line) => {
    const at = line.indexOf("=");
    if (at < 1) throw new Error(`“${line}” is no argument: write name = value.`);
    const name = line.slice(0, at).trim().replace(/^--/, "");
    return [name, { section: "Args", name, value: line.slice(at + 1).trim() }];
  }));
}
