"""Reading an owner's events, wherever they lie: what is sealed from segments, the rest from streams."""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from control_plane.store.blocks import Record, unpack_records
from control_plane.store.point_reads import Names, PointReads
from control_plane.store.segments import index
from control_plane.store.segments.index import Entry, Snapshot
from control_plane.store.snapshot_reads import NoSegments, with_family
from control_plane.store.turns import Turns

if TYPE_CHECKING:
    from control_plane.store.segments.format import ChunkPlace

__all__ = ["EventReads", "Names", "NoSegments", "Window", "with_family"]


@dataclass(frozen=True)
class Window:
    """Some lines of a console by time, and how many there are in all."""

    lines: list[Record]
    total: int


class EventReads(PointReads):
    """The reading half of `Events`; following is in `event_tails`."""

    async def records(self, owner: str, family: str) -> list[Record]:
        """Plots, images or vectors, overwritten ones left out, in the order they came."""

        async def read() -> list[Record]:
            snapshot = await index.snapshot(self._connection, owner, (family,))
            found: dict[tuple[int, str, str, str], Record] = {}
            chunks = await self._chunks(owner, snapshot, family)
            sealed = await (await self._reader()).records(owner, snapshot.state.generation, chunks) if chunks else []
            for some in (*sealed, *(unpack_records(block) for _, block in snapshot.blocks[family])):
                for record in some:
                    found.pop(record.identity, None)
                    found[record.identity] = record
            return list(found.values())

        return await self._again_when_swapped(read)

    # ---- the console

    async def console(
        self, owner: str, *, at_ms: float | None = None, earlier: bool = True, most: int | None = None
    ) -> Window:
        """Lines by time; those of one millisecond in the order they came.

        Args:
            at_ms: only lines strictly before (`earlier`) or after this time.
            most: the last (`earlier`) or first so many of them.
        """
        return await self._again_when_swapped(lambda: self._console(owner, at_ms, earlier, most))

    async def _console(self, owner: str, at_ms: float | None, earlier: bool, most: int | None) -> Window:
        return await self._window(await index.snapshot(self._connection, owner, ("log",)), owner, at_ms, earlier, most)

    async def _window(
        self, snapshot: Snapshot, owner: str, at_ms: float | None, earlier: bool, most: int | None
    ) -> Window:
        live = await self._live_lines(snapshot)
        chunks = await self._chunks(owner, snapshot, "log")
        total = len(live) + sum(place.count for _, place in chunks)
        live = _cut(live, at_ms, earlier, most)
        if at_ms is not None:
            chunks = [one for one in chunks if (one[1].first_ms < at_ms if earlier else one[1].last_ms > at_ms)]
        wanted = chunks if most is None else _reaching(chunks, [line.at_ms for line in live], at_ms, earlier, most)
        if not wanted:
            return Window(live, total)
        sealed = await (await self._reader()).records(owner, snapshot.state.generation, wanted)
        lines = [line for some in sealed for line in some] + live
        lines.sort(key=lambda line: line.at_ms)  # stable: chunks are in the order they came, and live lines after
        return Window(_cut(lines, at_ms, earlier, most), total)

    async def console_stream(self, owner: str) -> AsyncIterator[list[Record]]:
        """The whole console by time, some lines at a time. For consoles of any length.

        It is the console of when reading began. Raises SegmentMissing when it is deleted meanwhile.
        """
        snapshot = await index.snapshot(self._connection, owner, ("log",))
        blocks: list[tuple[int, int, bytes | tuple[Entry, ChunkPlace]]] = []
        for chunk in await self._chunks(owner, snapshot, "log"):
            blocks.append((chunk[1].first_ms, len(blocks), chunk))
        for _, block in snapshot.blocks["log"]:
            blocks.append((min(line.at_ms for line in unpack_records(block)), len(blocks), block))
        waiting: list[tuple[int, int, Record]] = []
        for first_ms, number, lies in sorted(blocks, key=lambda one: one[:2]):
            due = bisect_left(waiting, (first_ms,))
            if due:
                yield [line for _, _, line in waiting[:due]]
            if isinstance(lies, bytes):
                lines = unpack_records(lies)
            else:
                lines = (await (await self._reader()).records(owner, snapshot.state.generation, [lies]))[0]
            waiting = waiting[due:] + [(line.at_ms, number, line) for line in lines]
            waiting.sort(key=lambda one: one[:2])
            await asyncio.sleep(0)
        if waiting:
            yield [line for _, _, line in waiting]

    async def _live_lines(self, snapshot: Snapshot) -> list[Record]:
        lines: list[Record] = []
        turns = Turns()
        for _, block in snapshot.blocks["log"]:
            lines += unpack_records(block)
            await turns.rest()
        lines.sort(key=lambda line: line.at_ms)
        return lines

    async def _chunks(self, owner: str, snapshot: Snapshot, family: str) -> list[tuple[Entry, ChunkPlace]]:
        """The sealed chunks of a family, oldest segment first."""
        entries = with_family(snapshot, family)
        if not entries:
            return []
        footers = await (await self._reader()).footers(owner, snapshot.state.generation, entries)
        return [
            (entry, place)
            for entry, footer in zip(entries.values(), footers, strict=True)
            for place in footer.chunks
            if place.family == family
        ]


def _cut(lines: list[Record], at_ms: float | None, earlier: bool, most: int | None) -> list[Record]:
    """Of lines by time those before or after a moment, the nearest so many."""
    if at_ms is not None and earlier:
        lines = lines[: bisect_left(lines, at_ms, key=lambda line: line.at_ms)]
    elif at_ms is not None:
        lines = lines[bisect_right(lines, at_ms, key=lambda line: line.at_ms) :]
    if most is None:
        return lines
    return lines[max(0, len(lines) - most) :] if earlier else lines[:most]


def _reaching(
    chunks: Sequence[tuple[Entry, ChunkPlace]], live_ms: Sequence[int], at_ms: float | None, earlier: bool, most: int
) -> list[tuple[Entry, ChunkPlace]]:
    """The chunks that the nearest `most` lines may be in, in their own order.

    `live_ms`: times of lines that are known already, at most `most`. A chunk is left out when `most` lines are nearer
    for certain than anything in it: lines known, and chunks that lie within the window as a whole.
    """
    places = [place for _, place in chunks]
    sign = -1 if earlier else 1
    # (nearest, farthest) of each chunk and line on a scale that grows away from where the window begins.
    spans = [(-place.last_ms, -place.first_ms) if earlier else (place.first_ms, place.last_ms) for place in places]
    known = [sign * at for at in live_ms]
    taken: list[int] = []
    for i in sorted(range(len(chunks)), key=lambda i: spans[i]):
        nearest = spans[i][0]
        certain = sum(at < nearest for at in known)
        certain += sum(
            places[j].count for j in taken if spans[j][1] < nearest and (at_ms is None or spans[j][0] > sign * at_ms)
        )
        if certain >= most:
            break
        taken.append(i)
    return [chunks[i] for i in sorted(taken)]
