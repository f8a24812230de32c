"""Which segments an owner has: their entries in Redis, and reading them with the streams as they are at one moment."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from control_plane.store import keys
from control_plane.store.connection import Connection
from control_plane.store.errors import StoreError

ENTRIES_A_READ = 500
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


async def snapshot(
    connection: Connection, owner: str, families: Collection[str], *, most: int | None = None, first: bytes = b"-"
) -> Snapshot:
    """Read the index and the streams of some families.

    Args:
        most: read only so many of the oldest blocks of each family.
        first: of those that are not older than this id.
    """
    state = await read_state(connection, owner)
    for _ in range(TRIES):
        segments = await entries(connection, owner, state.generation)
        blocks = {
            family: await _blocks(connection, owner, state.generation, family, most, first) for family in families
        }
        after = await read_state(connection, owner)
        if after == state:
            return Snapshot(state, segments, blocks)
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


async def _blocks(
    connection: Connection, owner: str, generation: int, family: str, most: int | None, first: bytes
) -> list[tuple[bytes, bytes]]:
    stream, after = keys.event_stream(owner, generation, family), first
    found: list[tuple[bytes, bytes]] = []
    while most is None or len(found) < most:
        count = ENTRIES_A_READ if most is None else min(ENTRIES_A_READ, most - len(found))
        page: Any = await connection.run(
            lambda client, after=after, count=count: client.xrange(stream, after, "+", count=count),  # type: ignore[misc]
            owner=owner,
        )
        found += [(id, fields[b"b"]) for id, fields in page]
        if len(page) < count:
            break
        after = b"(" + page[-1][0]
    return found
