"""`tasks.*`: what moves a task through its status machine (`services.status` has the table)."""

from datetime import datetime
from typing import Any

from control_plane.schema.tasks import CompletedRequest, PublishRequest, StatusRequest, StopRequest, Updated
from control_plane.schema.tasks_batch import StopManyRequest
from control_plane.services.context import Context
from control_plane.services.errors import ApiError, Subcode, illegal_status
from control_plane.services.registry import endpoint
from control_plane.services.status import Status
from control_plane.services.tasks_common import begin, commit, load
from control_plane.services.tasks_steps import steps_of
from control_plane.services.transitions import STATUS_PARTS, record, status_fields, step

LIVE_WORKER_S = 600.0
"""A running task whose worker has not reported for so long has nobody who could stop it."""


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
    claim = ctx.identity.claim_for(request.task)
    if claim is not None:
        # Its lease may have ended just now and the entry be back in its queue: who takes it next would run it again.
        transaction.dequeue(request.task)
        transaction.set("task", request.task, {"last_worker": claim.worker, "last_worker_report": ctx.now_iso})
    else:
        transaction.land(request.task)  # an entry that waits stays, as with official servers: see queues_entries.take
        # Continued by hand, it is not judged by the lease of an agent that ran it once; one that does renews it.
        transaction.forget_lease(request.task)
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


@endpoint("tasks.stop", StopRequest, Updated, min_version="2.30")
async def stop(ctx: Context, request: StopRequest) -> dict[str, Any]:
    """Ask for the run's end: whoever runs the task sees "stopping"; where nobody does, it is stopped at once."""
    return await stop_one(ctx, request.task, request)


async def stop_one(ctx: Context, task_id: str, request: StopRequest | StopManyRequest) -> dict[str, Any]:
    """Stop one task; of a pipeline's controller, on request, those of its steps that wait or run."""
    answer = await _stop(ctx, task_id, request)
    for step_id in await steps_of(ctx, task_id) if request.include_pipeline_steps else ():
        state = await ctx.store.get("task", step_id, ["status"])
        if state is None or state.get("status") not in (Status.QUEUED, Status.IN_PROGRESS):
            continue
        try:
            await _stop(ctx, step_id, request)
        except ApiError as error:
            if error.subcode not in (Subcode.TASK_STATUS, Subcode.STATUS_RACE, Subcode.UNKNOWN_TASK):
                raise
            # It ended by itself at this moment.
    return answer


async def _stop(ctx: Context, task_id: str, request: StopRequest | StopManyRequest) -> dict[str, Any]:
    task = await load(ctx, task_id, (*STATUS_PARTS, "last_worker", "last_update", "last_worker_report"))
    status = task.get("status")
    by = ctx.identity.user_name or ctx.user
    if status == Status.IN_PROGRESS and not is_unattended(ctx, task):
        # Only the message changes: the runner polls it, ends the run and reports `stopped` itself.
        fields = status_fields(ctx, Status.IN_PROGRESS, request.status_reason, "stopping")
        transaction = begin(ctx, task_id)
        transaction.expect("task", task_id, {"status": status})
        transaction.set("task", task_id, fields)
        record(ctx, transaction, task_id, status, status, said=fields)
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
