"""`tasks.*_many` and `tasks.archive`: the same for several tasks."""

from typing import Any

from control_plane.schema.tasks_batch import (
    ArchiveManyRequest,
    ArchiveRequest,
    DeleteManyRequest,
    DequeueManyRequest,
    EnqueueManyRequest,
    PublishManyRequest,
    ResetManyRequest,
    StopManyRequest,
)
from control_plane.services import queue_choice
from control_plane.services.batch import each
from control_plane.services.context import Context
from control_plane.services.errors import validation
from control_plane.services.registry import endpoint
from control_plane.services.status import Status
from control_plane.services.tasks import delete_one, require_whole
from control_plane.services.tasks_common import begin, changed, commit, load, load_all
from control_plane.services.tasks_queueing import dequeue_one, enqueue_one
from control_plane.services.tasks_reset import reset_one
from control_plane.services.tasks_status import publish_task, stop_one
from control_plane.services.tasks_steps import steps_of
from control_plane.services.transitions import STATUS_PARTS, record, status_fields, step

ARCHIVED = "archived"


@endpoint("tasks.stop_many", StopManyRequest, min_version="2.30")
async def stop_many(ctx: Context, request: StopManyRequest) -> dict[str, Any]:
    """Stop several tasks."""
    return await each(request.ids, lambda id: stop_one(ctx, id, request))


@endpoint("tasks.publish_many", PublishManyRequest, min_version="2.13")
async def publish_many(ctx: Context, request: PublishManyRequest) -> dict[str, Any]:
    """Publish several tasks."""

    async def act(id: str) -> dict[str, Any]:
        fields = await publish_task(
            ctx,
            id,
            force=request.force,
            reason=request.status_reason,
            message=request.status_message,
            publish_model=request.publish_model,
        )
        return {"updated": 1, "fields": fields}

    return await each(request.ids, act)


@endpoint("tasks.enqueue_many", EnqueueManyRequest, min_version="2.22")
async def enqueue_many(ctx: Context, request: EnqueueManyRequest) -> dict[str, Any]:
    """Queue several tasks, in their order."""
    if request.queue and request.queue_name:
        raise validation("Either queue id or queue name should be provided")
    # A queue that does not exist fails each task, not the call.
    known = request.queue or await queue_choice.resolve(ctx, None, request.queue_name)

    async def act(id: str) -> dict[str, Any]:
        queue = await queue_choice.resolve(ctx, known, None)
        if request.validate_tasks:
            await require_whole(ctx, id)
        return {**await enqueue_one(ctx, id, queue, request.status_reason, request.status_message), "queued": True}

    answer = await each(request.ids, act)
    if request.verify_watched_queue:
        answer["queue_watched"] = await queue_choice.is_watched(ctx, known)
    return answer


@endpoint("tasks.dequeue_many", DequeueManyRequest, min_version="2.26")
async def dequeue_many(ctx: Context, request: DequeueManyRequest) -> dict[str, Any]:
    """Take several tasks out of their queues."""

    async def act(id: str) -> dict[str, Any]:
        answer = await dequeue_one(ctx, id, request.new_status, request.status_reason, request.status_message)
        return {**answer, "dequeued": True}

    return await each(request.ids, act)


@endpoint("tasks.reset_many", ResetManyRequest, min_version="2.21")
async def reset_many(ctx: Context, request: ResetManyRequest) -> dict[str, Any]:
    """Reset several tasks."""
    return await each(request.ids, lambda id: reset_one(ctx, id, request))


@endpoint("tasks.delete_many", DeleteManyRequest, min_version="2.30")
async def delete_many(ctx: Context, request: DeleteManyRequest) -> dict[str, Any]:
    """Remove several tasks."""
    return await each(request.ids, lambda id: delete_one(ctx, id, request))


@endpoint("tasks.archive", ArchiveRequest, min_version="2.30")
async def archive(ctx: Context, request: ArchiveRequest) -> dict[str, Any]:
    """Archive tasks; an unknown one refuses the call."""
    await load_all(ctx, request.tasks, ["id"])
    for id in dict.fromkeys(request.tasks):
        await _archive_with_steps(ctx, id, request)
    return {"archived": len(set(request.tasks))}


@endpoint("tasks.archive_many", ArchiveManyRequest, min_version="2.30")
async def archive_many(ctx: Context, request: ArchiveManyRequest) -> dict[str, Any]:
    """Archive several tasks."""

    async def act(id: str) -> dict[str, Any]:
        await _archive_with_steps(ctx, id, request)
        return {"archived": True}

    return await each(request.ids, act)


async def _archive_with_steps(ctx: Context, id: str, request: ArchiveRequest | ArchiveManyRequest) -> None:
    steps = await steps_of(ctx, id) if request.include_pipeline_steps else []
    for task in (id, *steps):
        await _archive_one(ctx, task, request.status_reason, request.status_message)


async def _archive_one(ctx: Context, id: str, reason: str | None, message: str | None) -> None:
    """Tag one task; a queued one leaves its queue, a running one is stopped."""
    task = await load(ctx, id, (*STATUS_PARTS, "enqueue_status"))
    status = task.get("status")
    tags = list(dict.fromkeys([*(task.get("system_tags") or ()), ARCHIVED]))
    if status == Status.QUEUED:
        target = Status(task.get("enqueue_status") or Status.CREATED)
        transaction, _ = step(ctx, task, target, force=True, reason=reason, message=message)
        transaction.dequeue(id)
        transaction.fence(id)
    elif status == Status.IN_PROGRESS:
        transaction, _ = step(ctx, task, Status.STOPPED, force=True, reason=reason, message=message)
    else:
        transaction = begin(ctx, id)
        said = status_fields(ctx, str(status), reason, message)
        transaction.set("task", id, {name: said[name] for name in ("status_reason", "status_message")})
        record(ctx, transaction, id, str(status), str(status), said=said)
    transaction.set("task", id, {"system_tags": tags, **changed(ctx)})
    await commit(ctx, transaction)


@endpoint("tasks.unarchive_many", ArchiveManyRequest, min_version="2.30")
async def unarchive_many(ctx: Context, request: ArchiveManyRequest) -> dict[str, Any]:
    """Bring several tasks back from the archive."""

    async def act(id: str) -> dict[str, Any]:
        steps = await steps_of(ctx, id) if request.include_pipeline_steps else []
        for one in (id, *steps):
            await _unarchive_one(ctx, one, request.status_reason, request.status_message)
        return {"unarchived": True}

    return await each(request.ids, act)


async def _unarchive_one(ctx: Context, id: str, reason: str | None, message: str | None) -> None:
    task = await load(ctx, id, ["status", "system_tags"])
    tags = [tag for tag in task.get("system_tags") or () if tag != ARCHIVED]
    transaction = begin(ctx, id)
    said = status_fields(ctx, task["status"], reason, message)
    words = {name: said[name] for name in ("status_reason", "status_message") if said[name]}
    transaction.set("task", id, {"system_tags": tags, **words, **changed(ctx)})
    record(ctx, transaction, id, task["status"], task["status"], said=said)
    await commit(ctx, transaction)
