"""The watchdogs: what nobody reports about any more is brought to an end. One elected replica runs them.

Who is judged by what (DESIGN 4, "Who is alive"):

    popped and not started                     its deadline                      back to the head of its queue
    run by an agent of ours                    its lease, then any sign of life  failed, "lost"
    asked to stop, and nobody there to do it   worker_timeout_s of silence       stopped
    run by an official agent, or by hand       stuck_after_s of silence          stopped, "non-responsive"

A sign of life is the task's `last_update` or its worker's report. No silence is counted from a time when no server
was up.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from control_plane.logs import exception_facts
from control_plane.services import deletion, listing, queues_metrics
from control_plane.services.context import Context
from control_plane.services.errors import ApiError
from control_plane.services.status import Status
from control_plane.services.tasks_common import commit
from control_plane.services.transitions import STATUS_PARTS, step
from control_plane.settings import Settings
from control_plane.store.errors import StoreError
from control_plane.store.leadership import Leadership, Watch

log = logging.getLogger(__name__)

NON_RESPONSIVE = "Forced stop (non-responsive)"
HOLD_ROUNDS = 4
"""The lead is held for so many periods: a replica that is only slow keeps it."""
GAP_ROUNDS = 6
"""Periods without a finished round that count as "no server was up"."""
FORGOTTEN_EVERY = 12
"""Rounds between two looks for deletions that were cut short."""


class Host(Protocol):
    """What the watchdogs need of the server."""

    def system_context(self) -> Context:
        """A context of the server itself, for now."""
        ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to become of a task that is said to be running."""

    status: Status
    reason: str
    message: str


def judge(
    task: Mapping[str, Any], *, now_ms: int, since_ms: int, lease_until_ms: int | None, settings: Settings
) -> Verdict | None:
    """The verdict about a running task; None: it lives, or its time is not over. Pure.

    Args:
        since_ms: since when somebody has watched; silence from before does not count.
        lease_until_ms: until when an agent of ours answers for the task; None: no agent of ours took it.
    """
    seen_ms = max(since_ms, *(_ms(task.get(name)) for name in ("last_update", "last_worker_report", "started")))
    silent_s = (now_ms - seen_ms) / 1000
    worker = task.get("last_worker") or "unknown"
    if lease_until_ms is not None:
        expired_s = (now_ms - max(lease_until_ms, since_ms)) / 1000
        if expired_s > settings.lost_after_s and silent_s > settings.lost_after_s:
            text = f"lost: neither the agent ({worker}) nor the task has reported for {int(silent_s)} s"
            return Verdict(Status.FAILED, "lost", text)
        return None
    if "stopping" in str(task.get("status_message") or "") and silent_s > settings.worker_timeout_s:
        return Verdict(Status.STOPPED, "stopped", f"Stopped: nobody reported back for {int(silent_s)} s")
    if silent_s > settings.stuck_after_s:
        return Verdict(Status.STOPPED, NON_RESPONSIVE, NON_RESPONSIVE)
    return None


def _ms(iso: Any) -> int:
    if not isinstance(iso, str) or not iso:
        return 0
    moment = datetime.fromisoformat(iso)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


async def run(host: Host) -> None:
    """Take part in the election and, while leading, make rounds; until cancelled."""
    ctx = host.system_context()
    period_s = ctx.settings.watch_period_s
    leadership = Leadership(ctx.store.connection)
    rounds = 0
    try:
        while True:
            try:
                watch = await leadership.lead(int(period_s * HOLD_ROUNDS * 1000))
                if watch is not None:
                    rounds += 1
                    await make_round(
                        host.system_context(), leadership, watch, look_for_forgotten=rounds % FORGOTTEN_EVERY == 1
                    )
            except (StoreError, ApiError) as error:
                log.warning("a round of the watchdogs failed", extra=exception_facts(error))
            except Exception as error:  # noqa: BLE001 - a loop's top: one odd task must not end every watch
                log.error("a round of the watchdogs failed", extra=exception_facts(error))
            await asyncio.sleep(period_s)
    finally:
        try:
            async with asyncio.timeout(1.0):
                await leadership.resign()
        except (StoreError, TimeoutError):
            log.info("could not resign; the lead ends by itself")


async def make_round(ctx: Context, leadership: Leadership, watch: Watch, *, look_for_forgotten: bool = False) -> None:
    """One round: begin the watch anew after a gap, else bring to an end what is over."""
    now_ms = ctx.now_ms
    gap_ms = int(ctx.settings.watch_period_s * GAP_ROUNDS * 1000)
    if watch.last_round_ms is None or watch.since_ms is None or now_ms - watch.last_round_ms > gap_ms:
        await ctx.store.queues.extend_all(now_ms + int(ctx.settings.start_lease_s * 1000))
        await leadership.finish_round(now_ms, now_ms)
        return
    await return_entries(ctx, now_ms)
    await end_lost_tasks(ctx, now_ms, watch.since_ms)
    if look_for_forgotten:
        await deletion.drop_forgotten(ctx)
        await queues_metrics.make_round(ctx)
    await leadership.finish_round(now_ms, watch.since_ms)


async def return_entries(ctx: Context, now_ms: int) -> None:
    """Return what was popped and not started in time; a task whose queue is gone goes back to what it was."""
    for returned in await ctx.store.queues.return_expired(now_ms):
        ctx.counters["returned_entries"] += returned.outcome == "returned"
        log.info(
            "a popped task was not started in time", extra={"task": returned.claim.task, "outcome": returned.outcome}
        )
        if returned.outcome != "no queue":
            continue
        task = await ctx.store.get("task", returned.claim.task, (*STATUS_PARTS, "enqueue_status"))
        if task is None or task.get("status") != Status.QUEUED:
            continue
        target = Status(task.get("enqueue_status") or Status.CREATED)
        await _change(ctx, task, Verdict(target, "", "its queue was deleted"))


async def end_lost_tasks(ctx: Context, now_ms: int, since_ms: int) -> None:
    """End the running tasks that nobody answers for any more."""
    ids = await listing.ids(ctx, "task", {"status": [Status.IN_PROGRESS.value], "search_hidden": True})
    leases = await ctx.store.leases.until_ms(ids)
    parts = (*STATUS_PARTS, "last_update", "last_worker", "last_worker_report", "status_message")
    for task in await ctx.store.get_many("task", ids, parts):
        if task is None or task.get("status") != Status.IN_PROGRESS:
            continue
        until_ms = leases.get(task["id"])
        verdict = judge(task, now_ms=now_ms, since_ms=since_ms, lease_until_ms=until_ms, settings=ctx.settings)
        if verdict is not None:
            ctx.counters["lost_tasks"] += 1
            log.warning("ending a task that nobody answers for", extra={"task": task["id"], "status": verdict.status})
            await _change(ctx, task, verdict)


async def _change(ctx: Context, task: dict[str, Any], verdict: Verdict) -> None:
    """Bring one task to its end, unless something happened to it meanwhile; claims on it are over."""
    extra = {"completed": ctx.now_iso} if verdict.status in (Status.STOPPED, Status.FAILED) else None
    transaction, _ = step(
        ctx, task, verdict.status, force=True, reason=verdict.reason, message=verdict.message, extra=extra
    )
    if task.get("last_update"):
        # A sign of life since it was read: it lives.
        transaction.expect("task", task["id"], {"last_update": task["last_update"]})
    transaction.dequeue(task["id"])
    transaction.fence(task["id"])
    try:
        await commit(ctx, transaction)
    except ApiError:
        log.info("left alone: it changed meanwhile", extra={"task": task["id"]})
