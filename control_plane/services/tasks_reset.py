"""`tasks.reset`: a task that ran becomes a draft again."""

from typing import Any

from control_plane.schema.tasks import ResetOptions, ResetRequest, Updated
from control_plane.services import deletion, sections
from control_plane.services.context import Context
from control_plane.services.errors import wrong_status
from control_plane.services.lost import LOST_AGENTS
from control_plane.services.registry import endpoint
from control_plane.services.status import Status
from control_plane.services.tasks_common import begin, commit, load
from control_plane.services.transitions import record, status_fields
from control_plane.store.events import SEQUENCE


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
    record(ctx, transaction, task_id, str(status), Status.CREATED, said=fields)
    transaction.unset(
        "task",
        task_id,
        [
            *("started", "completed", "published", "active_duration", "enqueue_status", LOST_AGENTS),
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
