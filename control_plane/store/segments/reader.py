"""Reading segments: footers remembered, only the ranges wanted, decoding beside the loop."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from control_plane.store.blocks import Record
from control_plane.store.segments import format as segment
from control_plane.store.segments.arrays import Floats, Integers
from control_plane.store.segments.arrivals import Arrivals, unknown
from control_plane.store.segments.files import SegmentFiles
from control_plane.store.segments.format import ChunkPlace, DamagedSegment, Footer, SeriesPlace
from control_plane.store.segments.index import Entry

T = TypeVar("T")
R = TypeVar("R")

FOOTERS_BYTES = 16 * 1024 * 1024
"""Footers remembered, as large as they lie in files."""
READS_AT_ONCE = 4
GAP_BYTES = 64 * 1024
"""Ranges this near to each other are read as one,"""
READ_BYTES = 8 * 1024 * 1024
"""up to so much."""

Columns = tuple[Integers, Integers, Floats]


class SegmentReader:
    """Reads the segments of one place. One a process."""

    def __init__(self, files: SegmentFiles) -> None:
        self._files = files
        self._footers: OrderedDict[str, tuple[int, Footer]] = OrderedDict()
        self._footers_bytes = 0
        self._turns = asyncio.Semaphore(READS_AT_ONCE)

    async def footer(self, owner: str, generation: int, entry: Entry) -> Footer:
        """What is where. Raises SegmentMissing, SegmentsUnavailable, DamagedSegment."""
        known = self._footers.get(entry.name)
        if known is not None:
            self._footers.move_to_end(entry.name)
            return known[1]
        first = max(0, entry.size - segment.TAIL_READ)
        tail = await self._files.read(owner, generation, entry.name, first, entry.size - first)
        offset, length = segment.footer_place(tail, entry.size)
        if offset >= first:
            raw = tail[offset - first : offset - first + length]
        else:
            raw = await self._files.read(owner, generation, entry.name, offset, length)
        footer = await asyncio.to_thread(segment.decode_footer, raw)
        if (footer.owner, footer.generation) != (owner, generation):
            raise DamagedSegment(f"segment {entry.name} belongs to {footer.owner} {footer.generation}")
        self._footers[entry.name] = (length, footer)
        self._footers_bytes += length
        while self._footers_bytes > FOOTERS_BYTES and len(self._footers) > 1:
            self._footers_bytes -= self._footers.popitem(last=False)[1][0]
        return footer

    async def footers(self, owner: str, generation: int, entries: Mapping[int, Entry]) -> list[Footer]:
        """Those of several segments, in order."""
        return list(await asyncio.gather(*(self.footer(owner, generation, one) for one in entries.values())))

    async def series(
        self,
        owner: str,
        generation: int,
        entries: Mapping[int, Entry],
        wanted: Iterable[tuple[str, str | None]] | None,
        *,
        with_times: bool = True,
    ) -> list[tuple[SeriesPlace, Columns]]:
        """The points of some series, oldest segment first, as they were written."""
        names = None if wanted is None else list(wanted)
        footers = await self.footers(owner, generation, entries)
        work = [
            self._ranges(
                owner,
                generation,
                entry.name,
                [(place.offset, place.length, place) for place in segment.wanted(footer, names)],
                lambda place, raw: (place, segment.decode_series(place, raw, with_times=with_times)),
            )
            for entry, footer in zip(entries.values(), footers, strict=True)
        ]
        return [one for some in await asyncio.gather(*work) for one in some]

    async def records(
        self, owner: str, generation: int, chunks: Iterable[tuple[Entry, ChunkPlace]]
    ) -> list[list[Record]]:
        """The records of some chunks, a list a chunk, in the order given."""
        by_segment: dict[str, list[tuple[int, ChunkPlace]]] = {}
        for number, (entry, place) in enumerate(chunks):
            by_segment.setdefault(entry.name, []).append((number, place))
        found: dict[int, list[Record]] = {}
        work = [
            self._ranges(
                owner,
                generation,
                name,
                [(place.offset, place.length, number) for number, place in places],
                lambda number, raw: (number, segment.decode_records(raw)),
            )
            for name, places in by_segment.items()
        ]
        for some in await asyncio.gather(*work):
            found.update(some)
        return [found[number] for number in sorted(found)]

    async def arrivals(self, owner: str, generation: int, entry: Entry) -> Arrivals:
        """In which blocks the lines of a segment's console came, in their order; it has one line at least."""
        place = (await self.footer(owner, generation, entry)).arrivals
        if place is None:
            return unknown(entry.counts["log"])
        decoded = await self._ranges(
            owner, generation, entry.name, [(place.offset, place.length, place)], segment.decode_arrivals
        )
        return decoded[0]

    async def _ranges(
        self,
        owner: str,
        generation: int,
        name: str,
        places: Sequence[tuple[int, int, T]],
        decode: Callable[[T, bytes], R],
    ) -> list[R]:
        """Read (offset, length, what) of one file, near ones together, and decode them in a thread."""
        decoded: list[R] = []
        for run in _runs(sorted(places, key=lambda one: one[0])):
            first, last = run[0][0], max(offset + length for offset, length, _ in run)
            async with self._turns:
                raw = await self._files.read(owner, generation, name, first, last - first)
                if len(raw) < last - first:
                    raise DamagedSegment(f"segment {name} of {owner} is shorter than its footer says")
                decoded += await asyncio.to_thread(
                    lambda run=run, raw=raw, first=first: [  # type: ignore[misc]
                        decode(what, raw[offset - first : offset - first + length]) for offset, length, what in run
                    ]
                )
        return decoded


def _runs(places: Sequence[tuple[int, int, T]]) -> list[list[tuple[int, int, T]]]:
    """Ranges by offset, near ones in one list."""
    runs: list[list[tuple[int, int, T]]] = []
    begin = end = 0
    for place in places:
        offset, length, _ = place
        if runs and offset - end <= GAP_BYTES and offset + length - begin <= READ_BYTES:
            runs[-1].append(place)
        else:
            runs.append([place])
            begin = offset
        end = offset + length
    return runs
