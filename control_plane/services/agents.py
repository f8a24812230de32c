"""`agents.*`: our agents' own calls. They wait for work instead of polling, and hold leases on what they took."""

import asyncio
import time
from collections.abc import Awaitable, Sequence
from typing import Any

from msgspec import UNSET

from control_plane.schema.agents import (
    DrainRequest,
    Entry,
    ReleaseRequest,
    ReleaseResponse,
    RenewRequest,
    RenewResponse,
    Stop,
    TokenRequest,
    TokenResponse,
    WaitRequest,
    WaitResponse,
)
from control_plane.services import lost, workers
from control_plane.services.access import USER_FACTS
from control_plane.services.context import Claim, Context, Identity
from control_plane.services.errors import fenced, forbidden, unknown_queue
from control_plane.services.impersonation import act_as
from control_plane.services.queues_entries import added_iso, take
from control_plane.services.registry import endpoint
from control_plane.services.roles import IMPERSONATORS
from control_plane.services.status import Status
from control_plane.services.transitions import record, status_fields
from control_plane.store import Claim as Taken
from control_plane.store import GuardFailed
from control_plane.store.changes import Waiter

FORGOTTEN_AFTER_MS = 60_000
"""An agent that no longer names a task it took longer ago than this no longer runs it."""

FORCED_ON, FORCED_OFF = "force_workers:on", "force_workers:off"
"""Tags of a queue that go before the timetables of its workers."""

LOOK_AGAIN_S = 10.0
"""A waiter looks again after this time even if nothing woke it: a change without a notice must not be for ever."""


@endpoint("agents.wait", WaitRequest, WaitResponse)
async def wait(ctx: Context, request: WaitRequest) -> WaitResponse:
    """Wait for a task to take, a run to end, a change of the wish to drain, or a queue gone; empty after `timeout_s`.

    Tasks are taken only for a caller that is still there; if the answer cannot be written they return at once.
    """
    _refuse_owner(ctx, request.use_owner_token)
    missing, held = await asyncio.gather(_missing(ctx, request), ctx.store.leases.held(request.worker))
    if missing and request.known_missing is None:
        raise unknown_queue(ids=missing)
    worker_key = workers.key(ctx, request.worker)
    wakes = [("worker", worker_key), *(("task", task) for task in held)]
    if request.slots or request.known_waiting is not None:
        wakes += [("queue", queue) for queue in request.queues]
    deadline = time.monotonic() + request.timeout_s
    sources: list[str] = []
    with ctx.store.changes.waiting(wakes) as waiter:
        ctx.connection.on_lost(waiter.wake)
        while True:
            answer, sources, is_rest = await _look(ctx, request, worker_key, sources)
            remaining_s = deadline - time.monotonic()
            is_over = remaining_s <= 0 or not ctx.connection.is_alive
            if answer.entries and not is_rest:
                waiter.settle()
            if is_over or answer.entries or answer.stops or _is_news(request, answer):
                return answer
            if len(sources) == len(request.queues):
                waiter.settle()
            else:
                ctx.store.changes.pass_on(waiter)
            await _wake(waiter, min(remaining_s, LOOK_AGAIN_S))


async def _look(
    ctx: Context, request: WaitRequest, worker_key: str, expected: Sequence[str]
) -> tuple[WaitResponse, list[str], bool]:
    """What there is for this worker now, the queues from which it may take, and whether anything may be left in them.

    All of it side by side, as this is the way of every task to its agent: from the `expected` queues, those of the last
    look, tasks are taken in the same round trip that tells whether they may be. What may not be taken goes back.
    """
    worker, stops, tags, taken, counts = await _together(
        ctx.store.workers.get(worker_key, ctx.now_ms),
        _stops(ctx, request.worker, request.known_stops),
        _tags(ctx, request.queues),
        _claim(ctx, request, expected),
        ctx.store.queues.counts(request.queues),  # asked after the claim: what that left
    )
    drain = bool(worker and worker.get("drain"))
    missing = [queue for queue in request.queues if queue not in tags]
    queues = [queue for queue in request.queues if queue in tags and _is_open(tags[queue], request.is_off_duty)]
    sources = queues if request.take_from is None else [queue for queue in request.take_from if queue in queues]
    if not request.slots or drain:
        sources = []
    if refused := [claim for claim in taken if claim.queue not in sources]:
        await _return(ctx, request.worker, refused)
        taken[:] = [claim for claim in taken if claim.queue in sources]
    is_rest = bool(refused) or any(counts)
    if not taken and sources != list(expected):
        taken, is_rest = await _claim(ctx, request, sources), True
    entries = await _entries(ctx, request, taken)
    waiting = UNSET if request.known_waiting is None else await _waiting(ctx, queues)
    answer = WaitResponse(entries=entries, stops=stops, drain=drain, missing=missing, waiting=waiting)
    return answer, sources, is_rest


