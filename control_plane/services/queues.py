"""`queues.*`: the queues themselves; what waits in them is in `queues_entries`."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from control_plane.schema.base import Empty
from control_plane.schema.queues import (
    CreateRequest,
    DeleteMetadataRequest,
    DeleteRequest,
    GetByIdRequest,
    MetadataRequest,
    UpdateRequest,
)
from control_plane.services import listing, queue_choice
from control_plane.services.context import Context
from control_plane.services.errors import ApiError, Subcode, duplicate, unknown_queue
from control_plane.services.models import metadata
from control_plane.services.query_fields import query_fields
from control_plane.services.queues_entries import require, restore_task
from control_plane.services.registry import endpoint
from control_plane.services.sections import clean_name, clean_tags
from control_plane.store import GuardFailed, Transaction
from control_plane.store.layout import Path
from control_plane.store.queues import Entry

READS = query_fields("queue", "max_task_entries")

DELETE_ROUNDS = 100
"""How often a queue is emptied again while tasks are put into it, before its deletion gives up."""


async def commit(ctx: Context, transaction: Transaction, queue: str, name: str | None = None) -> None:
    """Commit a change of a queue's own fields, in the words of the API."""
    try:
        await transaction.commit()
    except GuardFailed as failed:
        if failed.guard.kind == "name":
            raise duplicate(name=name, company=ctx.company) from None
        raise unknown_queue(id=queue, company=ctx.company) from None


@endpoint("queues.create", CreateRequest, min_version="2.31")
async def create(ctx: Context, request: CreateRequest) -> dict[str, Any]:
    """Make a queue; its name is unique."""
    name = clean_name(request.name)
    id = uuid4().hex
    document = queue_choice.new_document(ctx.company, name, ctx.now_iso)
    document["tags"] = clean_tags(request.tags or [])
    document["system_tags"] = clean_tags(request.system_tags or [], "system_tags")
    document["metadata"] = metadata(request.metadata or [])
    if request.display_name:
        document["display_name"] = request.display_name
    transaction = ctx.store.transaction()
    transaction.claim_name("queue", ctx.company, name, id)
    transaction.create("queue", id, document)
    await commit(ctx, transaction, id, name)
    return {"id": id}


@endpoint("queues.update", UpdateRequest, min_version="2.31")
async def update(ctx: Context, request: UpdateRequest) -> dict[str, Any]:
    """Change a queue; what is not given stays."""
    queue = await require(ctx, request.queue, ["name"])
    fields: dict[str, Any] = {}
    transaction = ctx.store.transaction()
    if request.name is not None:
        fields["name"] = clean_name(request.name)
        if fields["name"] != queue.get("name"):
            transaction.expect("queue", request.queue, {"name": queue.get("name")})
            transaction.claim_name("queue", ctx.company, fields["name"], request.queue)
            transaction.release_name("queue", ctx.company, str(queue.get("name")), request.queue)
    if request.display_name is not None:
        fields["display_name"] = request.display_name
    if request.tags is not None:
        fields["tags"] = clean_tags(request.tags)
    if request.system_tags is not None:
        fields["system_tags"] = clean_tags(request.system_tags, "system_tags")
    if request.metadata is not None:
        fields["metadata"] = metadata(request.metadata)
    if not fields:
        return {"updated": 0, "fields": {}}
    transaction.set("queue", request.queue, {**fields, "last_update": ctx.now_iso})
    await commit(ctx, transaction, request.queue, fields.get("name"))
    return {"updated": 1, "fields": fields}


@endpoint("queues.delete", DeleteRequest)
async def delete(ctx: Context, request: DeleteRequest) -> dict[str, Any]:
    """Delete a queue; one in which tasks wait only with `force`, and they return to what they were."""
    queue = await require(ctx, request.queue, ["name"])
    for _ in range(DELETE_ROUNDS):
        for entry in (await ctx.store.queues.entries([request.queue]))[0]:
            if not request.force:
                raise ApiError(
                    400, Subcode.QUEUE_NOT_EMPTY, "Queue is not empty (use force=true to delete)", id=request.queue
                )
            await restore_task(ctx, request.queue, entry.task, reason=f"Queue {request.queue} was deleted")
        transaction = ctx.store.transaction()
        transaction.expect_empty(request.queue)
        transaction.expect("queue", request.queue, {"name": queue.get("name")})
        transaction.release_name("queue", ctx.company, str(queue.get("name")), request.queue)
        transaction.delete("queue", request.queue)
        try:
            await transaction.commit()
        except GuardFailed as failed:
            if failed.guard.kind == "empty":
                continue  # a task came in between
            raise unknown_queue(id=request.queue, company=ctx.company) from None
        return {"deleted": 1}
    raise ApiError(
        400, Subcode.QUEUE_NOT_EMPTY, "Tasks are put into this queue faster than it empties", id=request.queue
    )


@endpoint("queues.get_by_id", GetByIdRequest, min_version="2.20")
async def get_by_id(ctx: Context, request: GetByIdRequest) -> dict[str, Any]:
    """One queue with what waits in it."""
    queue = await require(ctx, request.queue)
    await add_entries(ctx, [queue], request.max_task_entries)
    return {"queue": queue}


