"""`tasks.get_history`: what became of a task's status, who did it and why. Ours: official servers keep no such log."""

from typing import Any

from control_plane.schema.tasks import TaskRequest
from control_plane.services.context import Context
from control_plane.services.registry import endpoint
from control_plane.services.tasks_common import load


@endpoint("tasks.get_history", TaskRequest)
async def get_history(ctx: Context, request: TaskRequest) -> dict[str, Any]:
    """List the changes of a task's status, oldest first; the newest 200 are kept."""
    await load(ctx, request.task, ["id"])
    return {"operations": await ctx.store.history(request.task)}
