"""Which segments an owner has: their entries in Redis, and reading them with the streams as they are at one moment."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from control_plane.store import keys
from control_plane.store.connection import Connection
from control_plane.store.errors import StoreError
from control_plane.store.squeezing import plain_size

FIRST_ENTRIES, ENTRIES_A_READ = 64, 500
READ_BYTES = 4 * 1024 * 1024
"""So many blocks are read at once as have about so many bytes in plain."""
TRIES = 50


class Entry(msgspec.Struct, array_like=True, frozen=True):
    """One segment of an owner."""

    name: str
    size: int
    """In bytes."""
    counts: dict[str, int]
    """Family -> how many points, lines or records it holds."""
    sealed_ms: int
    """When it was sealed, ms since the epoch."""
    series: int = 0
    """How many scalar series it holds."""
    is_thinned: bool = False
    """Whether points were left out, as the retention asks."""
    last_line: tuple[int, int] = (0, 0)
    """The id of the last block that a line of its console came in; zeros: it has none, or that is not known."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Entry).decode


def pack(entry: Entry) -> bytes:
    """As it lies in the hash of segments."""
    return _encode(entry)


def block_number(id: bytes) -> tuple[int, int]:
    """The id of a block in a stream as two numbers."""
    ms, _, number = id.partition(b"-")
    return int(ms), int(number)


@dataclass(frozen=True)
class State:
    """What is counted of an owner's events; equal states mean that nothing was sealed, edited or reset between."""

    generation: int
    seal: int
    edits: int


@dataclass(frozen=True)
class Snapshot:
    """An owner's events as they lie at one moment."""

    state: State
    segments: Mapping[int, Entry]
    """Number of the seal -> segment, oldest first."""
    blocks: Mapping[str, Sequence[tuple[bytes, bytes]]]
    """Family -> (id, block) of what is not sealed, oldest first."""
    is_cut: bool = False
    """Whether more was there than was asked for."""


async def snapshot(
    connection: Connection,
    owner: str,
    families: Collection[str],
    *,
    most: int | None = None,
    most_bytes: int | None = None,
    first: bytes = b"-",
) -> Snapshot:
    """Read the index and the streams of some families.

    Args:
        most: read only so many of the oldest blocks of each family,
        most_bytes: and no more when they have so many bytes in plain.
        first: of those that are not older than this id.
    """
    state = await read_state(connection, owner)
    for _ in range(TRIES):
        segments = await entries(connection, owner, state.generation)
        limits = _Limits(most, most_bytes)
        blocks = {
            family: await _blocks(connection, owner, state.generation, family, limits, first) for family in families
        }
        after = await read_state(connection, owner)
        if after == state:
            return Snapshot(state, segments, blocks, limits.are_reached)
        state = after
    raise StoreError(f"the events of {owner} changed faster than they could be read")


async def read_state(connection: Connection, owner: str) -> State:
    """The counters as they are now."""
    found: Any = await connection.run(
        lambda client: client.hmget(keys.event_meta(owner), ["gen", "seal", "edits"]), owner=owner
    )
    return State(*(int(value or 0) for value in found))


async def entries(connection: Connection, owner: str, generation: int) -> dict[int, Entry]:
    """Number of the seal -> segment, oldest first."""
    found: Any = await connection.run(
        lambda client: client.hgetall(keys.event_segments(owner, generation)), owner=owner
    )
    return {number: _decode(raw) for number, raw in sorted((int(field), raw) for field, raw in found.items())}


@dataclass
class _Limits:
    """How much of a family is read."""

    most: int | None
    most_bytes: int | None
    are_reached: bool = False
    """By one of the families."""

    def reach(self, blocks: int, size: int) -> bool:
        """Whether so much is enough."""
        is_enough = (self.most is not None and blocks >= self.most) or (
            self.most_bytes is not None and size >= self.most_bytes
        )
        self.are_reached |= is_enough
        return is_enough


async def _blocks(
    connection: Connection, owner: str, generation: int, family: str, limits: _Limits, first: bytes
) -> list[tuple[bytes, bytes]]:
    stream, after = keys.event_stream(owner, generation, family), first
    found: list[tuple[bytes, bytes]] = []
    count, size = FIRST_ENTRIES, 0
    while not limits.reach(len(found), size):
        if limits.most is not None:
            count = min(count, limits.most - len(found))
        page: Any = await connection.run(
            lambda client, after=after, count=count: client.xrange(stream, after, "+", count=count),  # type: ignore[misc]
            owner=owner,
        )
        found += [(id, fields[b"b"]) for id, fields in page]
        size += sum(plain_size(fields[b"b"]) for _, fields in page)
        if len(page) < count:
            break
        after = b"(" + page[-1][0]
        count = max(1, min(ENTRIES_A_READ, READ_BYTES * len(found) // size))
    return found