@endpoint("queues.get_all", dict, min_version="2.21", reads=READS)
async def get_all(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """The queues that a query finds."""
    return await _list(ctx, request, expand=False)


@endpoint("queues.get_all_ex", dict, min_version="2.27", reads=READS)
async def get_all_ex(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """The queues that a query finds, with the names of the waiting tasks, and who serves them."""
    fields = listing.only_fields(request)
    if any(path.startswith(("entries.", "workers.")) for path in fields):
        request = {**request, "only_fields": []}  # official servers answer everything then
    answer = await _list(ctx, request, expand=True)
    if not request.get("only_fields") or "workers" in fields:
        await _add_workers(ctx, answer["queues"])
    return answer


async def _add_workers(ctx: Context, queues: Sequence[dict[str, Any]]) -> None:
    """Put the living workers that serve each queue into it, in place, with the names of what they run."""
    alive = await ctx.store.workers.alive(ctx.now_ms)
    names = await task_names(ctx, [worker["task"] for worker in alive if worker.get("task")])
    shown: dict[str, list[dict[str, Any]]] = {}
    for worker in sorted(alive, key=lambda worker: str(worker["worker"])):
        one = {"id": worker["worker"], "name": worker["worker"], "key": worker["id"], "ip": worker.get("ip", "")}
        if worker.get("task") in names:
            one["task"] = names[worker["task"]]
        for queue in worker.get("queues", ()):
            shown.setdefault(queue, []).append(one)
    for document in queues:
        document["workers"] = shown.get(document["id"], [])


async def task_names(ctx: Context, tasks: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Task -> its id and name, of those that exist."""
    ids = list(dict.fromkeys(tasks))
    found = await ctx.store.get_many("task", ids, ["name"])
    return {id: {"id": id, "name": task.get("name", "")} for id, task in zip(ids, found, strict=True) if task}


async def _list(ctx: Context, request: dict[str, Any], *, expand: bool) -> dict[str, Any]:
    fields = listing.only_fields(request)
    with_entries = not fields or any(path.partition(".")[0] == "entries" for path in fields)
    if with_entries and fields:
        # Entries are no part of the document: they are added below, by id.
        kept = [path for path in fields if path.partition(".")[0] != "entries"]
        request = {**request, "only_fields": ["id", *kept]}
    answer = await listing.answer(ctx, "queue", "queues", request, expand=expand)
    if with_entries:
        await add_entries(ctx, answer["queues"], _limit(request), expand=expand)
    if with_entries and fields and "id" not in fields and not expand:
        for queue in answer["queues"]:
            del queue["id"]
    return answer


def _limit(request: Mapping[str, Any]) -> int | None:
    limit = request.get("max_task_entries")
    return limit if isinstance(limit, int) and limit >= 0 else None


async def add_entries(
    ctx: Context, queues: Sequence[dict[str, Any]], limit: int | None = None, *, expand: bool = False
) -> None:
    """Put what waits into each queue, in place; `expand` names the tasks instead of giving their ids."""
    waiting = await ctx.store.queues.entries([queue["id"] for queue in queues], limit)
    shown: dict[str, Any] = {}
    if expand:
        shown = await task_names(ctx, [entry.task for entries in waiting for entry in entries])
    for queue, entries in zip(queues, waiting, strict=True):
        queue["entries"] = [_entry(entry, shown) for entry in entries]


def _entry(entry: Entry, shown: Mapping[str, Any]) -> dict[str, Any]:
    added = datetime.fromtimestamp(entry.added_ms / 1000, UTC).isoformat(timespec="microseconds")
    return {"task": shown.get(entry.task, entry.task), "added": added}


@endpoint("queues.get_default", Empty)
async def get_default(ctx: Context, _request: Empty) -> dict[str, Any]:
    """The queue that is used where none is named."""
    queue = await require(ctx, await queue_choice.default(ctx), ["name"])
    return {"id": queue["id"], "name": queue["name"]}


@endpoint("queues.add_or_update_metadata", MetadataRequest, min_version="2.13")
async def add_or_update_metadata(ctx: Context, request: MetadataRequest) -> dict[str, Any]:
    """Set metadata entries; the others stay or are replaced."""
    items = metadata(request.metadata)
    transaction = ctx.store.transaction()
    if request.replace_metadata:
        transaction.replace_part("queue", request.queue, "metadata", items)
    else:
        paths: dict[Path, Any] = {("metadata", key): item for key, item in items.items()}
        transaction.set("queue", request.queue, paths)
    transaction.set("queue", request.queue, {"last_update": ctx.now_iso})
    await commit(ctx, transaction, request.queue)
    return {"updated": 1}


@endpoint("queues.delete_metadata", DeleteMetadataRequest, min_version="2.13")
async def delete_metadata(ctx: Context, request: DeleteMetadataRequest) -> dict[str, Any]:
    """Remove metadata entries; those that are not there are no error."""
    transaction = ctx.store.transaction()
    transaction.unset("queue", request.queue, [("metadata", key) for key in request.keys])
    transaction.set("queue", request.queue, {"last_update": ctx.now_iso})
    await commit(ctx, transaction, request.queue)
    return {"updated": 1}
