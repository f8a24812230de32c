"""Reading points of series, wherever they lie: what is sealed from segments, the rest from streams."""

from __future__ import annotations

import asyncio
import functools
import itertools
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from control_plane.store.blocks import unpack_points
from control_plane.store.memory import give_back
from control_plane.store.numeric import load_numpy
from control_plane.store.segments import index
from control_plane.store.segments.index import Entry, Snapshot
from control_plane.store.series import Series
from control_plane.store.snapshot_reads import SnapshotReads, with_family
from control_plane.store.turns import Turns

if TYPE_CHECKING:
    from control_plane.store.point_workers import Workers
    from control_plane.store.points import Merge, Pieces
    from control_plane.store.segments.format import SeriesPlace
    from control_plane.store.segments.reader import Columns, SegmentReader
    from control_plane.store.segments.summaries import Summary, Summed

T = TypeVar("T")

POINTS_BESIDE = 10_000
"""So many points are put in order in a thread."""
GROUP_POINTS = 500_000
GROUPS_AT_ONCE = 2
"""Series are read in groups of so many points, so many groups at once."""
SUMMED_POINTS = 32
"""A series of fewer points a sample is not read in short; and so much less is in memory of one that is."""
LONG_POINTS = 100_000
"""Nor is one of fewer points at all: its intervals are to the bit the same while it is live and when it is sealed."""

Names = Collection[tuple[str, str | None]]
"""(metric, variant) pairs; variant None means all of the metric."""


@dataclass
class Lying:
    """Where the points of some series of an owner lie."""

    owner: str
    generation: int
    live: dict[tuple[str, str], Merge]
    """What is not sealed."""
    places: dict[tuple[str, str], list[tuple[str, SeriesPlace]]] = field(default_factory=dict)
    """By series: segments by name, oldest first, and where it lies in each."""
    segments: dict[str, int] = field(default_factory=dict)
    """The order of the segments."""
    reader: SegmentReader | None = None
    """None: nothing is sealed."""

    @functools.cached_property
    def sizes(self) -> Counter[tuple[str, str]]:
        """How many points there are, overwritten ones too."""
        found = Counter({name: len(merge) for name, merge in self.live.items()})
        for name, places in self.places.items():
            found[name] += sum(place.count for _, place in places)
        return found

    @property
    def names(self) -> list[tuple[str, str]]:
        """Of the series, in order."""
        return sorted(self.sizes)

    def of(self, names: Iterable[tuple[str, str]]) -> list[tuple[str, SeriesPlace]]:
        """Where some series lie, the oldest segment first."""
        places = itertools.chain.from_iterable(self.places.get(name, ()) for name in names)
        return sorted(places, key=lambda place: self.segments[place[0]])

    def is_known_in_short(self, name: tuple[str, str], samples: int, from_step: int) -> bool:
        """Whether so many samples of a series can be made of summaries."""
        places = [place for _, place in self.places.get(name, ())]
        if not places or self.sizes[name] < max(LONG_POINTS, SUMMED_POINTS * samples) or places[0].lowest < from_step:
            return False
        if not all(place.is_ascending for place in places):
            return False
        if not all(one.highest < later.lowest for one, later in itertools.pairwise(places)):
            return False
        highest = places[-1].highest
        if name in self.live:
            steps = self.live[name].written().steps
            if steps[0] <= highest or not (steps[1:] > steps[:-1]).all():
                return False
            highest = int(steps[-1])
        from control_plane.store.segments.summaries import interval_of

        shift = max(place.summary.shift if place.summary else 0 for place in places)
        return interval_of(places[0].lowest, highest, samples, shift) is not None

    def summed(self, name: tuple[str, str], summaries: list[Summary]) -> Summed:
        """A series that is known in short."""
        from control_plane.store.segments.summaries import Summed, summarize

        places = [place for _, place in self.places[name]]
        highest = places[-1].highest
        if name in self.live:
            written = self.live[name].written()
            summaries = [*summaries, summarize(written.steps, written.values)]
            highest = int(written.steps[-1])
        return Summed(self.sizes[name], places[0].lowest, highest, summaries)


