"""Pipelines as the calls about tasks see them: a controller, and its steps, which are its children."""

from control_plane.services import listing
from control_plane.services.context import Context


async def steps_of(ctx: Context, task_id: str) -> list[str]:
    """The steps of a pipeline, given its controller; none of any other task."""
    where = {"id": [task_id], "type": ["controller"], "system_tags": ["pipeline"]}
    if not await listing.ids(ctx, "task", where):
        return []
    return await listing.ids(ctx, "task", {"parent": [task_id], "search_hidden": True})
