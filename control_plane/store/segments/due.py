"""Whose events wait to be sealed, and when: noted before they are written, forgotten when nothing is left."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from control_plane.store import keys
from control_plane.store.blocks import FAMILIES
from control_plane.store.connection import Connection

QUIET_MS = 120_000
"""Events that nothing was added to for so long are due."""
NOTED_AGAIN_S = 30.0
REMEMBERED = 10_000
AT_ONCE = 0
"""When what is large is due, whatever its owner does."""
LARGE_BLOCKS = 2000
LARGE_BYTES = 4 * 1024 * 1024
"""An owner with so many blocks, or so much, that this process has written is due at once."""


@dataclass(slots=True)
class _Noted:
    at_s: float
    blocks: int = 0
    size: int = 0


class Due:
    """The due times of one store, as this process writes them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._id = secrets.token_hex(8)
        self._noted: OrderedDict[str, _Noted] = OrderedDict()
        self.hurry = asyncio.Event()
        """Set when this process has noted an owner as due at once; who seals clears it."""

    async def will_write(self, owner: str, blocks: int, size: int, *, now_ms: int) -> None:
        """Note that events are about to be written; a few calls of many reach Redis."""
        now_s = time.monotonic()
        noted = self._noted.get(owner)
        if noted is None:
            noted = self._noted[owner] = _Noted(0.0)
            while len(self._noted) > REMEMBERED:
                self._noted.popitem(last=False)
        noted.blocks += blocks
        noted.size += size
        if noted.blocks > LARGE_BLOCKS or noted.size > LARGE_BYTES:
            await self.set(owner, AT_ONCE)
            self.hurry.set()
            # What was counted is sealed soon; what is written until then is counted anew.
            self._noted[owner] = _Noted(now_s)
        elif not noted.at_s or now_s - noted.at_s > NOTED_AGAIN_S:
            await self.set(owner, now_ms + QUIET_MS)
            noted.at_s = now_s

    async def set(self, owner: str, due_ms: int) -> None:
        """Note when somebody's events are due."""
        await self._connection.run(lambda client: client.zadd(keys.unsealed(), {owner: due_ms}))

    async def due(self, now_ms: int, most: int) -> Sequence[tuple[str, int]]:
        """(owner, since when) of those that are due, longest first."""
        found: Any = await self._connection.run(
            lambda client: client.zrangebyscore(keys.unsealed(), "-inf", now_ms, start=0, num=most, withscores=True)
        )
        return [(owner.decode(), int(score)) for owner, score in found]

    async def done(self, owner: str, due_ms: int) -> None:
        """Everything that was due at that time is sealed."""
        await self._connection.run(lambda _: self._connection.script("done_if_due", [keys.unsealed()], [owner, due_ms]))

    async def lead(self, hold_ms: int) -> bool:
        """Whether this process seals, for `hold_ms`; two that think so waste work and spoil nothing."""

        async def take(client: Any) -> bool:
            if await client.set(keys.sealing(), self._id, nx=True, px=hold_ms):
                return True
            holder: bytes | None = await client.get(keys.sealing())
            return holder == self._id.encode() and bool(await client.pexpire(keys.sealing(), hold_ms))

        return await self._connection.run(take)

    async def live_blocks(self, owner: str, generation: int) -> int:
        """How many blocks an owner has that are not sealed."""
        streams = [keys.event_stream(owner, generation, family) for family in FAMILIES]
        found = await self._connection.run(
            lambda client: client.many([("XLEN", stream) for stream in streams]), owner=owner
        )
        return sum(map(int, found))

    async def everyone(self) -> list[tuple[str, int]]:
        """(owner, when they are due) of all who have events that are not sealed, longest first."""
        found: Any = await self._connection.run(lambda client: client.zrange(keys.unsealed(), 0, -1, withscores=True))
        return [(owner.decode(), int(score)) for owner, score in found]

    async def waiting(self) -> int:
        """How many owners have events that are not sealed."""
        found: Any = await self._connection.run(lambda client: client.zcard(keys.unsealed()))
        return int(found)
