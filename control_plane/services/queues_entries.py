"""`queues.*`: what waits in a queue - adding, removing, reordering and taking tasks."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from control_plane.schema.queues import (
    AddTaskRequest,
    MoveRequest,
    NextTaskRequest,
    QueueRequest,
    RemoveTaskRequest,
    TaskInQueueRequest,
)
from control_plane.services.context import Context
from control_plane.services.errors import ApiError, Subcode, unknown_queue
from control_plane.services.registry import endpoint
from control_plane.services.status import Status
from control_plane.services.tasks_common import begin, commit, explained, load
from control_plane.services.transitions import record, status_fields
from control_plane.store import AnyOf, Claim, GuardFailed
from control_plane.store.notes import Note
from control_plane.store.queues import Order

RACES = 20


async def require(ctx: Context, queue: str, parts: Sequence[str] | None = None) -> dict[str, Any]:
    """A queue; raise 400/701 where there is none."""
    document = await ctx.store.get("queue", queue, parts)
    if document is None:
        raise unknown_queue(id=queue, company=ctx.company)
    return document


def not_in_queue(ctx: Context, queue: str, task: str) -> ApiError:
    """The task does not wait in this queue: 400/703."""
    text = "Invalid queue id or task not in queue"
    return ApiError(400, Subcode.NOT_IN_QUEUE, text, task=task, id=queue, company=ctx.company)


@endpoint("queues.add_task", AddTaskRequest, min_version="2.31")
async def add_task(ctx: Context, request: AddTaskRequest) -> dict[str, Any]:
    """Put a task at the end of a queue without changing its status; it leaves any other queue."""
    await require(ctx, request.queue, ["id"])
    await load(ctx, request.task, ["status"])
    if await ctx.store.queues.queue_of(request.task) == request.queue:
        text = "Failed adding task to queue since task is already queued"
        raise ApiError(400, Subcode.ALREADY_QUEUED, text, task=request.task)
    transaction = begin(ctx, request.task)
    transaction.expect_exists("queue", request.queue)
    fields: dict[str, Any] = {"last_change": ctx.now_iso}
    if request.update_execution_queue:
        fields["execution.queue"] = request.queue
    transaction.set("task", request.task, fields)
    transaction.enqueue(request.queue, request.task)
    await commit(ctx, transaction)
    return {"added": 1}


@endpoint("queues.remove_task", RemoveTaskRequest, min_version="2.31")
async def remove_task(ctx: Context, request: RemoveTaskRequest) -> dict[str, Any]:
    """Take a task out of a queue; on request it returns to the status it was enqueued from."""
    await require(ctx, request.queue, ["id"])
    if not await _remove(ctx, request.queue, request.task, restore=request.update_task_status):
        raise not_in_queue(ctx, request.queue, request.task)
    return {"removed": 1}


@endpoint("queues.clear_queue", QueueRequest, min_version="2.31")
async def clear_queue(ctx: Context, request: QueueRequest) -> dict[str, Any]:
    """Take every task out of a queue; they return to the status they were enqueued from."""
    if await ctx.store.get("queue", request.queue, ["id"]) is None:
        raise unknown_queue(queue=request.queue)
    removed = []
    for entry in (await ctx.store.queues.entries([request.queue]))[0]:
        if await restore_task(ctx, request.queue, entry.task, reason="Queue was cleared"):
            removed.append(entry.task)
    return {"removed_tasks": removed}


async def restore_task(ctx: Context, queue: str, task: str, *, reason: str) -> bool:
    """Take a task out of a queue and back to the status it was enqueued from; False when it was not in it."""
    return await _remove(ctx, queue, task, restore=True, reason=reason)


async def _remove(ctx: Context, queue: str, task: str, *, restore: bool, reason: str = "") -> bool:
    for _ in range(RACES):
        if await ctx.store.queues.queue_of(task) != queue:
            return False
        document = await ctx.store.get("task", task, ["status", "enqueue_status", "execution.queue"])
        transaction = begin(ctx, task)
        transaction.expect_queued(task, queue)
        transaction.dequeue(task)
        if document is not None:
            status = document.get("status")
            transaction.expect("task", task, {"status": status})
            fields: dict[str, Any] = {"execution.queue": None, "last_change": ctx.now_iso}
            if restore and status == Status.QUEUED:
                back = document.get("enqueue_status") or Status.CREATED
                fields |= {**status_fields(ctx, back, reason, None), "enqueue_status": None}
                record(ctx, transaction, task, Status.QUEUED, back, said=fields)
            transaction.set("task", task, fields)
        try:
            await transaction.commit()
        except GuardFailed as failed:
            if failed.guard.kind == "claim":
                raise explained(ctx, failed) from None
            continue  # it was popped, moved or changed in between: look again
        return True
    return False


@endpoint("queues.get_num_entries", QueueRequest, min_version="2.15")
async def get_num_entries(ctx: Context, request: QueueRequest) -> dict[str, Any]:
    """How many tasks wait."""
    if await ctx.store.get("queue", request.queue, ["id"]) is None:
        raise unknown_queue(queue_id=request.queue)
    return {"num": (await ctx.store.queues.counts([request.queue]))[0]}


@endpoint("queues.peek_task", QueueRequest, min_version="2.15")
async def peek_task(ctx: Context, request: QueueRequest) -> dict[str, Any]:
    """The task that would be taken next, which stays where it is; null when none waits."""
    if await ctx.store.get("queue", request.queue, ["id"]) is None:
        raise unknown_queue(queue_id=request.queue)
    entries = (await ctx.store.queues.entries([request.queue], 1))[0]
    return {"task": entries[0].task if entries else None}


@endpoint("queues.move_task_forward", MoveRequest)
async def move_task_forward(ctx: Context, request: MoveRequest) -> dict[str, Any]:
    """Move a task towards the front."""
    return await _move(ctx, request, by=-request.count)


@endpoint("queues.move_task_backward", MoveRequest)
async def move_task_backward(ctx: Context, request: MoveRequest) -> dict[str, Any]:
    """Move a task towards the end."""
    return await _move(ctx, request, by=request.count)


@endpoint("queues.move_task_to_front", TaskInQueueRequest)
async def move_task_to_front(ctx: Context, request: TaskInQueueRequest) -> dict[str, Any]:
    """Make a task the next one."""
    return await _move(ctx, request, to=0)


@endpoint("queues.move_task_to_back", TaskInQueueRequest)
async def move_task_to_back(ctx: Context, request: TaskInQueueRequest) -> dict[str, Any]:
    """Make a task the last one."""
    return await _move(ctx, request, to=2**31)


async def _move(
    ctx: Context, request: TaskInQueueRequest, *, by: int | None = None, to: int | None = None
) -> dict[str, Any]:
    place = await ctx.store.queues.move(request.queue, request.task, by=by, to=to, note=ctx.note)
    if place is None:
        raise not_in_queue(ctx, request.queue, request.task)
    return {"position": place}


@endpoint("queues.get_next_task", NextTaskRequest, min_version="2.21")
async def get_next_task(ctx: Context, request: NextTaskRequest) -> dict[str, Any]:
    """Take the next task of a queue; `{}` when none waits. It returns unless it is started in time."""
    worker = ctx.worker or ctx.user
    taken = await take(ctx, [request.queue], worker=worker, lease_s=ctx.settings.start_lease_s, note=ctx.note)
    if not taken:
        await require(ctx, request.queue, ["id"])
        return {}
    claim = taken[0]
    answer: dict[str, Any] = {"entry": {"task": claim.task, "added": added_iso(claim)}}
    if request.get_task_info:
        task = await ctx.store.get("task", claim.task, ["company", "user"])
        answer["task_info"] = {name: (task or {}).get(name) for name in ("company", "user")}
    return answer


def added_iso(claim: Claim) -> str:
    """When the task was put into the queue."""
    return datetime.fromtimestamp(claim.added_ms / 1000, UTC).isoformat(timespec="microseconds")


async def take(
    ctx: Context,
    queues: Sequence[str],
    *,
    worker: str,
    lease_s: float,
    order: Order = "priority",
    limit: int = 1,
    holds_leases: bool = False,
    note: Note | None = None,
) -> list[Claim]:
    """Pop up to `limit` tasks that can be run; one stopped while it waited is queued again, one deleted is dropped."""
    taken: list[Claim] = []
    is_first = True
    while len(taken) < limit:
        claims = await ctx.store.queues.claim(
            queues,
            worker=worker,
            now_ms=ctx.now_ms,
            lease_ms=int(lease_s * 1000),
            order=order,
            limit=limit - len(taken),
            holds_leases=holds_leases,
            note=note,
            is_first=is_first,
        )
        is_first = False
        if not claims:
            break
        taken += [claim for claim in claims if await _is_runnable(ctx, claim, claim.status)]
    return taken


async def _drop_running(ctx: Context, claim: Claim) -> bool:
    transaction = ctx.store.transaction()
    transaction.expect("task", claim.task, {"status": Status.IN_PROGRESS.value})
    transaction.dequeue(claim.task)
    try:
        await transaction.commit()
    except GuardFailed:
        return await _is_still_runnable(ctx, claim)
    return False


async def _is_still_runnable(ctx: Context, claim: Claim) -> bool:
    """Look again: the task changed at this moment."""
    task = await ctx.store.get("task", claim.task, ["status"])
    return await _is_runnable(ctx, claim, (task or {}).get("status"))


async def _is_runnable(ctx: Context, claim: Claim, status: str | None) -> bool:
    if status is None:
        await ctx.store.queues.release(claim)  # which drops it: there is nothing to return
        return False
    if status == Status.IN_PROGRESS:
        # Somebody started it by hand while it waited: it runs already.
        return await _drop_running(ctx, claim)
    if status != Status.STOPPED:
        return True
    transaction = ctx.store.transaction()
    transaction.expect("task", claim.task, {"status": AnyOf((Status.STOPPED.value,))})
    transaction.expect_claim(claim.task, claim.number)
    fields = status_fields(ctx, Status.QUEUED, None, None)
    transaction.set("task", claim.task, fields)
    record(ctx, transaction, claim.task, Status.STOPPED, Status.QUEUED, said=fields)
    try:
        await transaction.commit()
    except GuardFailed:
        return await _is_still_runnable(ctx, claim)
    return True
