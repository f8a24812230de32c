"""Reporting: `events.add`, `events.add_batch`, and forgetting. Reading is in `events_read`.

A batch is split by task; each part is stored once, however often it is sent. Source: contract/wire.md, section 11.
"""

import asyncio
import hashlib
from typing import Any

import msgspec
import orjson

from control_plane.schema.events import Added, DeleteForModel, DeleteForTask, Event
from control_plane.services import event_batches, event_packing
from control_plane.services.context import Context
from control_plane.services.errors import ApiError, Subcode, fenced, unknown_model, unknown_task, validation
from control_plane.services.event_batches import Batch, OwnerPart
from control_plane.services.event_projection import READ, project
from control_plane.services.registry import endpoint
from control_plane.services.status import LOCKED
from control_plane.services.tasks_common import begin, commit
from control_plane.store.events import SEQUENCE, EarlierGeneration
from control_plane.store.turns import Turns

Owner = tuple[str, str]


@endpoint("events.add", dict, Added, min_version="2.1", reads=frozenset(Event.__struct_fields__))
async def add(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Store one event."""
    try:
        event = msgspec.convert(request, Event, strict=False)
    except msgspec.ValidationError as wrong:
        raise validation(f"event: {wrong}") from None
    batch = _batch(ctx, orjson.dumps(request))
    event_batches.sort(batch, [event], worker=ctx.worker)
    return await _store(ctx, batch)


@endpoint("events.add_batch", bytes, Added, min_version="2.1")
async def add_batch(ctx: Context, request: bytes) -> dict[str, Any]:
    """Store the events of an NDJSON body, each line one event, or of a packed one (`event_packing`)."""
    batch, lines = _batch(ctx, request), request
    if event_packing.is_packed(request):
        lines = event_packing.unpack(request, batch, worker=ctx.worker)
    elif not request.strip():
        raise ApiError(400, Subcode.EMPTY_BATCH, "Batch request contains no items")
    turns = Turns()
    for piece in event_batches.pieces(lines):
        event_batches.sort(batch, event_batches.decode(piece), worker=ctx.worker)
        await turns.rest()
    return await _store(ctx, batch)


@endpoint("events.delete_for_task", DeleteForTask, min_version="2.1")
async def delete_for_task(ctx: Context, request: DeleteForTask) -> dict[str, Any]:
    """Forget every event of a task."""
    task = await ctx.store.get("task", request.task, ["status"])
    if task is None or (task.get("status") in LOCKED and not request.allow_locked):
        raise unknown_task(id=request.task, company=ctx.company)
    return await _forget(ctx, "task", request.task)


@endpoint("events.delete_for_model", DeleteForModel, min_version="2.22")
async def delete_for_model(ctx: Context, request: DeleteForModel) -> dict[str, Any]:
    """Forget every event of a model."""
    model = await ctx.store.get("model", request.model, ["ready"])
    if model is None or (model.get("ready") and not request.allow_locked):
        raise unknown_model(id=request.model, company=ctx.company)
    return await _forget(ctx, "model", request.model)


async def _forget(ctx: Context, kind: str, owner: str) -> dict[str, Any]:
    sequence = await ctx.store.events.reset(owner)
    transaction = begin(ctx, owner) if kind == "task" else ctx.store.transaction()
    transaction.set(kind, owner, {"last_metrics": {}, "last_iteration": 0, SEQUENCE: sequence})
    await commit(ctx, transaction)
    return {"deleted": True}


def _batch(ctx: Context, body: bytes) -> Batch:
    """An empty batch: by its own id, or else by the bytes that it comes in."""
    return Batch(ctx.batch_id or hashlib.blake2b(body, digest_size=16).hexdigest(), ctx.now_ms)


async def _store(ctx: Context, batch: Batch) -> dict[str, Any]:
    """Store what can be stored; raise 400/131 when that is nothing."""
    owners = await _accepted(ctx, batch)
    try:
        async with asyncio.TaskGroup() as group:
            stored = [
                group.create_task(_store_part(ctx, owner, batch.owners[owner], document), name=f"events of {owner[1]}")
                for owner, document in owners.items()
            ]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None  # the caller is told of one reason, as any other call is
    added = sum(task.result() for task in stored)
    errors = dict(batch.errors)
    if not added:
        raise ApiError(400, Subcode.EVENTS_NOT_ADDED, "Events not added", **errors)
    return {"added": added, "errors": sum(errors.values()), "errors_info": errors}


async def _accepted(ctx: Context, batch: Batch) -> dict[Owner, dict[str, Any]]:
    """The owners that take their events, with their documents; the others' events are counted as errors."""
    accepted: dict[Owner, dict[str, Any]] = {}
    for kind in ("task", "model"):
        ids = [id for of, id in batch.owners if of == kind]
        if not ids:
            continue
        for id, document in zip(ids, await ctx.store.get_many(kind, ids, READ), strict=True):
            part = batch.owners[kind, id]
            if document is None or (_is_locked(kind, document) and not part.allow_locked):
                batch.errors[f"Invalid {kind} id {id}"] += part.count
            else:
                accepted[kind, id] = document
    claim = ctx.identity.claim
    if claim is not None and ("task", claim.task) in accepted:
        # A reset fences first and forgets second: who passes here and is too late all the same is told apart by
        # the generation.
        owned = batch.owners["task", claim.task]
        owned.part.generation = await ctx.store.events.generation(claim.task)
        await commit(ctx, begin(ctx, claim.task))
    return accepted


def _is_locked(kind: str, document: dict[str, Any]) -> bool:
    return document.get("status") in LOCKED if kind == "task" else bool(document.get("ready"))


async def _store_part(ctx: Context, owner: Owner, owned: OwnerPart, document: dict[str, Any]) -> int:
    """Store one owner's part and bring its document up to date; returns how many events that were."""
    kind, id = owner
    owned.part.answer = str(owned.count).encode()
    try:
        appended = await ctx.store.events.append(id, owned.part)
    except EarlierGeneration:
        ctx.counters["fenced_writes"] += 1
        raise fenced(id, ctx.identity.claim.number if ctx.identity.claim else 0, None) from None
    await project(ctx, kind, id, document, appended, owned.last_iteration)
    return int(appended.repeated or 0) if appended.repeated is not None else owned.count
