"""`pipelines.*`: further runs of a pipeline, and removing runs."""

from typing import Any

from control_plane.schema.organization import DeleteRunsRequest, StartPipelineRequest
from control_plane.schema.tasks import CloneRequest, DeleteOptions
from control_plane.services import projects, queue_choice, sections, tasks
from control_plane.services.batch import each
from control_plane.services.context import Context
from control_plane.services.errors import validation
from control_plane.services.project_paths import basename
from control_plane.services.registry import endpoint
from control_plane.services.tasks_common import load
from control_plane.services.tasks_queueing import enqueue_one

ARGUMENTS = "Args"


@endpoint("pipelines.start_pipeline", StartPipelineRequest, min_version="2.28")
async def start_pipeline(ctx: Context, request: StartPipelineRequest) -> dict[str, Any]:
    """Run a pipeline again: a copy of its controller, with other arguments, in a queue."""
    source = await load(ctx, request.task)
    if not source.get("project"):
        raise validation("the task is in no project, so it is no pipeline", task=request.task)
    project = await projects.require(ctx, source["project"], ["name"])
    queue = await queue_choice.resolve(ctx, request.queue, None)
    copy = tasks.copied(ctx, source, CloneRequest(task=request.task, new_task_name=basename(project["name"])))
    given = copy.setdefault("hyperparams", {}).setdefault(ARGUMENTS, {})
    for argument in request.args or ():
        known = given.get(argument.name) or {}
        text = "" if argument.value is None else str(argument.value)
        given[argument.name] = sections.param(ARGUMENTS, argument.name, {**known, "value": text})
    run = await tasks.insert(ctx, copy)
    await enqueue_one(ctx, run, queue, None, None)
    answer: dict[str, Any] = {"pipeline": run, "enqueued": True}
    if request.verify_watched_queue:
        answer["queue_watched"] = await queue_choice.is_watched(ctx, queue)
    return answer


@endpoint("pipelines.delete_runs", DeleteRunsRequest, min_version="2.26")
async def delete_runs(ctx: Context, request: DeleteRunsRequest) -> dict[str, Any]:
    """Remove runs of a pipeline; ids that are not in its project are left out."""
    await projects.require(ctx, request.project, ["id"])
    found = await ctx.store.get_many("task", request.ids, ["project"])
    runs = [task["id"] for task in found if task is not None and task.get("project") == request.project]
    return await each(runs, lambda id: tasks.delete_one(ctx, id, DeleteOptions(force=True)))
