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
from control_plane.services.event_projection import RACES, READ, DocumentBehind, along, project
from control_plane.services.registry import endpoint
from control_plane.services.status import LOCKED
from control_plane.services.tasks_common import begin, commit, explained
from control_plane.store import GuardFailed
from control_plane.store.events import SEQUENCE, Appended, EarlierGeneration
from control_plane.store.turns import Turns

Owner = tuple[str, str]
LARGE_BYTES = 128 * 1024
"""A batch that is hashed in a thread: some tenths of a millisecond."""


@endpoint("events.add", dict, Added, min_version="2.1", reads=frozenset(Event.__struct_fields__))
async def add(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Store one event."""
    try:
        event = msgspec.convert(request, Event, strict=False)
    except msgspec.ValidationError as wrong:
        raise validation(f"event: {wrong}") from None
    batch = Batch(ctx.batch_id or _digest(orjson.dumps(request)), ctx.now_ms)
    event_batches.sort(batch, [event], worker=ctx.worker)
    return await _store(ctx, batch)


@endpoint("events.add_batch", bytes, Added, min_version="2.1")
async def add_batch(ctx: Context, request: bytes) -> dict[str, Any]:
    """Store the events of an NDJSON body, each line one event, or of a packed one (`event_packing`)."""
    digest, lines = None, request
    if not ctx.batch_id and len(request) > LARGE_BYTES:
        # Beside the decoding: hashing does not hold the interpreter.
        digest = asyncio.get_running_loop().run_in_executor(None, _digest, request)
    batch = Batch(ctx.batch_id or ("" if digest else _digest(request)), ctx.now_ms)
    if event_packing.is_packed(request):
        lines = event_packing.unpack(request, batch, worker=ctx.worker)
    elif not request.strip():
        raise ApiError(400, Subcode.EMPTY_BATCH, "Batch request contains no items")
    turns = Turns()
    for piece in event_batches.pieces(lines):
        event_batches.sort(batch, event_batches.decode(piece), worker=ctx.worker)
        await turns.rest()
    if digest is not None:
        batch.identify(await digest)
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


def _digest(body: bytes) -> str:
    """What identifies a batch without an id of its own: the bytes that it comes in."""
    return hashlib.blake2b(body, digest_size=16).hexdigest()


async def _store(ctx: Context, batch: Batch) -> dict[str, Any]:
    """Store what can be stored; raise 400/131 when that is nothing."""
    owners = await _accepted(ctx, batch)
    try:
        async with asyncio.TaskGroup() as group:
            stored = [
                group.create_task(_store_part(ctx, batch, owner, document), name=f"events of {owner[1]}")
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
    """The owners that take their events, with their documents; the others' events are counted as errors.

    Where events are stored together with what they do to the document, one that is believed to take them need not be
    read: storing them fails when it changed.
    """
    events, accepted = ctx.store.events, dict[Owner, dict[str, Any]]()
    for kind in ("task", "model"):
        unknown = []
        for owner, owned in batch.owners.items():
            if owner[0] != kind:
                continue
            document = events.believed(*owner) if events.are_beside_documents else None
            if document is not None and _takes(kind, document, owned):
                accepted[owner] = document
            else:
                unknown.append(owner[1])
        for id, found in zip(unknown, await ctx.store.get_many(kind, unknown, READ) if unknown else (), strict=True):
            if found is not None and _takes(kind, found, batch.owners[kind, id]):
                accepted[kind, id] = found
            else:
                _count_refused(batch, (kind, id))
    claim = ctx.identity.claim
    if not events.are_beside_documents and claim is not None and ("task", claim.task) in accepted:
        # A reset fences first and forgets second: who passes here and is too late all the same is told apart by
        # the generation.
        owned = batch.owners["task", claim.task]
        owned.part.generation = await events.generation(claim.task)
        await commit(ctx, begin(ctx, claim.task))
    return accepted


def _takes(kind: str, document: dict[str, Any], owned: OwnerPart) -> bool:
    is_locked = document.get("status") in LOCKED if kind == "task" else bool(document.get("ready"))
    return owned.allow_locked or not is_locked


def _count_refused(batch: Batch, owner: Owner) -> None:
    batch.errors[f"Invalid {owner[0]} id {owner[1]}"] += batch.owners[owner].count


async def _store_part(ctx: Context, batch: Batch, owner: Owner, document: dict[str, Any]) -> int:
    """Store one owner's part and bring its document up to date; returns how many events that were."""
    kind, id = owner
    owned = batch.owners[owner]
    owned.part.answer = str(owned.count).encode()
    if ctx.store.events.are_beside_documents:
        appended = await _store_together(ctx, batch, owner, document)
        if appended is None:
            return 0
    else:
        try:
            appended = await ctx.store.events.append(id, owned.part)
        except EarlierGeneration:
            ctx.counters["fenced_writes"] += 1
            raise fenced(id, ctx.identity.claim.number if ctx.identity.claim else 0, None) from None
    if not appended.is_shown:
        await project(ctx, kind, id, document, appended, owned.last_iteration)
    return int(appended.repeated or 0) if appended.repeated is not None else owned.count


async def _store_together(ctx: Context, batch: Batch, owner: Owner, document: dict[str, Any]) -> Appended | None:
    """Store a part and what it does to the document, in one step; None when its owner does not take it any more."""
    (kind, id), owned, events = owner, batch.owners[owner], ctx.store.events
    for _ in range(RACES):
        written: dict[str, Any] = {}
        try:
            appended = await events.append(
                id, owned.part, along(ctx, kind, id, document, owned.last_iteration, written)
            )  # fmt: skip
        except GuardFailed as failed:
            if failed.guard.kind == "claim":
                raise explained(ctx, failed) from None
        except DocumentBehind:
            sequence, _ = await events.statistics(id)
            await project(ctx, kind, id, document, Appended(sequence, ()), None)
        else:
            events.believe(kind, id, {**document, **written} if appended.is_shown else None)
            return appended
        events.believe(kind, id, None)
        found = await ctx.store.get(kind, id, READ)
        if found is None or not _takes(kind, found, owned):
            _count_refused(batch, owner)
            return None
        document = found
    raise RuntimeError(f"the document of {kind} {id} changed {RACES} times while its events were stored")
