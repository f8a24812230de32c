"""What goes when a task goes, or is reset: its events, the models it made, and the addresses of its files.

The server deletes no file behind an address that a user supplied: addresses are handed to the caller (DESIGN 5).
"""

from dataclasses import dataclass, field
from typing import Any

from control_plane.schema.tasks import DeletionOptions
from control_plane.services import listing
from control_plane.services.context import Context
from control_plane.services.tasks_common import begin, commit
from control_plane.store import Transaction

PARTS = (
    "status",
    "started",
    "system_tags",
    "execution",
    "models",
    "output",
    "project",
)
"""What of a task must be read to know what it leaves."""

DELETED = "__DELETED__"
"""Prefix that tells a reference to something deleted from a live one."""


@dataclass
class Left:
    """What became of the models of a task, and where its files are."""

    deleted: int = 0
    detached: int = 0
    model_urls: list[str] = field(default_factory=list)
    artifact_urls: list[str] = field(default_factory=list)

    @property
    def urls(self) -> dict[str, Any]:
        """The addresses as the API answers them."""
        return {"model_urls": self.model_urls, "artifact_urls": self.artifact_urls, "event_urls": []}


async def plan_models(
    ctx: Context, task: dict[str, Any], options: DeletionOptions, transaction: Transaction, *, is_deletion: bool = False
) -> Left:
    """Add to `transaction` what happens to the models that a task made.

    Drafts that no other task uses go with it, unless the caller keeps them; the others stay and forget the task.
    """
    left = Left()
    for item in (task.get("execution") or {}).get("artifacts") or ():
        if item.get("mode") != "input" and item.get("uri"):
            left.artifact_urls.append(item["uri"])
    models = await listing.everything(ctx, "model", {"task": [task["id"]], "search_hidden": True}, ["uri", "ready"])
    for model in models:
        users = await listing.ids(ctx, "task", {"models.input.model": [model["id"]], "search_hidden": True})
        in_use = any(user != task["id"] for user in users)
        if options.delete_output_models and not model.get("ready") and not in_use:
            transaction.delete("model", model["id"])
            left.deleted += 1
            if model.get("uri"):
                left.model_urls.append(model["uri"])
        else:
            reference = f"{DELETED}{task['id']}" if is_deletion else None
            transaction.set("model", model["id"], {"task": reference, "last_change": ctx.now_iso})
            left.detached += 1
    return left


async def delete_task(ctx: Context, task: dict[str, Any], options: DeletionOptions) -> dict[str, Any]:
    """Remove a task that was read with `PARTS`; its children keep a reference that says so."""
    id = task["id"]
    children = await listing.ids(ctx, "task", {"parent": id, "search_hidden": True})
    transaction = begin(ctx, id)
    transaction.expect("task", id, {"status": task.get("status")})
    left = await plan_models(ctx, task, options, transaction, is_deletion=True)
    for child in children:
        transaction.set("task", child, {"parent": f"{DELETED}{id}", "last_change": ctx.now_iso})
    transaction.delete("task", id)
    await commit(ctx, transaction)
    await drop_events(ctx, id)
    return {
        "deleted": True,
        "updated_children": len(children),
        "updated_models": left.detached,
        "deleted_models": left.deleted,
        "urls": left.urls if options.return_file_urls else None,
    }


async def drop_events(ctx: Context, task: str) -> None:
    """Forget the events of a task that was reset or deleted; late writes of the old run are dropped."""


async def delete_contents(ctx: Context, projects: list[str]) -> tuple[int, int, dict[str, Any]]:
    """Remove the tasks and models of some projects; return how many of each, and the addresses of their files."""
    options = DeletionOptions(force=True, return_file_urls=True)
    tasks = await listing.everything(ctx, "task", {"project": projects, "search_hidden": True}, PARTS)
    models = 0
    urls: dict[str, Any] = {"model_urls": [], "artifact_urls": [], "event_urls": []}
    for task in tasks:
        answer = await delete_task(ctx, task, options)
        models += answer["deleted_models"]
        for name, found in answer["urls"].items():
            urls[name] += found
    for model in await listing.everything(ctx, "model", {"project": projects, "search_hidden": True}, ["uri"]):
        transaction = ctx.store.transaction()
        transaction.delete("model", model["id"])
        await transaction.commit()
        models += 1
        if model.get("uri"):
            urls["model_urls"].append(model["uri"])
    return len(tasks), models, urls
