"""Workers: who registered, what they said last, and until when they count as alive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from control_plane.store import documents, keys, layout
from control_plane.store.batching import Command, words
from control_plane.store.connection import Connection

KIND = "worker"
PURGED_A_ROUND = 500


class Workers:
    """The registered workers of one store. A worker whose deadline has passed is gone, and soon forgotten."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def put(self, id: str, values: Mapping[str, Any], *, deadline_ms: int) -> None:
        """Note what a worker said, beside what it said before, and until when it is alive. None removes a value."""
        fields = {name: layout.encode(value) for name, value in values.items() if value is not None}
        fields["id"] = layout.encode(id)
        writes: list[Command] = [
            ("HSET", keys.document(KIND, id), *words(fields)),
            ("ZADD", keys.worker_deadlines(), deadline_ms, id),
        ]
        if removed := [name for name, value in values.items() if value is None]:
            writes.append(("HDEL", keys.document(KIND, id), *removed))
        await self._connection.run(lambda client: client.many(writes, atomic=True))

    async def get(self, id: str, now_ms: int) -> dict[str, Any] | None:
        """A living worker."""
        deadline: Any = await self._connection.run(lambda client: client.zscore(keys.worker_deadlines(), id))
        if deadline is None or deadline <= now_ms:
            return None
        return (await documents.get_many(self._connection, KIND, [id]))[0]

    async def alive(self, now_ms: int) -> list[dict[str, Any]]:
        """Every living worker; the dead are forgotten on the way."""
        await self._purge(now_ms)
        ids: Any = await self._connection.run(
            lambda client: client.zrangebyscore(keys.worker_deadlines(), f"({now_ms}", "+inf")
        )
        found = await documents.get_many(self._connection, KIND, [id.decode() for id in ids])
        return [worker for worker in found if worker is not None]

    async def remove(self, ids: Sequence[str]) -> None:
        """Forget workers; unknown ones too."""

        if ids:
            documents_of: Command = ("DEL", *(keys.document(KIND, id) for id in ids))
            deadlines: Command = ("ZREM", keys.worker_deadlines(), *ids)
            await self._connection.run(lambda client: client.many([documents_of, deadlines], atomic=True))

    async def _purge(self, now_ms: int) -> None:
        dead: Any = await self._connection.run(
            lambda client: client.zrangebyscore(keys.worker_deadlines(), "-inf", now_ms, start=0, num=PURGED_A_ROUND)
        )
        await self.remove([id.decode() for id in dead])
