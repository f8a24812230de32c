"""`models.*`: what callers older than 2.13 ask about the one model of a task; newer ones are told what to call."""

from typing import Any

from control_plane.schema.models import CreateModelRequest, EditModelRequest, TaskModelRequest, UpdateForTaskRequest
from control_plane.schema.tasks_items import AddModelRequest
from control_plane.services import models
from control_plane.services.context import Context
from control_plane.services.errors import ApiError, Subcode, missing_fields
from control_plane.services.registry import endpoint
from control_plane.services.tasks_artifacts import add_or_update_model
from control_plane.services.tasks_common import load

SEVERAL_MODELS = (2, 13)
"""Since this version a task names its models itself."""


def _gone(instead: str) -> ApiError:
    text = "This endpoint is no longer supported for the requested api version"
    return ApiError(301, Subcode.UNSUPPORTED, text, f"use {instead}")


@endpoint("models.get_by_task_id", TaskModelRequest)
async def get_by_task_id(ctx: Context, request: TaskModelRequest) -> dict[str, Any]:
    """Return the first output model of a task, to callers older than 2.13."""
    if ctx.version >= SEVERAL_MODELS:
        raise _gone("models.get_by_id/get_all apis")
    output = await _output_of(ctx, request.task)
    if not output:
        raise ApiError(400, Subcode.TASK_MISSING_FIELDS, "Task is missing expected fields", field="models.output")
    return {"model": await models.require(ctx, output[0]["model"])}


async def _output_of(ctx: Context, task: str) -> list[dict[str, Any]]:
    return ((await load(ctx, task, ["models"])).get("models") or {}).get("output") or []


@endpoint("models.update_for_task", UpdateForTaskRequest)
async def update_for_task(ctx: Context, request: UpdateForTaskRequest) -> dict[str, Any]:
    """Make or change the output model of a task, for callers older than 2.13."""
    if ctx.version >= SEVERAL_MODELS:
        raise _gone("tasks.add_or_update_model")
    task = await load(ctx, request.task, ["name", "project", "models"])
    if request.override_model_id:
        await models.require(ctx, request.override_model_id, ["id"])
        return await _attach(ctx, request, request.override_model_id, {"id": request.override_model_id})
    if not request.uri:
        raise missing_fields("uri")
    output = (task.get("models") or {}).get("output") or []
    said: dict[str, Any] = {name: getattr(request, name) for name in ("comment", "tags", "system_tags", "iteration")}
    if output:
        edit = EditModelRequest(model=output[0]["model"], uri=request.uri, name=request.name, task=request.task, **said)
        changed = await models.edit(ctx, edit)
        return {"id": output[0]["model"], "created": False, **dict(_mapping(changed))}
    new = CreateModelRequest(
        name=request.name or task["name"],
        uri=request.uri,
        task=request.task,
        project=task.get("project"),
        ready=False,
        **said,
    )
    made = _mapping(await models.create(ctx, new))
    return await _attach(ctx, request, str(made["id"]), made)


def _mapping(answer: Any) -> dict[str, Any]:
    assert isinstance(answer, dict)
    return answer


async def _attach(ctx: Context, request: UpdateForTaskRequest, model: str, answer: dict[str, Any]) -> dict[str, Any]:
    name = request.name or "Output Model"
    await add_or_update_model(ctx, AddModelRequest(task=request.task, name=name, model=model, type="output"))
    return {"created": False, **answer}
