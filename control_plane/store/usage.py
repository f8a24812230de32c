"""How many bytes the documents and events of each task and model take in Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from control_plane.store import keys
from control_plane.store.batching import Command
from control_plane.store.blocks import FAMILIES
from control_plane.store.connection import Connection
from control_plane.store.layout import KINDS

IDS_A_READ = 200


@dataclass(frozen=True, slots=True)
class Usage:
    """Bytes of one document with its parts, and of the events reported to it."""

    id: str
    document: int
    events: int


async def usages(connection: Connection, kind: str, ids: Sequence[str]) -> AsyncIterator[Usage]:
    """The usage of each of these documents, counted by Redis over every value: one text may be most of it."""
    for first in range(0, len(ids), IDS_A_READ):
        some = ids[first : first + IDS_A_READ]
        # Each call for itself, for they may go to different nodes; what goes to one node leaves as one write.
        documents = asyncio.gather(*(_document(connection, kind, id) for id in some))
        events = asyncio.gather(*(_events(connection, id) for id in some))
        for id, document, event in zip(some, await documents, await events, strict=True):
            yield Usage(id, document, event)


async def _document(connection: Connection, kind: str, id: str) -> int:
    return await _bytes(connection, [keys.document(kind, id, part) for part in KINDS[kind].parts], None)


async def _events(connection: Connection, owner: str) -> int:
    found: Any = await connection.run(lambda client: client.hget(keys.event_meta(owner), "gen"), owner=owner)
    generation = int(found or 0)
    names = [keys.event_meta(owner), keys.event_parts(owner), keys.event_part_results(owner)]
    names += [keys.event_series(owner, generation)]
    names += [keys.event_stream(owner, generation, family) for family in FAMILIES]
    return await _bytes(connection, names, owner)


async def _bytes(connection: Connection, names: Sequence[str], owner: str | None) -> int:
    commands: list[Command] = [("MEMORY", "USAGE", name, "SAMPLES", 0) for name in names]
    return sum(int(size or 0) for size in await connection.run(lambda client: client.many(commands), owner=owner))
