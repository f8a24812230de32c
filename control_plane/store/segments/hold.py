"""Holding the files of segments: while somebody copies them, none is removed, whatever forgets or replaces it.

Who removes a file looks first whether files are held, and only then whether an index names it. So what an index names
after the hold began stays there until it ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from control_plane.store import keys
from control_plane.store.connection import Connection

HOLD_MS = 120_000
"""It ends by itself so long after whoever held them is gone."""


async def is_held(connection: Connection) -> bool:
    """Whether files have to stay."""
    return bool(await connection.run(lambda client: client.exists(keys.segments_held())))


@asynccontextmanager
async def held(connection: Connection) -> AsyncIterator[None]:
    """No file of this store's segments is removed within the block. Several may hold at once."""

    async def hold() -> None:
        await connection.run(lambda client: client.set(keys.segments_held(), 1, px=HOLD_MS))

    async def go_on() -> None:
        while True:
            await asyncio.sleep(HOLD_MS / 4000)
            await hold()

    await hold()
    # No group: what the block raises has to reach its caller as it is.
    holding = asyncio.create_task(go_on(), name="hold segments")
    try:
        yield
    finally:
        holding.cancel()  # the rest runs out: another may hold too
        failed = (await asyncio.gather(holding, return_exceptions=True))[0]
    if isinstance(failed, Exception):
        raise failed  # nobody held them to the end
