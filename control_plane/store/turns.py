"""Long work on the event loop in small pieces, so that other calls get their turns."""

import asyncio
import time

TURN_S = 0.005
"""How long one call works before the others get their turn."""


class Turns:
    """One piece of work; call `rest` between its steps.

    turns = Turns()
    for block in blocks:
        ...
        await turns.rest()
    """

    __slots__ = ("_since",)

    def __init__(self) -> None:
        self._since = time.monotonic()

    async def rest(self) -> None:
        """Let others work, if this has worked for `TURN_S`."""
        if time.monotonic() - self._since > TURN_S:
            await asyncio.sleep(0)
            self._since = time.monotonic()
