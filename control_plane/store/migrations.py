"""The layout of what lies in Redis changes with versions: older data is brought up to date, newer is left alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from control_plane.store import keys
from control_plane.store.connection import Connection
from control_plane.store.errors import StoreError

Migration = Callable[[Connection], Awaitable[None]]
"""Makes data of one layout into the next. It may be killed half way and run again, and two servers may run it at the
same time: it is written so that neither does harm. No server of the older version may be running."""

MIGRATIONS: Mapping[int, Migration] = {}
"""Layout -> what makes the next of it. There has been one layout so far."""


async def bring_up_to_date(
    connection: Connection, *, known: int = keys.SCHEMA_VERSION, migrations: Mapping[int, Migration] = MIGRATIONS
) -> None:
    """Check the layout of a store, mark an empty one as ours, migrate an older one.

    Raises StoreError, having written nothing, for a newer layout and for a store whose restore did not finish.
    """
    version, restoring = await connection.run(
        lambda client: client.many([("GET", keys.schema_version()), ("GET", keys.restoring())])
    )
    if restoring is not None:
        raise StoreError(
            f"a restore into this store began at {restoring.decode()} and did not finish: empty it and restore again"
        )
    if version is None:
        await connection.run(lambda client: client.set(keys.schema_version(), known, nx=True))
        version = await connection.run(lambda client: client.get(keys.schema_version()))
    found = int(version)
    if found > known:
        raise StoreError(f"the data is of layout {found}, this version reads {known}: use the one that wrote it")
    while found < known:
        if found not in migrations:
            raise StoreError(f"the data is of layout {found}, which this version cannot bring to {known}")
        await migrations[found](connection)
        found = await _advance(connection, found)


async def _advance(connection: Connection, found: int) -> int:
    """Note that a migration is done, unless another server has gone further already."""
    await connection.run(lambda _: connection.script("advance_schema", [keys.schema_version()], [found, found + 1]))
    now: Any = await connection.run(lambda client: client.get(keys.schema_version()))
    return int(now)
