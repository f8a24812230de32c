"""The watchdogs: what nobody reports about any more is brought to an end. One elected replica runs them.

What was popped and not started in time returns to the head of its queue; a running task that nobody answers for is
ended or queued again (`lost`). DESIGN 4, "Who is alive".

The leader renews its lead every `TICK_S`; one that is killed is followed within `HOLD_TICKS` of them. Time in which no
server was up counts for nobody: a leader that finds that nobody has watched for a while, or that the clock was set,
begins the watch anew, and every deadline is now and its full time.
"""

import asyncio
import logging
import time
from typing import Any, Protocol

from control_plane.logs import exception_facts
from control_plane.services import deletion, listing, lost, queues_metrics
from control_plane.services.context import Context
from control_plane.services.errors import ApiError
from control_plane.services.lost import Signs, Verdict
from control_plane.services.status import Status
from control_plane.services.tasks_common import commit
from control_plane.services.transitions import STATUS_PARTS, step
from control_plane.store.errors import StoreError
from control_plane.store.leadership import Leadership, Watch

log = logging.getLogger(__name__)

TICK_S = 2.0
"""How often the lead is renewed or asked for."""
HOLD_TICKS = 3
"""The lead is held for so many ticks: a replica that is only slow keeps it."""
GAP_ROUNDS = 6
"""Periods without a finished round that count as "no server was up"; one as far ahead of now is a clock set back."""
FORGOTTEN_EVERY = 12
"""Rounds between two looks for deletions that were cut short."""


class Host(Protocol):
    """What the watchdogs need of the server."""

    def system_context(self) -> Context:
        """A context of the server itself, for now."""
        ...


async def run(host: Host) -> None:
    """Take part in the election and, while leading, make rounds; until cancelled."""
    ctx = host.system_context()
    period_s = ctx.settings.watch_period_s
    tick_s = min(TICK_S, period_s)
    leadership, signs = Leadership(ctx.store.connection), Signs()
    rounds, next_round = 0, 0.0
    try:
        while True:
            try:
                watch = await leadership.lead(int(tick_s * HOLD_TICKS * 1000))
                if watch is not None and time.monotonic() >= next_round:
                    rounds, next_round = rounds + 1, time.monotonic() + period_s - tick_s / 2
                    ctx.counters["watchdog_rounds"] += 1
                    is_long = rounds % FORGOTTEN_EVERY == 1
                    await make_round(host.system_context(), leadership, watch, signs, look_for_forgotten=is_long)
            except (StoreError, ApiError) as error:
                log.warning("a round of the watchdogs failed", extra=exception_facts(error))
            except Exception as error:  # noqa: BLE001 - a loop's top: one odd task must not end every watch
                log.error("a round of the watchdogs failed", extra=exception_facts(error))
            await asyncio.sleep(tick_s)
    finally:
        try:
            async with asyncio.timeout(1.0):
                await leadership.resign()
        except (StoreError, TimeoutError):
            log.info("could not resign; the lead ends by itself")


async def make_round(
    ctx: Context, leadership: Leadership, watch: Watch, signs: Signs, *, look_for_forgotten: bool = False
) -> None:
    """One round: begin the watch anew after a gap, else bring to an end what is over."""
    now_ms = ctx.now_ms
    gap_ms = int(ctx.settings.watch_period_s * GAP_ROUNDS * 1000)
    if watch.last_round_ms is None or watch.since_ms is None or abs(now_ms - watch.last_round_ms) > gap_ms:
        await ctx.store.queues.extend_all(now_ms + int(ctx.settings.start_lease_s * 1000))
        await ctx.store.leases.shorten_all(now_ms + int(ctx.settings.lease_s * 1000))
        await leadership.finish_round(now_ms, now_ms)
        return
    await return_entries(ctx, now_ms)
    await end_lost_tasks(ctx, now_ms, watch.since_ms, signs)
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


async def end_lost_tasks(ctx: Context, now_ms: int, since_ms: int, signs: Signs) -> None:
    """End the running tasks that nobody answers for any more, or queue them again."""
    ids = await silent(ctx)
    signs.keep(set(ids))
    leases = await ctx.store.leases.until_ms(ids)
    for task in await ctx.store.get_many("task", ids, (*STATUS_PARTS, *lost.PARTS)):
        if task is None or task.get("status") != Status.IN_PROGRESS:
            continue
        until_ms = leases.get(task["id"])
        sign_ms = lost.sign_ms(task, until_ms, ctx.settings)
        verdict = lost.judge(
            task,
            now_ms=now_ms,
            since_ms=since_ms,
            lease_until_ms=until_ms,
            settings=ctx.settings,
            silent_s=signs.silent_s(task["id"], sign_ms, now_ms=now_ms, monotonic_s=time.monotonic()),
        )
        if verdict is not None:
            ctx.counters["lost_tasks"] += 1
            log.warning("nobody answers for a task", extra={"task": task["id"], "status": verdict.status})
            await _change(ctx, task, verdict)


async def silent(ctx: Context) -> list[str]:
    """The running tasks that have not reported lately, or ahead of now: the only ones that can be over."""
    running = {"status": [Status.IN_PROGRESS.value], "search_hidden": True}
    lately = [f">{lost.silent_since(ctx.now, ctx.settings).isoformat()}", f"<={ctx.now_iso}"]
    reported = await listing.ids(ctx, "task", {**running, "_and_": {"fields": ["last_update"], "datetime": lately}})
    alive = set(reported)
    return [id for id in await listing.ids(ctx, "task", running) if id not in alive]


async def _change(ctx: Context, task: dict[str, Any], verdict: Verdict) -> None:
    """Bring one task to its end or back into its queue, unless something happened to it; claims on it are over."""
    queue: str | None = None
    if verdict.status == Status.QUEUED:
        queue = str((task.get("execution") or {}).get("queue"))
        if not (await ctx.store.exists("queue", [queue]))[0]:
            queue, verdict = None, Verdict(Status.STOPPED, lost.LOST, f"{verdict.message}; but its queue was deleted")
    extra: dict[str, Any] | None = None
    if queue is not None:
        extra = {"started": None, lost.LOST_AGENTS: int(task.get(lost.LOST_AGENTS) or 0) + 1}
    elif verdict.status == Status.STOPPED:
        extra = {"completed": ctx.now_iso}
    transaction, _ = step(
        ctx, task, verdict.status, force=True, reason=verdict.reason, message=verdict.message, extra=extra
    )
    if task.get("last_update"):
        # A sign of life since it was read: it lives.
        transaction.expect("task", task["id"], {"last_update": task["last_update"]})
    if queue is not None:
        transaction.expect_exists("queue", queue)
        transaction.set("task", task["id"], {"enqueue_status": Status.CREATED.value})
        transaction.enqueue(queue, task["id"], "head")
    else:
        transaction.dequeue(task["id"])
        transaction.fence(task["id"])
    try:
        await commit(ctx, transaction)
    except ApiError:
        log.info("left alone: it changed meanwhile", extra={"task": task["id"]})
