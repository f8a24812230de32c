"""Sessions that were ended before their tokens expired."""

from __future__ import annotations

from control_plane.store import keys
from control_plane.store.connection import Connection


class Sessions:
    """Remembers a session that ended for as long as a token of it would be good."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def end(self, session: str, kept_s: int) -> None:
        """End a session; every replica sees it at its next look. Ending one twice changes nothing."""
        await self._connection.run(lambda client: client.set(keys.ended_session(session), 1, ex=max(kept_s, 1)))

    async def is_over(self, session: str) -> bool:
        """True for a session that was ended."""
        return bool(await self._connection.run(lambda client: client.exists(keys.ended_session(session))))
