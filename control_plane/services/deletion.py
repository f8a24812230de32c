"""What goes when a task goes, or is reset: its events, the models it made, and the addresses of its files.

The server deletes no file behind an address that a user supplied: addresses are handed to the caller (DESIGN 5).
"""

from dataclasses import dataclass, field
from typing import Any

import orjson

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

    deleted_models: list[str] = field(default_factory=list)
    detached: int = 0
    model_urls: list[str] = field(default_factory=list)
    artifact_urls: list[str] = field(default_factory=list)
    event_urls: list[str] = field(default_factory=list)

    @property
    def urls(self) -> dict[str, Any]:
        """The addresses as the API answers them."""
        return {"model_urls": self.model_urls, "artifact_urls": self.artifact_urls, "event_urls": self.event_urls}


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
    if options.return_file_urls:
        left.event_urls = await event_urls(ctx, task["id"])
    models = await listing.everything(ctx, "model", {"task": [task["id"]], "search_hidden": True}, ["uri", "ready"])
    for model in models:
        users = await listing.ids(ctx, "task", {"models.input.model": [model["id"]], "search_hidden": True})
        is_draft = not model.get("ready") and not any(user != task["id"] for user in users)
        if is_draft and model.get("uri"):
            left.model_urls.append(model["uri"])  # of a model that is kept, too: so the official server answers
        if options.delete_output_models and is_draft:
            transaction.delete("model", model["id"])
            forget_events(transaction, model["id"])
            left.deleted_models.append(model["id"])
        else:
            reference = f"{DELETED}{task['id']}" if is_deletion else None
            transaction.set("model", model["id"], {"task": reference, "last_change": ctx.now_iso})
            left.detached += 1
    return left


async def event_urls(ctx: Context, owner: str) -> list[str]:
    """Where the debug images of a task are, and the images inside its plots; each once."""
    found = [record.text for record in await ctx.store.events.records(owner, "image")]
    for record in await ctx.store.events.records(owner, "plot"):
        found += image_sources(record.text)
    return list(dict.fromkeys(url for url in found if url))


def image_sources(plot: str) -> list[str]:
    """The addresses of the images in a plot's JSON text; [] where it is no such text. Pure."""
    try:
        images = orjson.loads(plot)["layout"]["images"]
        sources = [image.get("source") for image in images]
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return []
    return [source for source in sources if isinstance(source, str) and "://" in source]


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
    forget_events(transaction, id)
    answer = {
        "deleted": True,
        "updated_children": len(children),
        "updated_models": left.detached,
        "deleted_models": len(left.deleted_models),
        "urls": left.urls if options.return_file_urls else None,
    }
    transaction.answer(id, answer)
    await commit(ctx, transaction)
    for owner in (id, *left.deleted_models):
        await drop_events(ctx, owner)
    return answer


FORGET = "forget-events:"
"""Prefix of the settings that say whose events are still to be removed."""


def forget_events(transaction: Transaction, owner: str) -> None:
    """Note in a deletion's transaction that the events go too: they cannot be part of it (another hash tag)."""
    transaction.create("setting", f"{FORGET}{owner}", {"owner": owner})


async def drop_events(ctx: Context, owner: str) -> None:
    """Remove the events of a deleted task or model, and the note about it; a watchdog does what was left undone."""
    await ctx.store.events.delete(owner)
    transaction = ctx.store.transaction()
    transaction.delete("setting", f"{FORGET}{owner}")
    await transaction.commit()


async def drop_forgotten(ctx: Context) -> int:
    """Remove the events of everything whose deletion was cut short; return how many there were."""
    owners = [id.removeprefix(FORGET) for id in await ctx.store.ids("setting") if id.startswith(FORGET)]
    for owner in owners:
        await drop_events(ctx, owner)
    return len(owners)


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
        forget_events(transaction, model["id"])
        await transaction.commit()
        await drop_events(ctx, model["id"])
        models += 1
        if model.get("uri"):
            urls["model_urls"].append(model["uri"])
    return len(tasks), models, urls
