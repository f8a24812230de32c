"""Thinning what is sealed: fewer points in new segments, which take the place of the old ones in one step."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from control_plane.store.blocks import Packed
from control_plane.store.connection import Connection
from control_plane.store.points import Merge
from control_plane.store.segments import index
from control_plane.store.segments.files import SegmentMissing
from control_plane.store.segments.format import Contents, Footer, Sealed
from control_plane.store.segments.index import Entry, State
from control_plane.store.segments.reader import SegmentReader
from control_plane.store.segments.sealer import Sealer
from control_plane.store.segments.thinning import KEPT_AN_INTERVAL, thin

POINTS_A_READ = 4_000_000
"""Series are read together up to so many points; a longer one alone."""


class Thinner:
    """Thins the segments of one store."""

    def __init__(self, connection: Connection, sealer: Sealer, reader: SegmentReader) -> None:
        self._connection = connection
        self._sealer = sealer
        self._reader = reader

    async def thin(self, owner: str, samples: int) -> int:
        """Thin every sealed series of an owner that is longer; returns how many points are gone.

        What was thinned before is left as it is. Everything happens at the end, in one step: dying before leaves files
        that the sweep removes.
        """
        while True:
            state = await index.read_state(self._connection, owner)
            entries = await index.entries(self._connection, owner, state.generation)
            scalar = {number: entry for number, entry in entries.items() if entry.counts.get("scalar")}
            if all(entry.is_thinned for entry in scalar.values()):
                return 0
            try:
                new, gone = await self._thinned(owner, state, scalar, samples)
            except SegmentMissing:
                if await index.read_state(self._connection, owner) == state:
                    raise
                continue  # made anew by somebody else meanwhile
            if await self._sealer.replace(owner, state, entries, new):
                return gone

    async def _thinned(
        self, owner: str, state: State, entries: Mapping[int, Entry], samples: int
    ) -> tuple[dict[int, Entry | None], int]:
        """What takes the place of the segments with scalars, and how many points are gone."""
        footers = await self._reader.footers(owner, state.generation, entries)
        counts = _counts(footers)
        if all(count <= KEPT_AN_INTERVAL * samples for count in counts.values()):
            return {number: msgspec.structs.replace(entry, is_thinned=True) for number, entry in entries.items()}, 0
        series = [
            one
            for names in _together(counts)
            for one in await self._series(owner, state.generation, entries, names, samples)
        ]
        new: dict[int, Entry | None] = {}
        last = max(entries)
        # Points are resolved over all segments, so all of them go into one; records stay where they were.
        for (number, entry), footer in zip(entries.items(), footers, strict=True):
            contents = Contents()
            chunks = [(entry, chunk) for chunk in footer.chunks]
            for (_, chunk), block in zip(
                chunks, await self._reader.blocks(owner, state.generation, chunks), strict=True
            ):
                contents.records.setdefault(chunk.family, Packed()).add(block)
            if "log" in contents.records:
                contents.arrivals = await self._reader.arrivals(owner, state.generation, entry)
            if number == last:
                contents.series = series
            new[number] = (
                await self._sealer.write(owner, state.generation, contents, is_thinned=True)
                if contents.series or contents.records
                else None
            )
        return new, sum(counts.values()) - sum(len(one.steps) for one in series)

    async def _series(
        self, owner: str, generation: int, entries: Mapping[int, Entry], names: Sequence[tuple[str, str]], samples: int
    ) -> list[Sealed]:
        merges: dict[tuple[str, str], Merge] = {}
        workers: dict[tuple[str, str], str] = {}
        for place, columns in await self._reader.series(owner, generation, entries, names):
            name = (place.metric, place.variant)
            merges.setdefault(name, Merge()).add_arrays(*columns)
            if place.workers:
                workers[name] = place.workers[-1][1]
        return await asyncio.to_thread(
            lambda: [_thinned(name, merge, samples, workers.get(name)) for name, merge in merges.items()]
        )


def _thinned(name: tuple[str, str], merge: Merge, samples: int, worker: str | None) -> Sealed:
    found = thin(merge.arrays(), samples)
    workers = [] if worker is None else [(len(found), worker)]
    return Sealed(*name, found.steps, found.times_ms, found.values, workers)


def _counts(footers: Sequence[Footer]) -> dict[tuple[str, str], int]:
    """Points of each series, in the order in which they appear."""
    counts: dict[tuple[str, str], int] = {}
    for footer in footers:
        for place in footer.series:
            name = (place.metric, place.variant)
            counts[name] = counts.get(name, 0) + place.count
    return counts


def _together(counts: Mapping[tuple[str, str], int]) -> Iterator[list[tuple[str, str]]]:
    names: list[tuple[str, str]] = []
    points = 0
    for name, count in counts.items():
        if names and points + count > POINTS_A_READ:
            yield names
            names, points = [], 0
        names.append(name)
        points += count
    if names:
        yield names
