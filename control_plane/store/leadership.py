"""Who of the replicas runs the watchdogs, and since when somebody has.

Deadlines are about silence. Time in which no server listened is nobody's silence: a leader that finds a gap begins the
watch anew, and no silence is counted from before that moment (DESIGN 4, "Who is alive").
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from control_plane.store import keys
from control_plane.store.connection import Connection


@dataclass(frozen=True, slots=True)
class Watch:
    """What a leader knows of the watch before its round."""

    last_round_ms: int | None
    """When a leader last finished a round, ms since the epoch; None before the first."""
    since_ms: int | None
    """Since when somebody has watched without a gap, ms since the epoch; None before the first round."""


class Leadership:
    """One replica's part in the election."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._id = secrets.token_hex(8)

    async def lead(self, hold_ms: int) -> Watch | None:
        """Take or keep the lead for `hold_ms`; None when another replica has it. Never waits."""
        raw: list[Any] = await self._connection.run(
            lambda _: self._connection.script("lead", [keys.leader(), keys.watch()], [self._id, hold_ms])
        )
        leads, last, since = raw
        if not leads:
            return None
        return Watch(int(last) if last else None, int(since) if since else None)

    async def finish_round(self, now_ms: int, since_ms: int) -> None:
        """Note that a round was finished, in a watch that goes on since `since_ms`."""
        times: Any = {"at": now_ms, "since": since_ms}
        await self._connection.run(lambda client: client.hset(keys.watch(), mapping=times))

    async def resign(self) -> None:
        """Give up the lead, if it is ours."""
        await self._connection.run(lambda _: self._connection.script("resign", [keys.leader()], [self._id]))
