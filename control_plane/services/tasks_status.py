"""`tasks.*`: what moves a task through its status machine (`services.status` has the table)."""

from datetime import datetime
from typing import Any

from control_plane.schema.tasks import (
    CompletedRequest,
    DequeueRequest,
    EnqueueRequest,
    PublishRequest,
    ResetOptions,
    ResetRequest,
    StatusRequest,
    Updated,
)
from control_plane.services import deletion, queue_choice, sections
from control_plane.services.context import Context
from control_plane.services.errors import ApiError, Subcode, illegal_status, validation, wrong_status
from control_plane.services.registry import endpoint
from control_plane.services.status import Status, is_legal
from control_plane.services.tasks_common import begin, commit, load
from control_plane.store import Transaction
from control_plane.store.events import SEQUENCE

LIVE_WORKER_S = 600.0
"""A running task whose worker has not reported for so long has nobody who could stop it."""


def status_fields(ctx: Context, status: str, reason: str | None, message: str | None) -> dict[str, Any]:
    """What every change of status sets; a message that is not given is cleared."""
    now = ctx.now_iso
    return {
        "status": str(status),
        "status_reason": reason or "",
        "status_message": message or "",
        "status_changed": now,
        "last_update": now,
        "last_change": now,
        "last_changed_by": ctx.user,
    }


def step(
    ctx: Context,
    task: dict[str, Any],
    new: Status,
    *,
    force: bool,
    reason: str | None,
    message: str | None,
    extra: dict[str, Any] | None = None,
) -> tuple[Transaction, dict[str, Any]]:
    """A transaction that takes the task from the status it was read with to `new`, and the fields it sets.

    Raises 400/110 for a step that the machine does not have. The commit fails with 400/121 when somebody else
    changed the status since.
    """
    current = task.get("status")
    if not is_legal(str(current), new, force=force):
        raise illegal_status(str(current), new)
    fields = {**status_fields(ctx, new, reason, message), **(extra or {})}
    transaction = begin(ctx, task["id"])
    transaction.expect("task", task["id"], {"status": current})
    transaction.set("task", task["id"], fields)
    if current == Status.IN_PROGRESS and new != Status.IN_PROGRESS:
        duration_s = _seconds_since(task.get("started"), ctx.now)
        if duration_s is not None:
            transaction.set("task", task["id"], {"active_duration": duration_s})
    return transaction, fields


def _seconds_since(started: str | None, now: datetime) -> int | None:
    if not started:
        return None
    return max(0, int((now - datetime.fromisoformat(started)).total_seconds()))


STATUS_PARTS = ("status", "started", "system_tags")


@endpoint("tasks.started", StatusRequest, Updated)
async def started(ctx: Context, request: StatusRequest) -> dict[str, Any]:
    """The run begins; repeated calls keep the first start. The task leaves its queue and whoever had popped it."""
    task = await load(ctx, request.task, (*STATUS_PARTS, "status_message"))
    # A script that says "I have started" just after somebody stopped it must not make its agent miss the stop.
    is_stopping = task.get("status") == Status.IN_PROGRESS and "stopping" in str(task.get("status_message") or "")
    extra: dict[str, Any] = {"started": task.get("started") or ctx.now_iso}
    transaction, fields = step(
        ctx,
        task,
        Status.IN_PROGRESS,
        force=request.force,
        reason=request.status_reason,
        message=task["status_message"] if is_stopping else request.status_message,
        extra=extra,
    )
    transaction.dequeue(request.task)
    claim = ctx.identity.claim_for(request.task)
    if claim is not None:
        transaction.set("task", request.task, {"last_worker": claim.worker, "last_worker_report": ctx.now_iso})
    await commit(ctx, transaction)
    return {"updated": 1, "fields": fields, "started": 1}


@endpoint("tasks.stopped", StatusRequest, Updated)
async def stopped(ctx: Context, request: StatusRequest) -> dict[str, Any]:
    """The run was ended by somebody."""
    return await _plain(ctx, request, Status.STOPPED, completed=True)


@endpoint("tasks.failed", StatusRequest, Updated)
async def failed(ctx: Context, request: StatusRequest) -> dict[str, Any]:
    """The run went wrong."""
    return await _plain(ctx, request, Status.FAILED)


@endpoint("tasks.close", StatusRequest, Updated)
async def close(ctx: Context, request: StatusRequest) -> dict[str, Any]:
    """Close a stopped task."""
    return await _plain(ctx, request, Status.CLOSED)