async def _together(*calls: Awaitable[Any]) -> list[Any]:
    """Their answers. When one fails the others are waited for: what a claim took is then known and can go back."""
    found = await asyncio.gather(*calls, return_exceptions=True)
    for answer in found:
        if isinstance(answer, BaseException):
            raise answer
    return found


async def _waiting(ctx: Context, queues: Sequence[str]) -> list[str]:
    """Those of the queues that hold tasks."""
    counts = await ctx.store.queues.counts(queues)
    return [queue for queue, count in zip(queues, counts, strict=True) if count]


def _is_news(request: WaitRequest, answer: WaitResponse) -> bool:
    """True when the agent should hear of its orders or its queues now."""
    if sorted(answer.missing) != sorted(request.known_missing or ()):
        return True
    if answer.waiting is not UNSET and sorted(answer.waiting) != sorted(request.known_waiting or ()):
        return True
    if request.known_drain is None:
        return answer.drain and request.slots > 0
    return answer.drain != request.known_drain


async def _missing(ctx: Context, request: WaitRequest) -> list[str]:
    """The queues of a request that do not exist."""
    existing = await ctx.store.exists("queue", request.queues)
    return [id for id, found in zip(request.queues, existing, strict=True) if not found]


async def _tags(ctx: Context, queues: Sequence[str]) -> dict[str, list[str]]:
    """The tags of those queues that exist."""
    found = await ctx.store.get_many("queue", queues, ["id", "tags"]) if queues else []
    return {id: list(queue.get("tags") or ()) for id, queue in zip(queues, found, strict=True) if queue is not None}


def _is_open(tags: Sequence[str], is_off_duty: bool) -> bool:
    """Whether a worker takes from a queue of these tags now. Source: contract/agent_behaviour.md 2."""
    if FORCED_OFF in tags:
        return False
    return not is_off_duty or FORCED_ON in tags


async def _claim(ctx: Context, request: WaitRequest, queues: Sequence[str]) -> list[Taken]:
    """Take tasks of these queues, if the caller is still there; if the answer does not reach it they return."""
    if not queues or not ctx.connection.is_alive:
        return []
    taken = await take(
        ctx,
        queues,
        worker=request.worker,
        lease_s=ctx.settings.lease_s,
        order="fair" if request.order_fairness else "priority",
        limit=request.slots,
        holds_leases=True,
        note=ctx.note,
    )
    if taken:
        ctx.connection.if_unanswered(lambda: _give_back(ctx, request.worker, taken))
    return taken


async def _entries(ctx: Context, request: WaitRequest, taken: Sequence[Taken]) -> list[Entry]:
    """What was taken, with the tokens of the claims."""
    identities = await _identities(ctx, [claim.task for claim in taken], use_owner=request.use_owner_token)
    return [
        Entry(
            task=claim.task,
            queue=claim.queue,
            claim=claim.number,
            token=ctx.access.mint_claim(identities[claim.task], Claim(claim.task, claim.number, request.worker)),
            lease_s=ctx.settings.lease_s,
            added=added_iso(claim),
        )
        for claim in taken
    ]


def _refuse_owner(ctx: Context, is_wanted: bool) -> None:
    if is_wanted and ctx.identity.role not in IMPERSONATORS:
        raise forbidden("only an agent with an administrator's key runs tasks as their owners", role=ctx.identity.role)


