// @ts-check
// "Delete": tasks, their output models, and the files of this server that belong to them.

import { call } from "../core/api.js";
import { base, fileAddress } from "../core/address.js";
import { h } from "../core/dom.js";
import { plural } from "../core/format.js";
import { ask } from "../widgets/dialog.js";
import { toast } from "../widgets/toast.js";

/** @param {any[]} tasks */
export function deleteDialog(tasks) {
  const files = h("input", { type: "checkbox", checked: true });
  const what = tasks.length === 1 ? `“${tasks[0].name}”` : plural(tasks.length, "task");
  const body = [h("p", {}, `${what} is deleted for good, with everything it reported and its output models.`),
    h("label", { class: "check" }, files, "Also delete the files of this server: artifacts, models, samples")];
  return ask({
    title: "Delete", body, action: "Delete", danger: true,
    run: async () => {
      const answer = await call("tasks.delete_many", { ids: tasks.map((task) => task.id), force: true, delete_output_models: true, return_file_urls: true });
      const failed = answer.failed ?? [];
      const addresses = (answer.succeeded ?? []).flatMap((/** @type {any} */ one) => Object.values(one.urls ?? {}).flat());
      const removed = files.checked ? await deleteFiles(addresses) : 0;
      if (failed.length) throw new Error(`${failed.length} of ${tasks.length}: ${failed[0].error?.msg ?? "refused"}`);
      toast(`Deleted ${what}${removed ? ` and ${plural(removed, "file")}` : ""}.`);
    },
  });
}

/**
 * Delete files of this server. The file server changes nothing for a cookie, so the page asks for a token first.
 * @param {string[]} addresses @returns {Promise<number>} how many were deleted
 */
export async function deleteFiles(addresses) {
  const paths = addresses.map((one) => fileAddress(one)).filter(Boolean)
    .map((path) => decodeURIComponent(/** @type {string} */ (path).slice(`${base}files/`.length)));
  if (!paths.length) return 0;
  const { token } = await call("auth.login");
  const answer = await fetch(`${base}files/delete_many`, {
    method: "POST", headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` }, body: JSON.stringify({ files: paths }),
  });
  return answer.ok ? Object.keys((await answer.json()).deleted ?? {}).length : 0;
}
