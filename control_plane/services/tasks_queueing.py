"""`tasks.*`: into a queue and out of it."""

import asyncio
from typing import Any

from control_plane.schema.tasks import DequeueRequest, EnqueueRequest, Updated
from control_plane.services import queue_choice
from control_plane.services.context import Context
from control_plane.services.errors import ApiError, Subcode, unknown_task, validation
from control_plane.services.registry import endpoint
from control_plane.services.status import Status
from control_plane.services.tasks_common import commit, load
from control_plane.services.transitions import STATUS_PARTS, step

QUEUEING_PARTS = (*STATUS_PARTS, "execution.queue", "enqueue_status")


@endpoint("tasks.enqueue", EnqueueRequest, Updated, min_version="2.31")
async def enqueue(ctx: Context, request: EnqueueRequest) -> dict[str, Any]:
    """Put a task into a queue, named by id or by name; without either into the default queue."""
    if request.queue and request.queue_name:
        raise validation("Either queue id or queue name should be provided")
    queue, task = await asyncio.gather(
        queue_choice.resolve(ctx, request.queue, request.queue_name),
        ctx.store.get("task", request.task, QUEUEING_PARTS),
    )
    if task is None:
        raise unknown_task(id=request.task, company=ctx.company)
    answer = await _enqueue(
        ctx,
        task,
        queue,
        request.status_reason,
        request.status_message,
        update_execution_queue=request.update_execution_queue,
    )
    if request.verify_watched_queue:
        answer["queue_watched"] = await queue_choice.is_watched(ctx, queue)
    return answer


async def enqueue_one(
    ctx: Context,
    task_id: str,
    queue: str,
    reason: str | None,
    message: str | None,
    *,
    update_execution_queue: bool = True,
) -> dict[str, Any]:
    """Put one task at the end of a queue that exists; it remembers the status it came from."""
    task = await load(ctx, task_id, QUEUEING_PARTS)
    return await _enqueue(ctx, task, queue, reason, message, update_execution_queue=update_execution_queue)


async def _enqueue(
    ctx: Context,
    task: dict[str, Any],
    queue: str,
    reason: str | None,
    message: str | None,
    *,
    update_execution_queue: bool,
) -> dict[str, Any]:
    task_id, status = task["id"], task.get("status")
    if status == Status.QUEUED and (task.get("execution") or {}).get("queue") == queue:
        raise ApiError(
            400,
            Subcode.ALREADY_QUEUED,
            "Failed adding task to queue since task is already queued",
            task=task_id,
        )
    transaction, fields = step(ctx, task, Status.QUEUED, force=False, reason=reason, message=message)
    shown = {"execution.queue": queue} if update_execution_queue else {}
    extra: dict[str, Any] = dict(shown)
    if status != Status.QUEUED:
        extra["enqueue_status"] = status
    tags = [tag for tag in task.get("system_tags", ()) if tag != "development"]
    if len(tags) != len(task.get("system_tags", ())):
        extra["system_tags"] = tags
    transaction.expect_exists("queue", queue)
    transaction.set("task", task_id, extra)
    transaction.enqueue(queue, task_id)
    answer = {"queued": 1, "updated": 1, "fields": {**fields, **shown}}
    transaction.answer(task_id, answer)
    await commit(ctx, transaction)
    return answer


@endpoint("tasks.dequeue", DequeueRequest, Updated, min_version="2.26")
async def dequeue(ctx: Context, request: DequeueRequest) -> dict[str, Any]:
    """Take a task out of its queue, back to the status it came from or to `new_status`; an unknown one is no error."""
    return await dequeue_one(ctx, request.task, request.new_status, request.status_reason, request.status_message)


async def dequeue_one(
    ctx: Context, task_id: str, new_status: str | None, reason: str | None, message: str | None
) -> dict[str, Any]:
    """Take one task out of its queue; `updated` is 0 when its status is not about queues."""
    if new_status is not None and new_status not in set(Status):
        raise validation(f"Invalid task status: {new_status}")
    task = await ctx.store.get("task", task_id, (*STATUS_PARTS, "enqueue_status"))
    if task is None:
        return {"dequeued": 1, "updated": 0, "fields": {}}
    status = task.get("status")
    if status not in (Status.QUEUED, Status.IN_PROGRESS):
        return {"dequeued": 1, "updated": 0, "fields": {}}
    target = Status(new_status or task.get("enqueue_status") or Status.CREATED)
    transaction, fields = step(ctx, task, target, force=True, reason=reason, message=message)
    transaction.set("task", task_id, {"enqueue_status": None})
    transaction.dequeue(task_id)
    if ctx.identity.claim_for(task_id) is None:
        transaction.fence(task_id)
    await commit(ctx, transaction)
    return {"dequeued": 1, "updated": 1, "fields": fields}
