"""A store's content in a file and back: one moment of every node.

A node's snapshot is of one moment. All metadata (documents, queues, claims, credentials) lie on one node, so of a
single Redis everything is of one moment, and of a Cluster all metadata are; the other nodes' events follow within
seconds, in this order, so that a document may lag behind its events and never the other way round; `restore` then
brings it up to date (`reconcile`).
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from control_plane.store import archive, keys
from control_plane.store.connection import Connection
from control_plane.store.copying import copy_all, is_empty
from control_plane.store.embedded import HALF_RESTORED, EmbeddedStore, half_restored, sync_folder, write_durably
from control_plane.store.errors import StoreError
from control_plane.store.reconcile import reconcile
from control_plane.store.segment_links import SegmentLinks
from control_plane.store.snapshot import snapshot
from control_plane.store.store import Store

Told = Callable[[str, int], None]
"""Called with what is being done and how far it is (bytes, keys or documents)."""


async def save(
    connection: Connection, into: archive.Writer, told: Told, *, embedded: bool, links: SegmentLinks | None = None
) -> dict[str, Any]:
    """Write a snapshot of every node; returns the facts of it for the manifest.

    Args:
        embedded: the store is a server's own, in which nothing of others lies.
        links: links the segments that the snapshots name.
    """
    layout, restoring = await connection.run(
        lambda client: client.many([("GET", keys.schema_version()), ("GET", keys.restoring())])
    )
    if layout is None:
        raise StoreError("the store is empty: there is nothing to back up")
    if restoring is not None:
        raise StoreError("a restore into this store did not finish: there is nothing whole to back up")
    info = await connection.run(lambda client: client.info("server"))
    db = int(connection.client.connection_pool.connection_kwargs.get("db", 0))
    before = await connection.topology.locate([])
    metadata = connection.client
    nodes = [metadata, *(client for client in connection.clients if client is not metadata)]
    moments = []
    if links is not None:
        await asyncio.to_thread(links.take)
    for number, client in enumerate(nodes):
        into.begin(f"store/{number}.rdb")
        moments.append(datetime.now(UTC).isoformat(timespec="milliseconds"))
        written = 0
        async for piece in snapshot(client):
            if links is not None and not written:
                await asyncio.to_thread(links.take)
            into.write(piece)
            written += len(piece)
            told(f"snapshot {number + 1} of {len(nodes)}", written)
        into.end()
    if await connection.topology.locate([]) != before:
        raise StoreError("keys moved between the nodes while they were copied: try again")
    return {
        "layout": int(layout),
        "server": f"{info.get('server_name') or 'redis'} {info.get('valkey_version') or info['redis_version']}",
        "topology": connection.topology.kind,
        "moments": moments,
        "db": db,
        "embedded": embedded,
    }


async def restore_directory(directory: Path, path: Path, manifest: dict[str, Any], told: Told) -> None:
    """Make the embedded store of an empty directory from a verified backup.

    Until `finish_directory` the directory says that it is half restored, and no server uses it; restoring into it
    again begins anew.
    """
    if directory.exists() and not half_restored(directory):
        raise StoreError(f"{directory} holds a store already: restore into an empty data directory")
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_durably(directory / HALF_RESTORED, path.name)
    for found in directory.iterdir():
        if found.name != HALF_RESTORED:
            shutil.rmtree(found) if found.is_dir() else found.unlink()
    await asyncio.to_thread(_unpack, path, directory)
    whole = manifest["embedded"]
    if whole:
        _as_append_only(directory / "0.rdb", directory)
    async with EmbeddedStore(directory, for_restore=True) as embedded:
        if not whole:
            await _copy_nodes(directory, embedded.url, manifest, told)
        await _tidy(embedded.url, told)


def finish_directory(directory: Path) -> None:
    """Everything is restored: servers may use it."""
    (directory / HALF_RESTORED).unlink()


async def restore_redis(url: str, path: Path, manifest: dict[str, Any], scratch: Path, told: Told) -> None:
    """Fill an empty Redis, of whichever topology, from a verified backup.

    Until `finish_redis` the Redis says that it is half restored, and no server uses it.
    """
    connection = Connection(url)
    try:
        if not await is_empty(connection):
            raise StoreError("this Redis is not empty: give an empty one, or empty it yourself (FLUSHALL)")
        now = datetime.now(UTC).isoformat(timespec="seconds")
        await connection.run(lambda client: client.set(keys.restoring(), now))
    finally:
        await connection.close()
    await asyncio.to_thread(_unpack, path, scratch)
    await _copy_nodes(scratch, url, manifest, told)
    await _tidy(url, told)


async def finish_redis(url: str) -> None:
    """Everything is restored: servers may use it."""
    connection = Connection(url)
    try:
        await connection.run(lambda client: client.delete(keys.restoring()))
    finally:
        await connection.close()


async def _copy_nodes(folder: Path, url: str, manifest: dict[str, Any], told: Told) -> None:
    """Load each node's snapshot into a store of its own and copy it over, key by key: versions may differ."""
    target = Connection(url)
    try:
        for number in range(len(manifest["moments"])):
            loaded = folder / f"node{number}"
            loaded.mkdir()
            _as_append_only(folder / f"{number}.rdb", loaded)
            async with EmbeddedStore(loaded, durability="process") as embedded:
                source = Connection(f"{embedded.url}?db={manifest['db']}")
                try:
                    said = f"keys of node {number + 1}"
                    await copy_all(source, target, lambda copied, said=said: told(said, copied))  # type: ignore[misc]
                finally:
                    await source.close()
            shutil.rmtree(loaded)
    finally:
        await target.close()


async def _tidy(url: str, told: Told) -> None:
    connection = Connection(url)
    try:
        await connection.run(lambda client: client.delete(keys.leader(), keys.sealing(), keys.segments_held()))
        await reconcile(Store(connection), lambda looked: told("documents compared with their events", looked))
    finally:
        await connection.close()


def _unpack(path: Path, folder: Path) -> None:
    for name, content in archive.members(path):
        if name.startswith("store/"):
            with (folder / Path(name).name).open("wb") as file:
                shutil.copyfileobj(content, file, archive.CHUNK_BYTES)
                file.flush()
                os.fsync(file.fileno())


def _as_append_only(snapshot: Path, directory: Path) -> None:
    """Make a snapshot the base of an append-only file, which is what the embedded store loads."""
    folder = directory / "appendonlydir"
    folder.mkdir()
    snapshot.replace(folder / "appendonly.aof.1.base.rdb")
    write_durably(folder / "appendonly.aof.manifest", "file appendonly.aof.1.base.rdb seq 1 type b\n")
    sync_folder(directory)
