"""Leases: what our agents answer for, as long as they renew. Watchdogs judge by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from control_plane.store import keys
from control_plane.store.connection import Connection
from control_plane.store.queues import HELD_EXPIRY_MS

LEASES_KEPT_MS = 7 * 24 * 3600 * 1000
"""How long an ended lease is remembered; a task that ended keeps its last one that long."""


class Leases:
    """The leases of one store's agents on the tasks they took."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def renew(
        self, worker: str, claims: Mapping[str, int], *, now_ms: int, lease_ms: int
    ) -> dict[str, int | None]:
        """Prolong the leases on these tasks (task -> claim number).

        Returns the tasks whose claim is over -> the number that holds now, None when there is none.
        """
        words = [word for pair in claims.items() for word in pair]
        flat: list[bytes] = await self._connection.run(
            lambda _client: self._connection.script(
                "renew",
                [keys.claims(), keys.leases(), keys.in_flight(), keys.held(worker)],
                [now_ms + lease_ms, now_ms, HELD_EXPIRY_MS, now_ms - LEASES_KEPT_MS, *words],
            )
        )
        return {flat[i].decode(): int(flat[i + 1]) if flat[i + 1] else None for i in range(0, len(flat), 2)}

    async def held(self, worker: str) -> dict[str, tuple[int, int]]:
        """What a worker took and did not give back: task -> (claim number, when it last claimed or renewed, ms)."""
        found: Any = await self._connection.run(lambda client: client.hgetall(keys.held(worker)))
        held = {}
        for task, raw in found.items():
            number, _, at_ms = raw.partition(b" ")
            held[task.decode()] = (int(number), int(at_ms))
        return held

    async def forget(self, worker: str, tasks: Sequence[str]) -> None:
        """The worker no longer answers for these tasks."""
        if tasks:
            await self._connection.run(lambda client: client.hdel(keys.held(worker), *tasks))
            await self._connection.run(lambda client: client.zrem(keys.leases(), *tasks))

    async def shorten_all(self, deadline_ms: int) -> None:
        """Move every deadline that is later to this one: the clock was set back, nobody has asked for so long."""
        members: Any = await self._connection.run(
            lambda client: client.zrangebyscore(keys.leases(), f"({deadline_ms}", "+inf")
        )
        if members:
            scores = dict.fromkeys(members, deadline_ms)
            await self._connection.run(lambda client: client.zadd(keys.leases(), scores, xx=True, lt=True))

    async def until_ms(self, tasks: Sequence[str]) -> dict[str, int]:
        """Until when an agent answers for each task (ms since the epoch, may be past); without those nobody does."""
        if not tasks:
            return {}
        found: Any = await self._connection.run(lambda client: client.zmscore(keys.leases(), list(tasks)))
        return {task: int(score) for task, score in zip(tasks, found, strict=True) if score is not None}
