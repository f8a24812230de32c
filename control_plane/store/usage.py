"""How many bytes the documents and events of each task and project take in Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from control_plane.store import keys
from control_plane.store.connection import Connection
from control_plane.store.events import FAMILIES
from control_plane.store.layout import KINDS

IDS_A_READ = 200


@dataclass(frozen=True, slots=True)
class Usage:
    """Bytes of one document with its parts, and of the events reported to it."""

    id: str
    document: int
    events: int


async def usages(connection: Connection, kind: str, ids: Sequence[str]) -> AsyncIterator[Usage]:
    """The usage of each of these documents, as Redis estimates it (MEMORY USAGE, values of a collection sampled)."""
    for first in range(0, len(ids), IDS_A_READ):
        some = ids[first : first + IDS_A_READ]
        generations = await _pipelined(connection, [("HGET", keys.event_meta(id), "gen") for id in some])
        names: list[str] = []
        spans = []
        for id, raw in zip(some, generations, strict=True):
            generation = int(raw or 0)
            parts = [keys.document(kind, id, part) for part in KINDS[kind].parts]
            events = [
                keys.event_meta(id),
                keys.event_parts(id),
                keys.event_part_results(id),
                keys.event_series(id, generation),
                *(keys.event_stream(id, generation, family) for family in FAMILIES),
            ]
            spans.append((id, len(names), len(parts), len(events)))
            names += parts + events
        bytes_ = await _pipelined(connection, [("MEMORY USAGE", name) for name in names])
        sizes = [int(size or 0) for size in bytes_]
        for id, at, parts_count, events_count in spans:
            middle, end = at + parts_count, at + parts_count + events_count
            yield Usage(id, sum(sizes[at:middle]), sum(sizes[middle:end]))


async def _pipelined(connection: Connection, commands: Sequence[tuple[str, ...]]) -> list[Any]:
    async def execute(client: Any) -> list[Any]:
        async with client.pipeline(transaction=False) as pipe:
            for command in commands:
                pipe.execute_command(*command)
            answers: list[Any] = await pipe.execute()
            return answers

    return await connection.run(execute)
