"""Documents and events that are of different moments, made to agree again.

They may live on different nodes, so a backup of a Cluster holds them seconds apart, and a server that dies between two
writes leaves the document behind until the next report, which after a restore may never come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from control_plane.store import keys
from control_plane.store.errors import GuardFailed
from control_plane.store.events import SEQUENCE
from control_plane.store.series import last_metrics
from control_plane.store.store import Store

OWNERS_AT_ONCE = 200


async def reconcile(store: Store, told: Callable[[int], None] = lambda _: None) -> int:
    """Make what tasks and models show of their events what the events are, and drop events whose owner is gone.

    For a store that no server uses. Returns how many were not as they should be.
    """
    repaired = await _drop_ownerless(store)
    looked = 0
    for kind in ("task", "model"):
        ids = await store.ids(kind)
        for first in range(0, len(ids), OWNERS_AT_ONCE):
            some = ids[first : first + OWNERS_AT_ONCE]
            repaired += sum(await asyncio.gather(*(_reconcile(store, kind, id) for id in some)))
            looked += len(some)
            told(looked)
    return repaired


async def _drop_ownerless(store: Store) -> int:
    """Delete what was reported to tasks and models that do not exist."""
    known = {id for kind in ("task", "model") for id in await store.ids(kind)}
    connection, dropped = store.connection, 0
    await connection.run(lambda client: client.ping())
    for client in connection.clients:
        async for name in client.scan_iter(match=keys.event_meta("*"), count=1000):
            owner = keys.owner_of(name)
            if owner is not None and owner not in known:
                await store.events.delete(owner)
                dropped += 1
    return dropped


async def _reconcile(store: Store, kind: str, id: str) -> bool:
    raw: Any = await store.connection.run(lambda client: client.hget(keys.event_meta(id), "seq"), owner=id)
    document = await store.get(kind, id, [SEQUENCE, "last_iteration"])
    if document is None or int(raw or 0) == int(document.get(SEQUENCE) or 0):
        return False
    sequence, statistics = await store.events.statistics(id)
    transaction = store.transaction()
    transaction.replace_part(kind, id, "last_metrics", {})
    newest = max((one.iteration for one in statistics), default=0)
    values: dict[Any, Any] = {**last_metrics(statistics), SEQUENCE: sequence}
    if newest > int(document.get("last_iteration") or 0):
        values["last_iteration"] = newest
    transaction.set(kind, id, values)
    try:
        await transaction.commit()
    except GuardFailed:
        return False  # it is gone
    return True
