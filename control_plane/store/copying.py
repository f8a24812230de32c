"""Copying our keys from one store to another, whatever versions and topologies the two are of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from control_plane.store import keys
from control_plane.store.batching import Command
from control_plane.store.connection import Connection
from control_plane.store.errors import StoreError

KEYS_AT_ONCE = 200
ITEMS_A_READ = 1000


async def copy_all(source: Connection, target: Connection, told: Callable[[int], None] = lambda _: None) -> int:
    """Copy every key of ours from a store that nobody writes to; returns how many.

    Args:
        told: called with the number of keys that were copied so far.
    """
    copied = 0
    async for names in _names(source):
        await asyncio.gather(*(_copy(source, target, name) for name in names))
        copied += len(names)
        told(copied)
    return copied


async def is_empty(connection: Connection) -> bool:
    """Whether no node holds any key, ours or not."""
    await connection.run(lambda client: client.ping())
    return not any([await client.dbsize() for client in connection.clients])


async def _names(source: Connection) -> AsyncIterator[list[bytes]]:
    cursor = 0
    seen: set[bytes] = set()
    while True:
        step: Any = await source.run(lambda client, cursor=cursor: client.scan(cursor, count=KEYS_AT_ONCE))  # type: ignore[misc]
        cursor, found = int(step[0]), step[1]
        # A key may be named twice.
        names = [name for name in dict.fromkeys(found) if keys.is_ours(name) and name not in seen]
        seen.update(names)
        yield names
        if not cursor:
            return


async def _copy(source: Connection, target: Connection, name: bytes) -> None:
    kind, until_ms = await source.run(lambda client: client.many([("TYPE", name), ("PEXPIRETIME", name)]))
    reader = READERS.get(kind)
    if kind == b"none":
        return  # expired meanwhile
    if reader is None:
        raise StoreError(f"{name!r} is a {kind.decode()}, which this version does not know")
    owner = keys.owner_of(name)
    async for commands in reader(source, name):
        await target.run(lambda client, commands=commands: client.many(commands), owner=owner)  # type: ignore[misc]
    if int(until_ms) > 0:
        await target.run(lambda client: client.execute_command("PEXPIREAT", name, until_ms), owner=owner)


async def _string(source: Connection, name: bytes) -> AsyncIterator[list[Command]]:
    value: Any = await source.run(lambda client: client.ask(("GET", name)))
    if value is not None:
        yield [("SET", name, value)]


def _scanned(scan: str, write: Callable[[bytes, list[bytes]], Command]) -> Callable[..., AsyncIterator[list[Command]]]:
    async def read(source: Connection, name: bytes) -> AsyncIterator[list[Command]]:
        cursor: bytes = b"0"
        while True:
            step: Any = await source.run(
                lambda client, cursor=cursor: client.ask((scan, name, cursor, "COUNT", ITEMS_A_READ))  # type: ignore[misc]
            )
            cursor, items = step
            if items:
                yield [write(name, items)]
            if cursor == b"0":
                return

    return read


async def _stream(source: Connection, name: bytes) -> AsyncIterator[list[Command]]:
    after = b"-"
    while True:
        page: Any = await source.run(
            lambda client, after=after: client.ask(("XRANGE", name, after, "+", "COUNT", ITEMS_A_READ // 5))  # type: ignore[misc]
        )
        if not page:
            break
        yield [("XADD", name, id, *fields) for id, fields in page]
        after = b"(" + page[-1][0]
    if after == b"-":
        return  # an empty stream says nothing that we rely on
    info: Any = await source.run(lambda client: client.ask(("XINFO", "STREAM", name)))
    if isinstance(info, list):
        info = dict(zip(info[::2], info[1::2], strict=True))  # a map, as RESP2 says it
    yield [("XSETID", name, info[b"last-generated-id"])]


async def _list(source: Connection, name: bytes) -> AsyncIterator[list[Command]]:
    first = 0
    while True:
        page: Any = await source.run(
            lambda client, first=first: client.ask(("LRANGE", name, first, first + ITEMS_A_READ - 1))  # type: ignore[misc]
        )
        if not page:
            return
        yield [("RPUSH", name, *page)]
        first += len(page)


def _sorted_set(name: bytes, items: list[bytes]) -> Command:
    words = [word for member, score in zip(items[::2], items[1::2], strict=True) for word in (score, member)]
    return ("ZADD", name, *words)


READERS: dict[bytes, Callable[[Connection, bytes], AsyncIterator[list[Command]]]] = {
    b"string": _string,
    b"list": _list,
    b"hash": _scanned("HSCAN", lambda name, items: ("HSET", name, *items)),
    b"set": _scanned("SSCAN", lambda name, items: ("SADD", name, *items)),
    b"zset": _scanned("ZSCAN", _sorted_set),
    b"stream": _stream,
}
"""Type of a key -> what reads it, as commands that write it anew."""
