"""Sealing in the background: which events go from memory into segments, and when. One replica at a time does it.

the task has ended, or the model is ready     two minutes after the last event
a task that runs, or a draft                  when it has many blocks, or much text
nobody has them any more                      forgotten
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Protocol

from control_plane.logs import exception_facts
from control_plane.services import retention
from control_plane.services.context import Context
from control_plane.services.status import Status
from control_plane.store.errors import StoreError
from control_plane.store.segments.due import AT_ONCE, LARGE_BLOCKS, QUIET_MS, Due
from control_plane.store.segments.files import SegmentsUnavailable

log = logging.getLogger(__name__)

OWNERS_A_ROUND = 50
HOLD_S = 60.0
POSTPONED_MS = 300_000
"""Who is not sealed yet is looked at again after so long."""
AWAY_S = 30.0
"""Pause after the place of the segments could not be reached."""
SWEEP_S = 3600.0
READ_MS = 3_600_000
"""Whoever reads a segment when it becomes part of another is done after so long."""

_RUNNING = frozenset({Status.CREATED, Status.QUEUED, Status.IN_PROGRESS})


class Host(Protocol):
    """What sealing needs of the server."""

    def system_context(self) -> Context:
        """A context of the server itself, for now."""
        ...


async def run(host: Host) -> None:
    """Seal for ever; a store or a place that is away is waited for."""
    ctx = host.system_context()
    due, period_s = ctx.store.events.due, ctx.settings.seal_period_s
    if due is None or period_s <= 0:
        return
    loop = asyncio.get_running_loop()
    swept_at, was_away = loop.time() - SWEEP_S + period_s * 10, False
    while True:
        pause_s, can_be_cut = period_s, False
        due.hurry.clear()
        try:
            if await due.lead(int(max(HOLD_S, period_s * 3) * 1000)):
                if await make_round(host.system_context()) == OWNERS_A_ROUND:
                    pause_s = 0.0
                if loop.time() - swept_at > SWEEP_S:
                    swept_at = loop.time()
                    await sweep(ctx)
                    ctx.counters["thinned_points"] += await retention.apply(host.system_context())
            was_away, can_be_cut = False, True
        except SegmentsUnavailable as error:
            if not was_away:
                log.warning("events stay in memory: the place of their segments is away", extra={"text": str(error)})
            was_away, pause_s = True, max(AWAY_S, period_s)
        except StoreError as error:
            log.warning("sealing waits", extra=exception_facts(error))
        ctx.counters["sealing_rounds"] += 1
        await _pause(due, pause_s, can_be_cut=can_be_cut)


async def _pause(due: Due, pause_s: float, *, can_be_cut: bool) -> None:
    """Wait, or until this process has written so much that it is to be sealed at once."""
    if not can_be_cut:
        await asyncio.sleep(pause_s)
        return
    with suppress(TimeoutError):
        await asyncio.wait_for(due.hurry.wait(), pause_s)


async def make_round(ctx: Context) -> int:
    """Seal whatever is due; returns how many owners that were."""
    due, now_ms = ctx.store.events.due, ctx.now_ms
    waiting = [] if due is None else await due.due(now_ms, OWNERS_A_ROUND)
    if due is None or not waiting:
        return 0
    owners = await _documents(ctx, [owner for owner, _ in waiting])
    sealer = await ctx.store.events.sealer()
    for owner, due_ms in waiting:
        document = owners.get(owner)
        if document is not None and due_ms != AT_ONCE and not is_over(document):
            generation = await ctx.store.events.generation(owner)
            if await due.live_blocks(owner, generation) < LARGE_BLOCKS // 2:
                await due.set(owner, now_ms + POSTPONED_MS)
                continue
        if due_ms == AT_ONCE:
            # Looked at once more: what is written next is not noted again for a while (`due.NOTED_AGAIN_S`).
            await due.set(owner, now_ms + QUIET_MS)
        if document is not None and sealer is not None:
            ctx.counters["sealed_events"] += await sealer.seal(owner)
        await due.done(owner, due_ms)
        await due.lead(int(HOLD_S * 1000))
    return len(waiting)


async def sweep(ctx: Context) -> None:
    """Remove the files that nothing names any more."""
    sealer = await ctx.store.events.sealer()
    if sealer is not None:
        await sealer.remove_replaced(before_ms=ctx.now_ms - READ_MS)
        ctx.counters["swept_segments"] += await sealer.sweep(now_s=ctx.now.timestamp())


def is_over(document: Mapping[str, Any]) -> bool:
    """Whether a task has ended or a model is ready: few events will follow."""
    if "ready" in document:
        return bool(document["ready"])
    return document.get("status") not in _RUNNING


async def _documents(ctx: Context, owners: list[str]) -> dict[str, dict[str, Any]]:
    """What these tasks and models are; those that are gone are left out."""
    found: dict[str, dict[str, Any]] = {}
    for kind, parts in (("task", ["status"]), ("model", ["ready"])):
        some = [owner for owner in owners if owner not in found]
        for owner, document in zip(some, await ctx.store.get_many(kind, some, parts), strict=True):
            if document is not None:
                found[owner] = document
    return found