async def _identities(ctx: Context, tasks: Sequence[str], *, use_owner: bool) -> dict[str, Identity]:
    """Who the runs of these tasks act as: the agent, or the users whom the tasks belong to."""
    if not use_owner or not tasks:
        return dict.fromkeys(tasks, ctx.identity)
    documents = await ctx.store.get_many("task", tasks, ["user"])
    owners = {task: str((document or {}).get("user") or "") for task, document in zip(tasks, documents, strict=True)}
    users = dict.fromkeys(owner for owner in owners.values() if owner)
    known = await ctx.store.get_many("user", list(users), USER_FACTS)
    acting = {user: act_as(ctx.access, ctx.identity, facts) for user, facts in zip(users, known, strict=True) if facts}
    return {task: acting.get(owner, ctx.identity) for task, owner in owners.items()}


async def _give_back(ctx: Context, worker: str, taken: Sequence[Taken]) -> None:
    """The answer did not reach the agent."""
    await _return(ctx, worker, taken)
    ctx.counters["unanswered_entries"] += len(taken)


async def _return(ctx: Context, worker: str, taken: Sequence[Taken]) -> None:
    """The entries return, the first taken to the very front."""
    await ctx.store.leases.forget(worker, [claim.task for claim in taken])  # first: the next lease is another's
    for claim in reversed(taken):
        await ctx.store.queues.release(claim)


async def _stops(ctx: Context, worker: str, known: Sequence[str]) -> list[Stop]:
    """The tasks that this worker took and has to end."""
    held = {task: claim for task, (claim, _) in (await ctx.store.leases.held(worker)).items() if task not in known}
    if not held:
        return []
    tasks = list(held)
    documents = await ctx.store.get_many("task", tasks, ["status", "status_message"])
    numbers = await ctx.store.queues.claim_numbers(tasks)
    stops = []
    for task, document in zip(tasks, documents, strict=True):
        reason = _stop_reason(document, is_current=numbers.get(task) == held[task])
        if reason is not None:
            stops.append(Stop(task=task, claim=held[task], reason=reason))
    return stops


def _stop_reason(task: dict[str, Any] | None, *, is_current: bool) -> str | None:
    if task is None:
        return "deleted"
    if not is_current:
        return "fenced"
    status = task.get("status")
    if status not in (Status.IN_PROGRESS, Status.QUEUED, Status.CREATED):
        return f"status changed: {status}"
    return "stopping" if "stopping" in str(task.get("status_message") or "") else None


async def _wake(waiter: Waiter, timeout_s: float) -> None:
    """Until something may have changed, the caller hung up, or the time is over."""
    try:
        async with asyncio.timeout(timeout_s):
            await waiter.wait()
    except TimeoutError:
        pass  # the next look answers


@endpoint("agents.renew", RenewRequest, RenewResponse)
async def renew(ctx: Context, request: RenewRequest) -> RenewResponse:
    """The agent lives: prolong its registration and its leases, and learn which claims are over."""
    lease_s = ctx.settings.lease_s
    claims = {held.task: held.claim for held in request.claims}
    over = await ctx.store.leases.renew(request.worker, claims, now_ms=ctx.now_ms, lease_ms=int(lease_s * 1000))
    await _forget_ended(ctx, request.worker, claims)
    if request.is_start:
        await _return_unstarted(ctx, request.worker, claims)
    running = next(iter(claims), None)
    said: dict[str, Any] = {"queues": request.queues, "task": running, "last_report_time": ctx.now_iso}
    await workers.put(ctx, request.worker, lease_s, said)
    lost = [
        Stop(task=task, claim=claims[task], reason="fenced" if current is not None else "deleted")
        for task, current in over.items()
    ]
    return RenewResponse(lease_s=lease_s, lost=lost)


async def _return_unstarted(ctx: Context, worker: str, claims: dict[str, int]) -> None:
    """An agent that was killed between taking a task and writing it down does not wait for its own lease."""
    held = await ctx.store.leases.held(worker)
    lost = await ctx.store.queues.flights([task for task in held if task not in claims])
    for task, claim in lost.items():
        if claim.number == held[task][0]:
            await ctx.store.queues.release(claim)
    await ctx.store.leases.forget(worker, list(lost))