async def _plain(ctx: Context, request: StatusRequest, new: Status, *, completed: bool = False) -> dict[str, Any]:
    task = await load(ctx, request.task, STATUS_PARTS)
    transaction, fields = step(
        ctx,
        task,
        new,
        force=request.force,
        reason=request.status_reason,
        message=request.status_message,
        extra={"completed": ctx.now_iso} if completed else None,
    )
    transaction.dequeue(request.task)
    await commit(ctx, transaction)
    return {"updated": 1, "fields": fields}


@endpoint("tasks.completed", CompletedRequest, Updated, min_version="2.20")
async def completed(ctx: Context, request: CompletedRequest) -> dict[str, Any]:
    """The run went well; `publish` also publishes it."""
    answer = await _plain(ctx, request, Status.COMPLETED, completed=True)
    if not request.publish:
        return {**answer, "published": 0}
    published = await publish_task(
        ctx, request.task, force=request.force, reason=None, message=None, publish_model=True
    )
    return {"updated": 1, "published": 1, "fields": {**answer["fields"], **published}}


@endpoint("tasks.publish", PublishRequest, Updated)
async def publish(ctx: Context, request: PublishRequest) -> dict[str, Any]:
    """Lock the task as it is; its last output model becomes ready."""
    fields = await publish_task(
        ctx,
        request.task,
        force=request.force,
        reason=request.status_reason,
        message=request.status_message,
        publish_model=request.publish_model,
    )
    return {"updated": 1, "fields": fields}


async def publish_task(
    ctx: Context, task_id: str, *, force: bool, reason: str | None, message: str | None, publish_model: bool
) -> dict[str, Any]:
    """Publish one task, model and task in one transaction; return the fields it set."""
    task = await load(ctx, task_id, (*STATUS_PARTS, "models", "output"))
    if task.get("status") == Status.PUBLISHED and not force:
        raise illegal_status(Status.PUBLISHED, Status.PUBLISHED)
    transaction, fields = step(
        ctx, task, Status.PUBLISHED, force=force, reason=reason, message=message, extra={"published": ctx.now_iso}
    )
    output = (task.get("models") or {}).get("output") or []
    if publish_model and output:
        model = output[-1]["model"]
        found = await ctx.store.get("model", model, ["ready"])
        if found is not None and not found.get("ready"):
            now = ctx.now_iso
            transaction.set("model", model, {"ready": True, "last_update": now, "last_change": now})
    await commit(ctx, transaction)
    return {**fields, "output": task.get("output") or {}}


@endpoint("tasks.stop", StatusRequest, Updated, min_version="2.30")
async def stop(ctx: Context, request: StatusRequest) -> dict[str, Any]:
    """Ask for the run's end: whoever runs the task sees "stopping"; where nobody does, it is stopped at once."""
    return await stop_one(ctx, request.task, request)


async def stop_one(ctx: Context, task_id: str, request: Any) -> dict[str, Any]:
    """Stop one task; `request` has force, status_reason and status_message."""
    task = await load(ctx, task_id, (*STATUS_PARTS, "last_worker", "last_update", "last_worker_report"))
    status = task.get("status")
    by = ctx.identity.user_name or ctx.user
    if status == Status.IN_PROGRESS and not is_unattended(ctx, task):
        # Only the message changes: the runner polls it, ends the run and reports `stopped` itself.
        fields = status_fields(ctx, Status.IN_PROGRESS, request.status_reason, "stopping")
        transaction = begin(ctx, task_id)
        transaction.expect("task", task_id, {"status": status})
        transaction.set("task", task_id, fields)
    else:
        message = f"Stopped by {by}"
        transaction, fields = step(
            ctx, task, Status.STOPPED, force=request.force, reason=request.status_reason, message=message
        )
        transaction.dequeue(task_id)
        transaction.fence(task_id)
    await commit(ctx, transaction)
    return {"updated": 1, "fields": fields}


def is_unattended(ctx: Context, task: dict[str, Any]) -> bool:
    """True when nobody would notice a "stopping": a script at somebody's desk, or a worker that is gone."""
    if "development" in task.get("system_tags", ()) or not task.get("last_worker"):
        return True
    seen = max(task.get("last_update") or "", task.get("last_worker_report") or "")
    return not seen or (ctx.now - datetime.fromisoformat(seen)).total_seconds() > LIVE_WORKER_S


