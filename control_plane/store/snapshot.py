"""A node's whole content as of one moment, as its replicas get it: an RDB file, taken while the node works on.

Works without access to the node's disk. The node forks, so what it writes meanwhile is not in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import redis.asyncio as aioredis
from redis import exceptions as redis_errors

from control_plane.store.errors import StoreError

SILENCE_S = 60.0
"""A node sends a newline every few seconds while it prepares; silent for so long, it is gone."""
CHUNK_BYTES = 1 << 18
_MARK_BYTES = 40


async def snapshot(client: aioredis.Redis) -> AsyncIterator[bytes]:
    """The RDB file of the node, in pieces. Raises StoreError when the node refuses or breaks off."""
    pool: Any = client.connection_pool  # it knows how to greet the node
    connection = pool.make_connection()
    try:
        async with asyncio.timeout(SILENCE_S):
            await connection.connect()
            for words in (("capa", "eof"), ("rdb-only", "1")):
                try:
                    await connection.send_command("REPLCONF", *words)
                    await connection.read_response()
                except redis_errors.ResponseError:
                    pass  # a server too old for it sends what we only skip
            await connection.send_command("SYNC")
        async for piece in _payload(connection._reader):
            yield piece
    except (redis_errors.RedisError, OSError, asyncio.IncompleteReadError, TimeoutError) as error:
        raise StoreError(f"the node broke off its snapshot: {error or 'it fell silent'}") from error
    finally:
        await connection.disconnect(nowait=True)


async def _payload(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    head = b""
    while not head:
        async with asyncio.timeout(SILENCE_S):
            head = (await reader.readuntil(b"\n")).strip()
    if not head.startswith(b"$"):
        raise StoreError(
            f"this Redis hands out no snapshot ({head.lstrip(b'-').decode(errors='replace')}): use its own backups"
        )
    if head.startswith(b"$EOF:"):
        async for piece in _until(reader, head[5:]):
            yield piece
        return
    left = int(head[1:])
    while left:
        async with asyncio.timeout(SILENCE_S):
            piece = await reader.read(min(left, CHUNK_BYTES))
        if not piece:
            raise asyncio.IncompleteReadError(b"", left)
        left -= len(piece)
        yield piece


async def _until(reader: asyncio.StreamReader, mark: bytes) -> AsyncIterator[bytes]:
    """What comes before the mark, which is the last thing that comes."""
    kept = b""
    while True:
        async with asyncio.timeout(SILENCE_S):
            piece = await reader.read(CHUNK_BYTES)
        kept += piece
        if kept.endswith(mark):
            yield kept[: -len(mark)]
            return
        if not piece:
            raise asyncio.IncompleteReadError(b"", None)
        yield kept[:-_MARK_BYTES]
        kept = kept[-_MARK_BYTES:]
