"""The change stream: what was changed, in order, for whoever waits and for the read model.

Every transaction appends one entry, numbered without gaps. One blocking read per process follows it and wakes, inside
the process, those who wait for a document or a queue.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import redis.asyncio as aioredis
from redis import exceptions as redis_errors

from control_plane.store import keys, layout
from control_plane.store.connection import ANSWER_TIMEOUT_S, AWAY, Connection

log = logging.getLogger(__name__)

Change = tuple[str, str]
"""(kind, id) of a document; ("queue", id) also when something entered the queue."""

BLOCK_MS = 10_000
ENTRIES_A_READ = 2_000
MOST_OBSERVED = 2_000
"""Whoever is behind by more looks at everything again."""


class Waiter:
    """Somebody who waits for any of some changes; made by `Changes.waiting`."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.turns: set[Change] = set()
        """Queues that changed, for which this waiter alone was woken."""
        self.taken: set[Change] = set()
        """Those of them that it is looking at; see `settle`."""
        self.had_turn = False
        """It was woken for a queue the last time."""
        self.was_in_vain = False
        """It waits again after that: others were faster."""

    def wake(self) -> None:
        """Note that something may have changed."""
        self._event.set()

    async def wait(self) -> None:
        """Until something may have changed since the last `wait` (or since waiting began). May wake for nothing."""
        self.was_in_vain = self.had_turn
        await self._event.wait()
        self._event.clear()
        self.had_turn = bool(self.turns)
        self.taken |= self.turns
        self.turns.clear()

    def settle(self) -> None:
        """Nothing is left in the queues for which this waiter was woken: nobody need be woken in its place."""
        self.taken.clear()


class Observer:
    """Somebody who wants to know of every change; made by `Changes.observing`."""

    def __init__(self) -> None:
        self.found: dict[Change, None] = {}
        self.is_complete = True
        """False when some changes were missed, or were more than anybody keeps."""
        self._event = asyncio.Event()

    def note(self, changes: Iterable[Change]) -> None:
        """Keep what changed, up to `MOST_OBSERVED`."""
        if len(self.found) < MOST_OBSERVED:
            self.found.update(dict.fromkeys(changes))
        else:
            self.is_complete = False
        self._event.set()

    def miss(self) -> None:
        """Changes went by unseen."""
        self.is_complete = False
        self._event.set()

    async def wait(self) -> None:
        """Until something changed since the last `take`."""
        await self._event.wait()

    def take(self) -> tuple[list[Change], bool]:
        """(what changed since the last time, whether that is all)."""
        found, is_complete = list(self.found), self.is_complete
        self.found, self.is_complete = {}, True
        self._event.clear()
        return found, is_complete


