"""Reading segments: footers remembered, only the ranges wanted, decoding beside the loop."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

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

TOGETHER_BYTES = 2 * 1024 * 1024
"""Ranges of a near place are read and decoded together up to so much."""
FEW = 20

Columns = tuple[Integers, Integers, Floats]
Place = tuple[int, int, T]
"""Offset, length, what lies there."""
Run = tuple[str, list[Place[T]]]
"""A file's name, and places in it that are read as one."""


@dataclass(frozen=True)
class Part(Generic[R]):
    """What is read of a series."""

    lies: Callable[[SeriesPlace], tuple[int, int]]
    """Its offset and length."""
    decode: Callable[[SeriesPlace, bytes], R]


class SegmentReader:
    """Reads the segments of one place. One a process."""

    def __init__(self, files: SegmentFiles) -> None:
        self._files = files
        self._footers: OrderedDict[str, tuple[int, Footer]] = OrderedDict()
        self._footers_bytes = 0
        self._places: dict[str, dict[tuple[str, str], SeriesPlace]] = {}
        """Of remembered footers, by name of the segment."""
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
            name, (size, _) = self._footers.popitem(last=False)
            self._footers_bytes -= size
            self._places.pop(name, None)
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
        footers = await self.footers(owner, generation, entries)
        places = self.places(zip((entry.name for entry in entries.values()), footers, strict=True), wanted)
        return await self.take(owner, generation, places, columns(with_times=with_times))

    @property
    def is_near(self) -> bool:
        """Whether `take_now` is the better way."""
        return self._files.is_near

    def places(
        self, footers: Iterable[tuple[str, Footer]], wanted: Iterable[tuple[str, str | None]] | None
    ) -> list[tuple[str, SeriesPlace]]:
        """Where some series lie in segments by name, with the names."""
        names = None if wanted is None else list(wanted)
        return [(name, place) for name, footer in footers for place in self._wanted(name, footer, names)]

    async def take(
        self, owner: str, generation: int, places: Iterable[tuple[str, SeriesPlace]], part: Part[R]
    ) -> list[tuple[SeriesPlace, R]]:
        """A part of what is kept of series, segment by segment."""
        return await self._ranges(owner, generation, _by_file(places, part), _decoding(part))

    def take_now(
        self, owner: str, generation: int, places: Iterable[tuple[str, SeriesPlace]], part: Part[R]
    ) -> list[tuple[SeriesPlace, R]]:
        """The same in a thread of the caller's."""
        return self._read(owner, generation, _all_runs(_by_file(places, part)), _decoding(part))

    def _wanted(self, name: str, footer: Footer, names: Sequence[tuple[str, str | None]] | None) -> list[SeriesPlace]:
        """The places of some series in a segment; a few of many are not looked for."""
        if names is None or len(names) > FEW or any(variant is None for _, variant in names):
            return segment.wanted(footer, names)
        known = self._places.get(name)
        if known is None:
            known = {(place.metric, place.variant): place for place in footer.series}
            if name in self._footers:
                self._places[name] = known
        return [known[one] for one in names if one in known]

    async def records(
        self, owner: str, generation: int, chunks: Iterable[tuple[Entry, ChunkPlace]]
    ) -> list[list[Record]]:
        """The records of some chunks, a list a chunk, in the order given."""
        return await self._chunks(owner, generation, chunks, segment.decode_records)

    async def blocks(self, owner: str, generation: int, chunks: Iterable[tuple[Entry, ChunkPlace]]) -> list[bytes]:
        """The same, packed still: a block a chunk."""
        return await self._chunks(owner, generation, chunks, segment.decode_block)

    async def _chunks(
        self, owner: str, generation: int, chunks: Iterable[tuple[Entry, ChunkPlace]], decode: Callable[[bytes], R]
    ) -> list[R]:
        by_segment: dict[str, list[tuple[int, ChunkPlace]]] = {}
        for number, (entry, place) in enumerate(chunks):
            by_segment.setdefault(entry.name, []).append((number, place))
        found = await self._ranges(
            owner,
            generation,
            [
                (name, [(place.offset, place.length, number) for number, place in places])
                for name, places in by_segment.items()
            ],
            lambda number, raw: (number, decode(raw)),
        )
        return [decoded for _, decoded in sorted(found, key=lambda one: one[0])]

    async def arrivals(self, owner: str, generation: int, entry: Entry) -> Arrivals:
        """In which blocks the lines of a segment's console came, in their order; it has one line at least."""
        place = (await self.footer(owner, generation, entry)).arrivals
        if place is None:
            return unknown(entry.counts["log"])
        decoded = await self._ranges(
            owner, generation, [(entry.name, [(place.offset, place.length, place)])], segment.decode_arrivals
        )
        return decoded[0]

    async def _ranges(
        self,
        owner: str,
        generation: int,
        places: Sequence[tuple[str, Sequence[Place[T]]]],
        decode: Callable[[T, bytes], R],
    ) -> list[R]:
        """Read (offset, length, what) of files by name and decode them in threads: file by file, by offset."""

        async def in_turn(runs: Sequence[Run[T]]) -> list[R]:
            async with self._turns:
                return await asyncio.to_thread(self._read, owner, generation, runs, decode)

        runs = _all_runs(places)
        # From a near place many small files are read at a time, for a thread costs more than a file; from a far one
        # each by itself, for they are waited for.
        groups = _together(runs) if self._files.is_near else [[one] for one in runs]
        return [one for some in await asyncio.gather(*map(in_turn, groups)) for one in some]

    def _read(self, owner: str, generation: int, runs: Sequence[Run[T]], decode: Callable[[T, bytes], R]) -> list[R]:
        decoded: list[R] = []
        for name, run in runs:
            first, last = _span(run)
            raw = self._files.read_now(owner, generation, name, first, last - first)
            if len(raw) < last - first:
                raise DamagedSegment(f"segment {name} of {owner} is shorter than its footer says")
            decoded += [decode(what, raw[at - first : at - first + length]) for at, length, what in run]
        return decoded


