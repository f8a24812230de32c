"""`tasks.wait`: one long call that tells when any of several tasks changes its status; who waits need not poll."""

import asyncio
import time
from typing import Any

from control_plane.schema.tasks import WaitForTasksRequest
from control_plane.services.context import Context
from control_plane.services.registry import endpoint

LOOK_AGAIN_S = 10.0
"""So often it is looked whether anything changed without a notice."""

TOLD = ("status", "status_message", "status_reason", "last_update")


@endpoint("tasks.wait", WaitForTasksRequest)
async def wait(ctx: Context, request: WaitForTasksRequest) -> dict[str, Any]:
    """Wait until a task has another status than the caller knows, or is gone; empty after `timeout_s`."""
    deadline = time.monotonic() + request.timeout_s
    with ctx.store.changes.waiting([("task", task) for task in request.known]) as waiter:
        ctx.connection.on_lost(waiter.wake)
        while True:
            news = await _news(ctx, request.known)
            remaining_s = deadline - time.monotonic()
            if news or not request.known or remaining_s <= 0 or not ctx.connection.is_alive:
                return {"tasks": news}
            try:
                async with asyncio.timeout(min(remaining_s, LOOK_AGAIN_S)):
                    await waiter.wait()
            except TimeoutError:
                continue  # nothing told of a change: look all the same


async def _news(ctx: Context, known: dict[str, str]) -> list[dict[str, Any]]:
    """The tasks whose status is another one; that of a task that does not exist is null."""
    found = await ctx.store.get_many("task", list(known), TOLD)
    news = []
    for (task, status), document in zip(known.items(), found, strict=True):
        now = None if document is None else document.get("status")
        if now != status:
            news.append({"id": task, "status": now, **{key: (document or {}).get(key) for key in TOLD[1:]}})
    return news