class Changes:
    """Follows the change stream of one store."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._waiters: dict[Change, dict[Waiter, None]] = {}
        """In the order in which they came."""
        self._listeners: list[Callable[[int, list[Change]], None]] = []
        self._on_gap: list[Callable[[], None]] = []
        self._observers: set[Observer] = set()
        self.on_wanted: Callable[[Sequence[Change]], None] | None = None
        """Called with what somebody begins to wait for; see `tracking`."""
        connection.on_moved(self.missed)

    def listen(self, on_changes: Callable[[int, list[Change]], None], on_gap: Callable[[], None]) -> None:
        """Call `on_changes(number, changes)` for each entry in order, `on_gap()` where entries were missed."""
        self._listeners.append(on_changes)
        self._on_gap.append(on_gap)

    @contextmanager
    def observing(self) -> Iterator[Observer]:
        """An observer of every change from now on."""
        observer = Observer()
        self._observers.add(observer)
        try:
            yield observer
        finally:
            self._observers.discard(observer)

    @contextmanager
    def waiting(self, changes: Iterable[Change]) -> Iterator[Waiter]:
        """A waiter for these changes. Begin waiting, then look, then `wait`: nothing is missed in between.

        A change of a document wakes all of its waiters; one of a queue wakes the first alone, and the next when that
        one has ended without a `settle`: a thousand idle agents do not all run for one task.
        """
        waiter = Waiter()
        wanted = list(changes)
        for change in wanted:
            self._waiters.setdefault(change, {})[waiter] = None
        if self.on_wanted is not None:
            self.on_wanted(wanted)
        try:
            yield waiter
        finally:
            for change in wanted:
                waiters = self._waiters.get(change)
                if waiters is not None:
                    waiters.pop(waiter, None)
                    if not waiters:
                        del self._waiters[change]
            for change in waiter.turns | waiter.taken:
                self._wake_one(change)

    def awaited(self) -> Iterable[Change]:
        """Everything that somebody waits for."""
        return self._waiters.keys()

    def is_awaited(self, change: Change) -> bool:
        """Whether somebody waits for it."""
        return change in self._waiters

    def was_in_vain(self, change: Change) -> bool:
        """Whether all who wait for a queue found nothing there the last time they were woken for one."""
        return all(waiter.was_in_vain for waiter in self._waiters.get(change, ()))

    async def follow(self) -> None:
        """Read for ever. A lost connection is taken up where it was left."""
        position: int | None = None
        newest: bytes | None = None
        failures = 0
        while True:
            client = None
            try:
                client = await self._connection.blocking_client()
                if position is not None and not await _holds(client, position, newest):
                    position = None  # another server took over, or the same came back with less
                if position is None:
                    position = self._connection.newest_change = await last_change(client)
                    newest = await _transaction(client, position)
                    self.missed()
                while True:
                    async with asyncio.timeout(BLOCK_MS / 1000 + ANSWER_TIMEOUT_S):
                        answer = await client.xread(
                            {keys.changes(): f"{position}-0"}, count=ENTRIES_A_READ, block=BLOCK_MS
                        )
                    failures = 0
                    for number, transaction, changes in entries(answer):
                        if number != position + 1:
                            self.missed()
                        position = self._connection.newest_change = number
                        newest = transaction
                        self._tell(number, changes)
            except AWAY as error:
                failures += 1
                if failures == 1:
                    log.warning("lost the change stream: %s", error)
                self._connection.lost()
                await asyncio.sleep(min(1.0, 0.02 * 2 ** min(failures, 6)) * random.uniform(0.5, 1.0))
            except redis_errors.RedisError as error:
                failures += 1
                # UNBLOCKED: the server became a replica while we waited.
                if not str(error).startswith("UNBLOCKED"):
                    log.exception("cannot read the change stream")
                self._connection.lost()
                await asyncio.sleep(min(1.0, 0.02 * 2 ** min(failures, 6)))
            finally:
                if client is not None:
                    await client.aclose()

    def _tell(self, number: int, changes: list[Change]) -> None:
        for listener in self._listeners:
            listener(number, changes)
        for observer in self._observers:
            observer.note(changes)
        self.wake(changes)

    def wake(self, changes: Iterable[Change]) -> None:
        """Wake those who wait for these changes."""
        for change in changes:
            if change[0] == "queue":
                self._wake_one(change)
                continue
            for waiter in self._waiters.get(change, ()):
                waiter.wake()

    def pass_on(self, waiter: Waiter) -> None:
        """Wake in a waiter's place those that came after it: it may not take what is there."""
        for change in waiter.taken:
            self._wake_one(change, after=waiter)
        waiter.taken.clear()

    def _wake_one(self, change: Change, *, after: Waiter | None = None) -> None:
        """Wake the first of a queue's waiters that is not about to look at it anyway."""
        is_behind = after is None
        for waiter in self._waiters.get(change, ()):
            if is_behind and change not in waiter.turns:
                waiter.turns.add(change)
                waiter.wake()
                return
            is_behind = is_behind or waiter is after

    def missed(self) -> None:
        """Changes may have gone by unseen: everybody looks again."""
        for listener in self._on_gap:
            listener()
        for observer in self._observers:
            observer.miss()
        for waiters in self._waiters.values():
            for waiter in waiters:
                waiter.wake()


async def last_change(client: aioredis.Redis) -> int:
    """The number of the newest change, 0 before the first."""
    return int(await client.get(keys.change_counter()) or 0)


async def _transaction(client: aioredis.Redis, number: int) -> bytes | None:
    """The id of the transaction that made a change, None when its entry is not there (any more)."""
    found: Any = await client.xrange(keys.changes(), f"{number}-0", f"{number}-0")
    return found[0][1][b"t"] if found else None


async def _holds(client: aioredis.Redis, position: int, newest: bytes | None) -> bool:
    """Whether a server has the changes that we read so far, and not others in their place."""
    return await last_change(client) >= position and await _transaction(client, position) == newest


def parse(answer: Any) -> Iterator[tuple[int, list[Change]]]:
    """(number, changes) of what XREAD answered."""
    return ((number, changes) for number, _, changes in entries(answer))


def entries(answer: Any) -> Iterator[tuple[int, bytes, list[Change]]]:
    """(number, transaction id, changes) of what XREAD answered."""
    streams = answer.values() if isinstance(answer, dict) else [found for _, found in answer or ()]
    for stream in streams:
        if stream and stream[0] and isinstance(stream[0][0], (list, tuple)):
            stream = [entry for nested in stream for entry in nested]  # RESP3 nests one level deeper
        for id, fields in stream:
            if not isinstance(fields, dict):
                fields = dict(zip(fields[::2], fields[1::2], strict=True))  # as the server says it
            words = layout.split(fields[b"c"].decode())
            yield int(id.partition(b"-")[0]), fields[b"t"], list(zip(words[::2], words[1::2], strict=True))