def columns(*, with_times: bool) -> Part[Columns]:
    """The points of a series as they were written; without times those are empty."""
    return Part(
        lambda place: (place.offset, place.length),
        lambda place, raw: segment.decode_series(place, raw, with_times=with_times),
    )


SUMMARY = Part(segment.range_in_short, segment.decode_summary)
"""The summary of an ascending series."""


def _decoding(part: Part[R]) -> Callable[[SeriesPlace, bytes], tuple[SeriesPlace, R]]:
    return lambda place, raw: (place, part.decode(place, raw))


def _by_file(places: Iterable[tuple[str, SeriesPlace]], part: Part[R]) -> list[tuple[str, list[Place[SeriesPlace]]]]:
    files: dict[str, list[Place[SeriesPlace]]] = {}
    for name, place in places:
        files.setdefault(name, []).append((*part.lies(place), place))
    return list(files.items())


def _all_runs(places: Sequence[tuple[str, Sequence[Place[T]]]]) -> list[Run[T]]:
    return [(name, run) for name, some in places for run in _runs(sorted(some, key=lambda one: one[0]))]


def _together(runs: Sequence[Run[T]]) -> list[list[Run[T]]]:
    groups: list[list[Run[T]]] = []
    size = TOGETHER_BYTES
    for run in runs:
        first, last = _span(run[1])
        if size + last - first > TOGETHER_BYTES:
            groups.append([])
            size = 0
        groups[-1].append(run)
        size += last - first
    return groups


def _span(run: Sequence[Place[T]]) -> tuple[int, int]:
    return run[0][0], max(offset + length for offset, length, _ in run)


def _runs(places: Sequence[Place[T]]) -> list[list[Place[T]]]:
    """Ranges by offset, near ones in one list."""
    runs: list[list[Place[T]]] = []
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
