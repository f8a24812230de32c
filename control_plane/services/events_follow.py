"""Following a task while it runs: lines of the console as they come, the newest values of scalars, its status.

Each call reads for itself what it has not sent yet, so a follower that is slow holds up nobody. What wakes it is the
change of the task's document that every stored batch makes, through whichever server.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from control_plane.schema.events import FollowRequest
from control_plane.services.context import Context
from control_plane.services.events_read import bad_scroll, event, require_owners
from control_plane.services.registry import Message, Stream, endpoint
from control_plane.services.sealing import is_over
from control_plane.store.changes import Waiter
from control_plane.store.console_tail import Position, parse
from control_plane.store.series import Statistics, finite

LINGER_S = 2.0
"""What still comes for so long after a task has ended is told as well."""
LOOK_S = 10.0
"""So often a follower looks whether anything came that nobody told it of."""
SCALARS_S = 1.0
"""The newest values are told at most so often."""
FOLLOW_S = 3600.0
"""Then the caller has to ask again, and show that it still may."""

Shown = dict[tuple[str, str], tuple[int, int, int]]
"""(metric, variant) -> count, iteration and time of what was told last."""


@endpoint("events.follow", FollowRequest)
async def follow(ctx: Context, request: FollowRequest) -> Stream:
    """Tell what a task reports while it runs, as server-sent events; ends when the task ends."""
    await require_owners(ctx, [request.task], request.model_events)
    try:
        position = parse(request.after) if request.after else None
    except ValueError:
        raise bad_scroll(request.after) from None
    return Stream(_messages(ctx, request, position), request.heartbeat_s)


async def _messages(ctx: Context, request: FollowRequest, position: Position | None) -> AsyncGenerator[Message, None]:
    kind, owner = "model" if request.model_events else "task", request.task
    until, over_at, status = time.monotonic() + FOLLOW_S, 0.0, ""
    scalars = _Scalars(ctx, owner) if request.scalars else None
    with ctx.store.changes.waiting([(kind, owner)]) as waiter:
        while time.monotonic() < until:
            # The document first: what was reported before it changed is read after it.
            document = await ctx.store.get(kind, owner, ["status", "ready"])
            if document is None:
                yield Message("end", {"status": None, "reason": "it was deleted"})
                return
            found = _status(document)
            if found != status:
                was_running, status = bool(status), found
                over_at = time.monotonic() + (LINGER_S if was_running else 0.0) if is_over(document) else 0.0
                yield Message("status", {"status": status})
            tail = await ctx.store.events.console_tail(owner, position, first=request.lines)
            if tail.is_new and position is not None:
                yield Message("reset", {"reason": "lines were removed: what was shown before counts no more"})
            if tail.lines or tail.is_new:
                events = [event(owner, "log", line) for line in tail.lines]
                yield Message("lines", {"lines": events}, str(tail.position))
            position = tail.position
            if scalars is not None and (news := await scalars.news()):
                yield Message("scalars", {"scalars": news})
            if not tail.is_end:
                continue
            if over_at and time.monotonic() >= over_at:
                yield Message("end", {"status": status, "reason": ""})
                return
            wait_s = min(LOOK_S, until - time.monotonic())
            if over_at:
                wait_s = min(wait_s, over_at - time.monotonic())
            if scalars is not None and scalars.are_behind:
                wait_s = min(wait_s, SCALARS_S)
            if await _woken(waiter, wait_s) and scalars is not None:
                scalars.are_behind = True


def _status(document: Mapping[str, Any]) -> str:
    if "ready" in document:
        return "ready" if document["ready"] else "in_progress"
    return str(document.get("status") or "")


async def _woken(waiter: Waiter, wait_s: float) -> bool:
    """Wait until something may have changed; False when nothing did in this time."""
    try:
        async with asyncio.timeout(max(0.0, wait_s)):
            await waiter.wait()
    except TimeoutError:
        return False
    return True


class _Scalars:
    """The newest value of each series, told when it is another one."""

    def __init__(self, ctx: Context, owner: str) -> None:
        self._ctx, self._owner = ctx, owner
        self._told: Shown = {}
        self._told_at = -SCALARS_S
        self.are_behind = True
        """Something may have been reported since they were told."""

    async def news(self) -> list[dict[str, Any]]:
        """Those that changed; nothing so soon after the last time."""
        now = time.monotonic()
        if not self.are_behind or now - self._told_at < SCALARS_S:
            return []
        self._told_at, self.are_behind = now, False
        _, statistics = await self._ctx.store.events.statistics(self._owner)
        before = self._told
        self._told = {(one.metric, one.variant): (one.count, one.iteration, one.at_ms) for one in statistics}
        return [_shown(one) for one in statistics if _is_other(one, before.get((one.metric, one.variant)))]


def _is_other(one: Statistics, before: tuple[int, int, int] | None) -> bool:
    return before != (one.count, one.iteration, one.at_ms)


def _shown(one: Statistics) -> dict[str, Any]:
    return {
        "metric": one.metric,
        "variant": one.variant,
        "iter": one.iteration,
        "value": finite(one.value),
        "min_value": finite(one.min_value),
        "max_value": finite(one.max_value),
        "count": one.count,
        "timestamp": one.at_ms,
    }
