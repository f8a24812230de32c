"""Queues: who waits where, who took what, and until when it has to be started.

A queue is a sorted set. Entering and leaving are part of transactions (`Transaction.enqueue`, `dequeue`); what is here
pops, returns and reorders. A popped entry is *in flight* until the task is started; if that does not happen before its
deadline it returns to the head of its queue, so an entry is never lost with the worker that took it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from control_plane.store import keys, layout
from control_plane.store.batching import Command
from control_plane.store.connection import Connection
from control_plane.store.notes import Note
from control_plane.store.transaction import CHANGES_KEPT

Order = Literal["priority", "fair"]
"""priority: the first queue that has any; fair: one queue after the other."""

CURSOR_EXPIRY_MS = 24 * 3600 * 1000
HELD_EXPIRY_MS = 24 * 3600 * 1000
EXPIRED_A_ROUND = 200
_TASK_KEY = tuple(keys.document("task", "*").split("*"))
MOST_ENTRIES = 1 << 31
"""More than a queue holds, and a number that Redis takes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A task that waits in a queue."""

    task: str
    added_ms: int


@dataclass(frozen=True, slots=True)
class Claim:
    """A task taken out of a queue by a worker; `number` fences every older claim of that task."""

    task: str
    queue: str
    number: int
    added_ms: int
    worker: str
    status: str | None = field(default=None, compare=False)
    """The task's when it was taken; None for a task that does not exist."""

    @property
    def flight(self) -> str:
        """How the flight is noted in Redis."""
        return f"{self.queue} {self.number} {self.added_ms} {self.worker}"


@dataclass(frozen=True, slots=True)
class Returned:
    """What became of a flight that ended without a start."""

    claim: Claim
    outcome: Literal["returned", "gone", "started", "deleted", "no queue"]
    """returned: at the head of its queue again; gone: not this flight any more, or not due; started: the task no longer
    waits; deleted: there is no such task; no queue: its queue was deleted, the task waits nowhere."""