async def _forget_ended(ctx: Context, worker: str, claims: dict[str, int]) -> None:
    """Forget what the worker took once and does not name any more."""
    held = await ctx.store.leases.held(worker)
    old_ms = ctx.now_ms - FORGOTTEN_AFTER_MS
    ended = [task for task, (_, at_ms) in held.items() if task not in claims and at_ms < old_ms]
    in_flight = await ctx.store.queues.flights(ended)
    await ctx.store.leases.forget(worker, [task for task in ended if task not in in_flight])


@endpoint("agents.release", ReleaseRequest, ReleaseResponse)
async def release(ctx: Context, request: ReleaseRequest) -> ReleaseResponse:
    """Give a task back that cannot be run here: it is the next of its queue again, also when it was started."""
    returned = await ctx.store.queues.release_claim(request.task, request.claim)
    released = returned is not None and returned.outcome == "returned"
    if not released:
        released = await _requeue_started(ctx, request)
    await ctx.store.leases.forget(request.worker, [request.task])
    return ReleaseResponse(released=int(released))


async def _requeue_started(ctx: Context, request: ReleaseRequest) -> bool:
    task = await ctx.store.get("task", request.task, ["status", *lost.PARTS])
    queue = ((task or {}).get("execution") or {}).get("queue")
    if task is None or task.get("status") != Status.IN_PROGRESS or not queue or lost.is_stopping(task):
        return False
    reason, message, extra = request.reason or "released by its agent", None, {}
    if request.is_lost:
        verdict = lost.retried(task, request.reason)
        if verdict is None:
            return False
        reason, message = verdict.reason, verdict.message
        extra = {lost.LOST_AGENTS: int(task.get(lost.LOST_AGENTS) or 0) + 1}
    transaction = ctx.store.transaction()
    transaction.expect_claim(request.task, request.claim)
    transaction.expect("task", request.task, {"status": Status.IN_PROGRESS})
    transaction.expect_exists("queue", queue)
    fields = status_fields(ctx, Status.QUEUED, reason, message)
    transaction.set("task", request.task, {**fields, "started": None, **extra})
    record(ctx, transaction, request.task, Status.IN_PROGRESS, Status.QUEUED, said=fields)
    transaction.enqueue(queue, request.task, "head")
    try:
        await transaction.commit()
    except GuardFailed:
        return False  # the claim is over, or the queue is gone
    return True


@endpoint("agents.token", TokenRequest, TokenResponse)
async def token(ctx: Context, request: TokenRequest) -> TokenResponse:
    """The token of a claim, for an agent that works on the store and so cannot sign one, or has only an expired one."""
    held = (await ctx.store.leases.held(request.worker)).get(request.task)
    current = (await ctx.store.queues.claim_numbers([request.task])).get(request.task)
    if held is None or held[0] != request.claim or current != request.claim:
        raise fenced(request.task, request.claim, current)
    _refuse_owner(ctx, request.use_owner_token)
    claim = Claim(request.task, request.claim, request.worker)
    identities = await _identities(ctx, [request.task], use_owner=request.use_owner_token)
    return TokenResponse(token=ctx.access.mint_claim(identities[request.task], claim))


@endpoint("agents.drain", DrainRequest)
async def drain(ctx: Context, request: DrainRequest) -> dict[str, Any]:
    """Tell a worker to finish what it runs and take nothing new, or to go on."""
    worker_key = workers.key(ctx, request.worker)
    known = await ctx.store.workers.get(worker_key, ctx.now_ms)
    if known is None:
        return {"updated": 0}
    deadline_ms = ctx.now_ms + int(known.get("register_timeout", ctx.settings.worker_timeout_s) * 1000)
    await ctx.store.workers.put(worker_key, {"drain": request.drain or None}, deadline_ms=deadline_ms)
    transaction = ctx.store.transaction()
    transaction.touch("worker", worker_key)
    await transaction.commit()
    return {"updated": 1}
