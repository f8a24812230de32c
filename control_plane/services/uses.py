"""When and from where each key was last used: noted at once, written a little later, at most once a minute a key.

A write a call would cost more than the calls. What was noted and not yet written when a process dies is forgotten:
the list of keys may then show a use up to `EVERY_S` too old.
"""

import asyncio
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from control_plane.store.errors import GuardFailed, StoreError

if TYPE_CHECKING:
    from control_plane.store import Store

log = logging.getLogger(__name__)

EVERY_S = 60.0
"""A key's use is written at most so often."""
SOON_S = 2.0
"""A use that is to be written waits so long for others."""
REMEMBERED = 10_000


class Uses:
    """The uses of keys that this process has seen."""

    def __init__(self, store: "Store") -> None:
        self._store = store
        self._waiting: dict[str, tuple[float, str]] = {}
        self._written: dict[str, float] = {}
        self._some = asyncio.Event()

    def note(self, access_key: str, at: float, address: str) -> None:
        """A key was used at a time, in s since the epoch, from an address."""
        if abs(at - self._written.get(access_key, 0.0)) < EVERY_S:  # else the clock was set back
            return
        if len(self._waiting) < REMEMBERED:
            self._waiting[access_key] = (at, address)
            self._some.set()

    async def run(self) -> None:
        """Write what was noted, until cancelled; then once more."""
        try:
            while True:
                await self._some.wait()
                await asyncio.sleep(SOON_S)
                await self._flush()
        finally:
            if self._waiting:
                async with asyncio.timeout(SOON_S):
                    await self._flush()

    async def _flush(self) -> None:
        self._some.clear()
        waiting, self._waiting = self._waiting, {}
        if len(self._written) >= REMEMBERED:
            self._written.clear()
        for access_key, (at, address) in waiting.items():
            self._written[access_key] = at
            transaction = self._store.transaction()
            used = datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds")
            transaction.set("credential", access_key, {"last_used": used, "last_used_from": address})
            try:
                await transaction.commit()
            except GuardFailed:
                pass  # the key was revoked meanwhile
            except StoreError:
                # A note about the past is not worth an answer, nor the server: the next use writes it again.
                log.warning("the last use of a key was not written: the store cannot be reached")
                self._written.pop(access_key, None)