class Queues:
    """The queues of one store."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # ---- taking

    async def claim(
        self,
        queues: Sequence[str],
        *,
        worker: str,
        now_ms: int,
        lease_ms: int,
        order: Order = "priority",
        limit: int = 1,
        holds_leases: bool = False,
        note: Note | None = None,
        is_first: bool = True,
    ) -> list[Claim]:
        """Take up to `limit` tasks of these queues, most important queue first; [] when all are empty. Never waits.

        Args:
            lease_ms: time to start each, in ms, after which it returns to the head of its queue.
            holds_leases: the worker is one of our agents, which renew what they hold; see `Leases`.
            note: of this call: its repeat gets the same tasks, as far as they are not started.
            is_first: False when this call has taken some already, which are not to be taken for an earlier try's.

        Atomic: `lua/claim.lua`. If the answer is lost on the way here, the entry comes back when its lease ends.
        """
        if not queues:
            return []
        how = "" if note is None else "note" if not is_first else "new" if note.is_over else "repeat"
        flat: list[Any] = await self._connection.run(
            lambda _client: self._connection.script(
                "claim",
                [
                    keys.entries(),
                    keys.in_flight(),
                    keys.flights(),
                    keys.claims(),
                    keys.cursor(worker),
                    keys.held(worker),
                    keys.leases(),
                    note.key if note else keys.note(""),
                    *map(keys.queue, queues),
                    *map(keys.queue_minutes, queues),
                ],
                [
                    now_ms,
                    lease_ms,
                    worker,
                    limit,
                    order,
                    CURSOR_EXPIRY_MS,
                    HELD_EXPIRY_MS if holds_leases else 0,
                    how,
                    note.stamp(now_ms) if note else "",
                    *_TASK_KEY,
                    *queues,
                ],
            )
        )
        return [
            Claim(
                task.decode(),
                queue.decode(),
                int(number),
                int(added_ms),
                worker,
                layout.decode(status) if status else None,
            )
            for task, queue, number, added_ms, status in zip(*[iter(flat)] * 5, strict=True)
        ]

    async def release(self, claim: Claim) -> Returned:
        """Return a popped entry to the head of its queue at once, unless it is no longer this claim's."""
        return await self._return(claim, due_ms=None)

    async def release_claim(self, task: str, number: int) -> Returned | None:
        """As `release`, for a caller that knows only task and claim number. None when no such claim is in flight."""
        flight = (await self.flights([task])).get(task)
        if flight is None or flight.number != number:
            return None
        return await self.release(flight)

    async def return_expired(self, now_ms: int) -> list[Returned]:
        """Return what was not started in time, the oldest few hundred. The caller repairs the tasks of "no queue"."""
        raw: Any = await self._connection.run(
            lambda client: client.zrangebyscore(keys.in_flight(), "-inf", now_ms, start=0, num=EXPIRED_A_ROUND)
        )
        flights = await self.flights([task.decode() for task in raw])
        return [await self._return(flight, due_ms=now_ms) for flight in flights.values()]

    async def extend_all(self, deadline_ms: int) -> None:
        """Move every deadline to this one: time without a server counts for nobody, nor does a clock that was set."""
        members: Any = await self._connection.run(lambda client: client.zrange(keys.in_flight(), 0, -1))
        if members:
            scores = dict.fromkeys(members, deadline_ms)
            await self._connection.run(lambda client: client.zadd(keys.in_flight(), scores, xx=True))

    async def flights(self, tasks: Sequence[str]) -> dict[str, Claim]:
        """Those of the tasks that are in flight."""
        if not tasks:
            return {}
        found: Any = await self._connection.run(lambda client: client.hmget(keys.flights(), list(tasks)))
        return {task: _claim(task, raw) for task, raw in zip(tasks, found, strict=True) if raw is not None}

    async def claim_numbers(self, tasks: Sequence[str]) -> dict[str, int]:
        """The newest claim number of each task that ever had one."""
        if not tasks:
            return {}
        found: Any = await self._connection.run(lambda client: client.hmget(keys.claims(), list(tasks)))
        return {task: int(raw) for task, raw in zip(tasks, found, strict=True) if raw is not None}

    # ---- looking

    async def entries(self, queues: Sequence[str], limit: int | None = None) -> list[list[Entry]]:
        """What waits in each queue, next first; at most `limit` of each. Two round trips."""
        end = -1 if limit is None else min(limit, MOST_ENTRIES) - 1

        if not queues or (limit is not None and limit <= 0):
            return [[] for _ in queues]
        ranges: list[Command] = [("ZRANGE", keys.queue(queue), 0, end) for queue in queues]
        waiting: list[list[bytes]] = await self._connection.run(lambda client: client.many(ranges))
        tasks = [task for queue in waiting for task in queue]
        if not tasks:
            return [[] for _ in queues]
        found: Any = await self._connection.run(lambda client: client.hmget(keys.entries(), tasks))
        added = dict(zip(tasks, found, strict=True))
        # An entry popped between the two reads has no time any more, and waits no more.
        return [
            [Entry(task.decode(), int(added[task].rpartition(b" ")[2])) for task in queue if added[task] is not None]
            for queue in waiting
        ]

    async def counts(self, queues: Sequence[str]) -> list[int]:
        """How many wait in each queue."""

        cards: list[Command] = [("ZCARD", keys.queue(queue)) for queue in queues]
        return await self._connection.run(lambda client: client.many(cards)) if queues else []

    async def totals(self) -> tuple[int, int]:
        """How many tasks wait in any queue, and how many are in flight."""
        commands: list[Command] = [("HLEN", keys.entries()), ("ZCARD", keys.in_flight())]
        waiting, in_flight = await self._connection.run(lambda client: client.many(commands))
        return waiting, in_flight

    async def queue_of(self, task: str) -> str | None:
        """The queue in which a task waits."""
        raw: Any = await self._connection.run(lambda client: client.hget(keys.entries(), task))
        return None if raw is None else raw.decode().partition(" ")[0]

    # ---- reordering

    async def move(
        self, queue: str, task: str, *, by: int | None = None, to: int | None = None, note: Note | None = None
    ) -> int | None:
        """Move a task `by` places towards the end (negative: the front), or to place `to` (from 0; beyond = last).

        Returns its new place, None when it does not wait in this queue.
        """
        how, number = ("to", to) if to is not None else ("by", by or 0)
        noted = [note.key] if note else []
        stamp = note.stamp(int(time.time() * 1000)) if note else ""
        kept_ms = note.kept_ms if note else 0
        place = int(
            await self._connection.run(
                lambda _: self._connection.script(
                    "move", [keys.queue(queue), *noted], [task, how, number, kept_ms, stamp]
                )
            )
        )
        return None if place < 0 else place

    async def _return(self, claim: Claim, due_ms: int | None) -> Returned:
        outcome = await self._connection.run(
            lambda _client: self._connection.script(
                "requeue",
                [
                    keys.change_counter(),
                    keys.changes(),
                    keys.entries(),
                    keys.in_flight(),
                    keys.flights(),
                    keys.document("task", claim.task),
                    keys.document("queue", claim.queue),
                    keys.queue(claim.queue),
                ],
                [
                    claim.task,
                    claim.flight,
                    claim.queue,
                    claim.added_ms,
                    secrets.token_hex(8),
                    "" if due_ms is None else due_ms,
                    CHANGES_KEPT,
                ],
            )
        )
        return Returned(claim, outcome.decode())


def _claim(task: str, raw: bytes) -> Claim:
    queue, number, added_ms, worker = raw.decode().split(" ", 3)
    return Claim(task, queue, int(number), int(added_ms), worker)
