"""What a store's nodes say of themselves, and what is stuck in the store; for `doctor`. Reads only."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from control_plane.store import keys
from control_plane.store.connection import Connection

UNSTARTED_LONG_MS = 10 * 60 * 1000
"""An entry in flight for so long after its deadline: nobody returns it, no server watches."""


@dataclass(frozen=True, slots=True)
class Node:
    """One primary."""

    version: str
    memory_bytes: int
    memory_limit_bytes: int
    """0: the machine's."""
    settings: dict[str, str]
    """Of its persistence and eviction; {} where it does not tell."""
    append_only_ok: bool
    """False when its last write to disk failed."""
    seconds_ahead: float
    """Its clock against ours."""
    used_by_others: int
    """Keys that are not ours, among a sample."""


async def nodes(connection: Connection) -> list[Node]:
    """Every primary; the first holds the metadata."""
    await connection.run(lambda client: client.ping())
    metadata = connection.client
    return [
        await _node(connection, client)
        for client in (metadata, *(client for client in connection.clients if client is not metadata))
    ]


async def _node(connection: Connection, client: Any) -> Node:
    info = await client.info("everything")
    before = time.time()
    seconds, micros = await client.time()
    sample = [await client.randomkey() for _ in range(20)]
    return Node(
        version=f"{info.get('server_name') or 'redis'} {info.get('valkey_version') or info['redis_version']}",
        memory_bytes=int(info["used_memory"]),
        memory_limit_bytes=int(info.get("maxmemory", 0)),
        settings=await connection.settings(client),
        append_only_ok=info.get("aof_last_write_status", "ok") == "ok"
        and info.get("aof_last_bgrewrite_status", "ok") == "ok"
        and info.get("rdb_last_bgsave_status", "ok") == "ok",
        seconds_ahead=float(seconds) + micros / 1e6 - (before + time.time()) / 2,
        used_by_others=sum(name is not None and not keys.is_ours(name) for name in sample),
    )


async def layout(connection: Connection) -> tuple[int | None, str | None]:
    """The layout of the data (None: there is none), and since when it is half restored."""
    version, restoring = await connection.run(
        lambda client: client.many([("GET", keys.schema_version()), ("GET", keys.restoring())])
    )
    return None if version is None else int(version), None if restoring is None else restoring.decode()


async def stuck_in_flight(connection: Connection, now_ms: int) -> int:
    """How many entries were taken long ago, never started and never returned."""
    found: Any = await connection.run(
        lambda client: client.zcount(keys.in_flight(), "-inf", now_ms - UNSTARTED_LONG_MS)
    )
    return int(found)


async def last_watch_ms(connection: Connection) -> int | None:
    """When a watchdog last finished a round, ms since the epoch."""
    found: Any = await connection.run(lambda client: client.hget(keys.watch(), "at"))
    return None if found is None else int(found)
