"""`tasks.*`: artifacts and models of a task.

Both are lists stored as one value, so two calls at the same moment could lose each other's item: each write is
made only if the list is still the one that was read, and starts again otherwise.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from control_plane.schema.tasks_items import (
    AddArtifactsRequest,
    AddModelRequest,
    DeleteArtifactsRequest,
    DeleteModelsRequest,
)
from control_plane.services import sections
from control_plane.services.context import Context
from control_plane.services.errors import lost_race
from control_plane.services.registry import endpoint
from control_plane.services.status import Status
from control_plane.services.tasks_common import begin, changed, explained, load, require_editable
from control_plane.store import GuardFailed, Transaction

ATTEMPTS = 20


async def rewrite(
    ctx: Context,
    task_id: str,
    paths: list[str],
    change: Callable[[dict[str, Any], Transaction], None],
) -> None:
    """Read a task, let `change` add its writes, and commit if the values at `paths` are still those that were read."""
    for _ in range(ATTEMPTS):
        task = await load(ctx, task_id, ["status", "last_iteration", *paths])
        transaction = begin(ctx, task_id)
        for path in paths:
            section, _, name = path.partition(".")
            transaction.expect("task", task_id, {path: (task.get(section) or {}).get(name)})
        change(task, transaction)
        transaction.set("task", task_id, changed(ctx))
        try:
            await transaction.commit()
        except GuardFailed as failed:
            if failed.guard.kind != "equals":
                raise explained(ctx, failed) from None
            continue  # somebody else changed the list first: read it again
        return
    raise lost_race(task_id, "its lists change faster than they can be followed")


@endpoint("tasks.add_or_update_artifacts", AddArtifactsRequest, min_version="2.10")
async def add_or_update_artifacts(ctx: Context, request: AddArtifactsRequest) -> dict[str, Any]:
    """Add artifacts to a draft or a running task; one of the same key and mode is replaced."""
    given = [sections.artifact(msgspec.to_builtins(item)) for item in request.artifacts]

    def change(task: dict[str, Any], transaction: Transaction) -> None:
        require_editable(task, force=False, also=(Status.IN_PROGRESS,))
        stored = (task.get("execution") or {}).get("artifacts") or []
        transaction.set("task", request.task, {"execution.artifacts": sections.upsert_artifacts(stored, given)})

    await rewrite(ctx, request.task, ["execution.artifacts"], change)
    return {"updated": 1}


@endpoint("tasks.delete_artifacts", DeleteArtifactsRequest, min_version="2.10")
async def delete_artifacts(ctx: Context, request: DeleteArtifactsRequest) -> dict[str, Any]:
    """Remove artifacts; those that are not there are no error."""
    gone = {(item.key, item.mode) for item in request.artifacts}

    def change(task: dict[str, Any], transaction: Transaction) -> None:
        require_editable(task, force=False, also=(Status.IN_PROGRESS,))
        stored = (task.get("execution") or {}).get("artifacts") or []
        kept = [item for item in stored if (item["key"], item.get("mode", "output")) not in gone]
        transaction.set("task", request.task, {"execution.artifacts": kept})

    await rewrite(ctx, request.task, ["execution.artifacts"], change)
    return {"deleted": 1}


@endpoint("tasks.add_or_update_model", AddModelRequest, min_version="2.13")
async def add_or_update_model(ctx: Context, request: AddModelRequest) -> dict[str, Any]:
    """Attach a model to a task under a name; another one of that name is replaced."""
    path = f"models.{request.type}"

    def change(task: dict[str, Any], transaction: Transaction) -> None:
        item = {"name": request.name, "model": request.model, "updated": ctx.now_iso}
        stored = (task.get("models") or {}).get(request.type) or []
        transaction.set("task", request.task, {path: sections.upsert_model(stored, item)})
        if request.iteration is not None and request.iteration > int(task.get("last_iteration") or 0):
            transaction.set("task", request.task, {"last_iteration": request.iteration})

    await rewrite(ctx, request.task, [path], change)
    return {"updated": 1}


@endpoint("tasks.delete_models", DeleteModelsRequest, min_version="2.13")
async def delete_models(ctx: Context, request: DeleteModelsRequest) -> dict[str, Any]:
    """Detach models by their names in the task; the models themselves stay."""
    gone = {(item.type, item.name) for item in request.models}

    def change(task: dict[str, Any], transaction: Transaction) -> None:
        for side in ("input", "output"):
            stored = (task.get("models") or {}).get(side) or []
            kept = [item for item in stored if (side, item["name"]) not in gone]
            transaction.set("task", request.task, {f"models.{side}": kept})

    await rewrite(ctx, request.task, ["models.input", "models.output"], change)
    return {"updated": 1}