class PointReads(SnapshotReads):
    """The part of `EventReads` about scalars."""

    async def points(self, owner: str, wanted: Names | None) -> dict[tuple[str, str], Merge]:
        """{(metric, variant): its points, as they were written}."""
        return await self._again_when_swapped(lambda: self._points(owner, wanted))

    async def _points(self, owner: str, wanted: Names | None) -> dict[tuple[str, str], Merge]:
        snapshot = await index.snapshot(self._connection, owner, ("scalar",))
        entries = with_family(snapshot, "scalar")
        merges = await self._sealed(owner, snapshot, entries, wanted) if entries else {}
        return await _with_live(merges, snapshot, wanted)

    async def each(
        self,
        owner: str,
        wanted: Names | None,
        use: Callable[[Pieces], T],
        *,
        with_times: bool = True,
    ) -> dict[tuple[str, str], T]:
        """What `use` makes of every series, overwritten points left out; few series are in memory at once.

        Args:
            use: a pure function; of long series it runs in a thread.
            with_times: without them the times of sealed points are not read, and `use` looks at none.
        """

        async def read() -> dict[tuple[str, str], T]:
            lying = await self._lying(owner, wanted)
            return await self._each(lying, lying.names, use, with_times)

        return await self._again_when_swapped(read)

    async def curves(
        self,
        owner: str,
        wanted: Names | None,
        use: Callable[[Pieces], T],
        use_in_short: Callable[[Summed], T],
        *,
        samples: int,
        from_step: int,
    ) -> dict[tuple[str, str], T]:
        """The same for who cuts series in `samples` intervals of iterations: long ones are known in short.

        Args:
            use_in_short: what is made of those.
            from_step: `use` does not look at points of iterations below.
        """

        async def read() -> dict[tuple[str, str], T]:
            lying = await self._lying(owner, wanted)
            short = [name for name in lying.names if lying.is_known_in_short(name, samples, from_step)]
            found = await self._each(lying, sorted({*lying.names}.difference(short)), use, with_times=False)
            for group in _groups({name: lying.sizes[name] // SUMMED_POINTS for name in short}):
                found |= await self._summed(lying, group, use_in_short)
            if short:
                await asyncio.to_thread(give_back)
            return dict(sorted(found.items()))

        return await self._again_when_swapped(read)

    async def _lying(self, owner: str, wanted: Names | None) -> Lying:
        snapshot = await index.snapshot(self._connection, owner, ("scalar",))
        live = await _with_live({}, snapshot, wanted)
        entries = with_family(snapshot, "scalar")
        lying = Lying(owner, snapshot.state.generation, live)
        if entries:
            lying.reader = await self._reader()
            footers = await lying.reader.footers(owner, lying.generation, entries)
            names = [entry.name for entry in entries.values()]
            lying.segments = {name: number for number, name in enumerate(names)}
            for segment, place in lying.reader.places(zip(names, footers, strict=True), wanted):
                lying.places.setdefault((place.metric, place.variant), []).append((segment, place))
        return lying

    async def _each(
        self, lying: Lying, names: Sequence[tuple[str, str]], use: Callable[[Pieces], T], with_times: bool
    ) -> dict[tuple[str, str], T]:
        reader, sizes = lying.reader, {name: lying.sizes[name] for name in names}
        groups = deque(_groups(sizes))
        count = sum(sizes.values())

        def used(group: list[tuple[str, str]], read: Iterable[tuple[SeriesPlace, Columns]]) -> dict[tuple[str, str], T]:
            merges = merged(read)
            for name in group:
                if name in lying.live:
                    merges[name] = merges[name].followed_by(lying.live[name]) if name in merges else lying.live[name]
            return {name: use(merges.pop(name).pieces()) for name in group}

        def in_thread(reader: SegmentReader) -> dict[tuple[str, str], T]:
            """Group after group, reading too: handing each piece of work from thread to thread would cost as much."""
            found: dict[tuple[str, str], T] = {}
            while groups:
                try:
                    group = groups.popleft()
                except IndexError:
                    break  # another thread took it
                part = columns(with_times=with_times)
                found |= used(group, reader.take_now(lying.owner, lying.generation, lying.of(group), part))
            return found

        async def in_turns() -> dict[tuple[str, str], T]:
            found: dict[tuple[str, str], T] = {}
            while groups:
                group = groups.popleft()
                read: list[tuple[SeriesPlace, Columns]] = []
                if reader is not None:
                    part = columns(with_times=with_times)
                    read = await reader.take(lying.owner, lying.generation, lying.of(group), part)
                if sum(sizes[name] for name in group) < POINTS_BESIDE:
                    found |= used(group, read)
                else:
                    found |= await asyncio.to_thread(used, group, read)
            return found

        await load_numpy()
        from control_plane.store.segments.reader import columns

        if reader is not None and reader.is_near and count >= POINTS_BESIDE:
            some = await asyncio.gather(*(asyncio.to_thread(in_thread, reader) for _ in range(GROUPS_AT_ONCE)))
        else:
            some = await asyncio.gather(*(in_turns() for _ in range(GROUPS_AT_ONCE)))
        if count > GROUP_POINTS:
            await asyncio.to_thread(give_back)
        return dict(sorted((name, one) for found in some for name, one in found.items()))

    async def _summed(
        self, lying: Lying, names: list[tuple[str, str]], use: Callable[[Summed], T]
    ) -> dict[tuple[str, str], T]:
        from control_plane.store.segments.reader import SUMMARY

        reader = lying.reader or await self._reader()

        def used(read: Iterable[tuple[SeriesPlace, Summary]]) -> dict[tuple[str, str], T]:
            summaries: dict[tuple[str, str], list[Summary]] = {}
            for place, summary in read:
                summaries.setdefault((place.metric, place.variant), []).append(summary)
            return {name: use(lying.summed(name, summaries.pop(name))) for name in names}

        if reader.is_near:
            return await asyncio.to_thread(
                lambda: used(reader.take_now(lying.owner, lying.generation, lying.of(names), SUMMARY))
            )
        read = await reader.take(lying.owner, lying.generation, lying.of(names), SUMMARY)
        return await asyncio.to_thread(used, read)

    async def _sealed(
        self,
        owner: str,
        snapshot: Snapshot,
        entries: Mapping[int, Entry],
        wanted: Names | None,
        *,
        with_times: bool = True,
    ) -> dict[tuple[str, str], Merge]:
        reader = await self._reader()
        generation = snapshot.state.generation
        return merged(await reader.series(owner, generation, entries, wanted, with_times=with_times))

    async def scalars(self, owner: str, wanted: Names | None = None) -> dict[tuple[str, str], Series]:
        """Every point of the series as lists, overwritten ones left out: for those who look at few points.

        Args:
            wanted: (metric, variant) pairs, variant None = all of the metric; None = every series.
        """
        return await self.each(owner, wanted, lambda pieces: pieces.joined().lists())

    async def workers(self, owner: str, wanted: Names) -> dict[tuple[str, str], Workers]:
        """Who reported the points of some series."""
        return await self._again_when_swapped(lambda: self._workers(owner, wanted))

    async def _workers(self, owner: str, wanted: Names) -> dict[tuple[str, str], Workers]:
        snapshot = await index.snapshot(self._connection, owner, ("scalar",))
        entries = with_family(snapshot, "scalar")
        await load_numpy()
        from control_plane.store.point_workers import Workers

        found: dict[tuple[str, str], Workers] = {}
        footers = await (await self._reader()).footers(owner, snapshot.state.generation, entries) if entries else []
        for place in (place for footer in footers for place in footer.series):
            if _is_wanted(place.metric, place.variant, wanted):
                for count, worker in place.workers:
                    found.setdefault((place.metric, place.variant), Workers()).add(worker, count)
        turns = Turns()
        for _, block in snapshot.blocks["scalar"]:
            points = unpack_points(block)
            if _is_wanted(points.metric, points.variant, wanted):
                found.setdefault((points.metric, points.variant), Workers()).add(points.worker, len(points))
            await turns.rest()
        several = [name for name, workers in found.items() if workers.are_several]
        if several:
            merges = await self._sealed(owner, snapshot, entries, several, with_times=False) if entries else {}
            for name, merge in (await _with_live(merges, snapshot, several)).items():
                found[name].steps = merge.written().steps
        return found


def merged(read: Iterable[tuple[SeriesPlace, Columns]]) -> dict[tuple[str, str], Merge]:
    """Columns of series in the order they were written, put together; where a reader is, numpy is loaded."""
    from control_plane.store.points import Merge

    merges: dict[tuple[str, str], Merge] = {}
    for place, columns in read:
        merges.setdefault((place.metric, place.variant), Merge()).add_arrays(*columns)
    return merges


async def _with_live(
    merges: dict[tuple[str, str], Merge], snapshot: Snapshot, wanted: Names | None
) -> dict[tuple[str, str], Merge]:
    """What is not sealed, added to what is."""
    await load_numpy()
    from control_plane.store.points import Merge

    turns = Turns()
    for _, block in snapshot.blocks["scalar"]:
        points = unpack_points(block)
        name = (points.metric, points.variant)
        if _is_wanted(*name, wanted):
            merges.setdefault(name, Merge()).add_block(points)
        await turns.rest()
    return merges


def _is_wanted(metric: str, variant: str, wanted: Names | None) -> bool:
    return wanted is None or (metric, variant) in wanted or (metric, None) in wanted


def _groups(sizes: Mapping[tuple[str, str], int]) -> list[list[tuple[str, str]]]:
    """Names in order, as many in a group as have `GROUP_POINTS` together, a long series alone."""
    groups: list[list[tuple[str, str]]] = []
    size = GROUP_POINTS
    for name in sorted(sizes):
        if size + sizes[name] > GROUP_POINTS:
            groups.append([])
            size = 0
        groups[-1].append(name)
        size += sizes[name]
    return groups