@endpoint("tasks.enqueue", EnqueueRequest, Updated, min_version="2.31")
async def enqueue(ctx: Context, request: EnqueueRequest) -> dict[str, Any]:
    """Put a task into a queue, named by id or by name; without either into the default queue."""
    if request.queue and request.queue_name:
        raise validation("Either queue id or queue name should be provided")
    queue = await queue_choice.resolve(ctx, request.queue, request.queue_name)
    answer = await enqueue_one(ctx, request.task, queue, request.status_reason, request.status_message)
    if request.verify_watched_queue:
        answer["queue_watched"] = await queue_choice.is_watched(ctx, queue)
    return answer


async def enqueue_one(
    ctx: Context, task_id: str, queue: str, reason: str | None, message: str | None
) -> dict[str, Any]:
    """Put one task at the end of a queue that exists; it remembers the status it came from."""
    task = await load(ctx, task_id, (*STATUS_PARTS, "execution.queue", "enqueue_status"))
    status = task.get("status")
    if status == Status.QUEUED and (task.get("execution") or {}).get("queue") == queue:
        raise ApiError(
            400,
            Subcode.ALREADY_QUEUED,
            "Failed adding task to queue since task is already queued",
            task=task_id,
        )
    transaction, fields = step(ctx, task, Status.QUEUED, force=False, reason=reason, message=message)
    extra: dict[str, Any] = {"execution.queue": queue}
    if status != Status.QUEUED:
        extra["enqueue_status"] = status
    tags = [tag for tag in task.get("system_tags", ()) if tag != "development"]
    if len(tags) != len(task.get("system_tags", ())):
        extra["system_tags"] = tags
    transaction.expect_exists("queue", queue)
    transaction.set("task", task_id, extra)
    transaction.enqueue(queue, task_id)
    await commit(ctx, transaction)
    return {"queued": 1, "updated": 1, "fields": {**fields, "execution.queue": queue}}


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


@endpoint("tasks.reset", ResetRequest, Updated, min_version="2.13")
async def reset(ctx: Context, request: ResetRequest) -> dict[str, Any]:
    """Make a task a draft again: what its run left is removed, what it was asked to do stays."""
    return await reset_one(ctx, request.task, request)


async def reset_one(ctx: Context, task_id: str, options: ResetOptions) -> dict[str, Any]:
    """Reset one task; the answer says what was removed."""
    task = await load(ctx, task_id, deletion.PARTS)
    status = task.get("status")
    if status == Status.PUBLISHED and not options.force:
        raise wrong_status(task_id=task_id, status=status)
    fields = status_fields(ctx, Status.CREATED, "reset", "reset")
    execution = task.get("execution") or {}
    artifacts = [item for item in execution.get("artifacts") or () if item.get("mode") == "input"]
    transaction = begin(ctx, task_id)
    transaction.expect("task", task_id, {"status": status})
    transaction.set("task", task_id, fields)
    transaction.unset(
        "task",
        task_id,
        [
            *("started", "completed", "published", "active_duration", "enqueue_status"),
            *("last_worker", "last_worker_report", "last_metrics", "runtime", "execution.queue"),
        ],
    )
    transaction.set("task", task_id, {"last_iteration": 0, "execution.artifacts": artifacts, "models.output": []})
    if options.clear_all:
        transaction.set(
            "task", task_id, {"script": dict(sections.EMPTY_SCRIPT), "execution": dict(sections.EMPTY_EXECUTION)}
        )
    transaction.dequeue(task_id)
    left = await deletion.plan_models(ctx, task, options, transaction)
    check = begin(ctx, task_id)
    check.expect("task", task_id, {"status": status})
    if ctx.identity.claim_for(task_id) is None:
        check.fence(task_id)  # first, or the run before would still write to the new generation
    await commit(ctx, check)  # who may not reset must not cost the task its events
    # Events first: dying in between leaves a task that is reset again, never old events on a new run.
    transaction.set("task", task_id, {SEQUENCE: await ctx.store.events.reset(task_id)})
    done = await commit(ctx, transaction)
    for model in left.deleted_models:
        await deletion.drop_events(ctx, model)
    removed = 1 if done.dequeued.get(task_id) else 0
    return {
        "updated": 1,
        "fields": fields,
        "dequeued": {"removed": removed} if removed else {},
        "deleted_models": len(left.deleted_models),
        "updated_models": left.detached,
        "updated_children": 0,
        "events": {},
        "urls": left.urls if options.return_file_urls else {},
    }
