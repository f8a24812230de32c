"""Waking those who wait without reading every change: Redis itself tells when a key that somebody awaits was touched.

For a process that awaits little and lives beside many others: a thousand agents on one store need not each read what
everybody does. It is the server's own client tracking (Redis >= 6, RESP3): a key that was read over this connection is
named here once when it changes, and is read again before anybody looks, so that nothing is missed in between.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Iterable, Sequence
from typing import Any

from redis import exceptions as redis_errors

from control_plane.store import keys
from control_plane.store.batching import BatchedRedis, Command
from control_plane.store.changes import Change, Changes, last_change
from control_plane.store.connection import ANSWER_TIMEOUT_S, AWAY, Connection

log = logging.getLogger(__name__)

LOOK_S = 10.0
"""How often the connection is tried while nothing happens."""
LATE_S = 0.05
"""Up to so long a process steps back from a queue in which it found nothing the last time: one of the many others that
wait for it has the task by then, most likely, and the others need not look."""


class Unsupported(Exception):
    """This server tells of no keys: it is too old, or its user may not ask."""


class Tracking:
    """Stands in for `Changes.follow`; falls back to it where the server tells of no keys."""

    def __init__(self, connection: Connection, changes: Changes) -> None:
        self._connection, self._changes = connection, changes
        self._tracked: set[Change] = set()
        self._wanted: set[Change] = set()
        self._touched: set[Change] = set()
        self._empty: set[Change] = set()
        """Queues that held nothing when they were last looked at."""
        self._news = asyncio.Event()
        self._is_lost = False
        """The connection that told is gone; whatever is asked over its client goes over another."""

    async def follow(self) -> None:
        """Go on for ever. A lost connection is made again, and everybody looks again then."""
        self._changes.on_wanted = self._want
        failures = 0
        while True:
            client: BatchedRedis | None = None
            try:
                client = await self._connection.tracking_client(self._told)
                await self._begin(client)
                failures = 0
                while True:
                    await self._turn(client)
            except Unsupported as error:
                log.info("every change is read, this Redis does not tell of single keys: %s", error)
                self._changes.on_wanted = None
                await self._changes.follow()
            except AWAY as error:
                failures += 1
                if failures == 1:
                    log.warning("lost the connection that tells of changes: %s", error)
            except redis_errors.RedisError:
                failures += 1
                log.exception("cannot ask for changes")
            finally:
                if client is not None:
                    await client.aclose()
            self._connection.lost()
            await asyncio.sleep(min(1.0, 0.02 * 2 ** min(failures, 6)) * random.uniform(0.5, 1.0))

    async def _begin(self, client: BatchedRedis) -> None:
        """Have the server tell; all that is awaited is new to this connection."""
        self._tracked.clear()
        self._touched.clear()
        self._is_lost = False
        self._connection.newest_change = await last_change(client)  # not told of: read before
        answer = await client.ask(("CLIENT", "TRACKING", "ON"))
        if isinstance(answer, AWAY):
            raise answer
        if isinstance(answer, redis_errors.RedisError):
            raise Unsupported(str(answer))
        self._wanted = set(self._changes.awaited())
        await self._read(client, self._wanted)
        self._wanted = set()
        self._changes.missed()

    async def _turn(self, client: BatchedRedis) -> None:
        """Wait for news, and wake whom they concern."""
        try:
            async with asyncio.timeout(LOOK_S):
                await self._news.wait()
        except TimeoutError:
            await self._read(client, ())
            return
        self._news.clear()
        if self._is_lost:
            raise redis_errors.ConnectionError("the connection to Redis was lost")
        if self._touched and not self._wanted and all(map(self._can_wait, self._touched)):
            await asyncio.sleep(random.uniform(0.0, LATE_S))
        wanted, self._wanted = self._wanted, set()
        touched, self._touched = self._touched, set()
        awaited = {change for change in wanted | touched if self._changes.is_awaited(change)}
        before = self._empty & touched
        await self._read(client, awaited)
        stays_empty = before & self._empty - wanted
        self._changes.wake(change for change in awaited if change not in stays_empty)

    async def _read(self, client: BatchedRedis, changes: Iterable[Change]) -> None:
        """Read the keys of some changes, whereby the server tells of the next one of each."""
        listed = list(changes)
        self._tracked.update(listed)
        commands: list[Command] = [("EXISTS", keys.schema_version())]  # answers also where nothing is awaited
        for change in listed:
            commands += [("EXISTS", key) for key in _keys(change)]
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            answers = (await client.many(commands))[1:]
        for change in listed:
            count = len(_keys(change))
            found, answers = answers[:count], answers[count:]
            (self._empty.add if change[0] == "queue" and not found[-1] else self._empty.discard)(change)

    def _want(self, changes: Sequence[Change]) -> None:
        """Somebody begins to wait: whoever waits for what is not told of yet is woken once it is."""
        if new := [change for change in changes if change not in self._tracked]:
            self._wanted.update(new)
            self._news.set()

    def _told(self, notification: Sequence[Any]) -> None:
        """The server's announcement that keys have changed (None: all may have), or an empty one: it is gone."""
        if not notification:
            self._is_lost = True
            self._news.set()
            return
        if notification[0] != b"invalidate":
            return
        names = notification[1]
        found = set(self._tracked) if names is None else {_change(name) for name in names}
        self._tracked -= found
        self._touched |= found
        self._news.set()

    def _can_wait(self, change: Change) -> bool:
        return change[0] == "queue" and self._changes.was_in_vain(change)


def _keys(change: Change) -> list[str]:
    """What is touched by a change; of a queue its entries last."""
    kind, id = change
    return [keys.document(kind, id), *([keys.queue(id)] if kind == "queue" else [])]


def _change(name: bytes) -> Change:
    """Whose key this is: `{m}:d:<kind>:<id>:core` or `{m}:q:<id>`; an id may hold colons."""
    words = name.decode("utf-8", "replace").split(":")
    if words[1] == "q":
        return "queue", ":".join(words[2:])
    return words[2], ":".join(words[3:-1])
