"""Reading an owner's events, wherever they lie: what is sealed from segments, the rest from streams."""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from control_plane.store.blocks import Record, unpack_points, unpack_records
from control_plane.store.connection import Connection
from control_plane.store.errors import StoreError
from control_plane.store.memory import give_back
from control_plane.store.numeric import load_numpy
from control_plane.store.segments import index
from control_plane.store.segments.files import SegmentFiles, SegmentMissing
from control_plane.store.segments.index import Entry, Snapshot
from control_plane.store.series import Series
from control_plane.store.turns import Turns

if TYPE_CHECKING:
    from control_plane.store.point_workers import Workers
    from control_plane.store.points import Merge, Pieces
    from control_plane.store.segments.format import ChunkPlace, SeriesPlace
    from control_plane.store.segments.reader import Columns, SegmentReader

T = TypeVar("T")

TRIES = 5
POINTS_BESIDE = 10_000
"""So many points are put in order in a thread."""
GROUP_POINTS = 500_000
GROUPS_AT_ONCE = 2
"""Series are read in groups of so many points, so many groups at once."""

Names = Collection[tuple[str, str | None]]
"""(metric, variant) pairs; variant None means all of the metric."""


class NoSegments(StoreError):
    """Events were sealed to a place that this server was not told of."""


@dataclass(frozen=True)
class Window:
    """Some lines of a console by time, and how many there are in all."""

    lines: list[Record]
    total: int


class EventReads:
    """The reading half of `Events`; following is in `event_tails`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._files: SegmentFiles | None = None
        self._segments: SegmentReader | None = None

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
        return await self._again_when_swapped(lambda: self._each(owner, wanted, use, with_times))

    async def _each(
        self, owner: str, wanted: Names | None, use: Callable[[Pieces], T], with_times: bool
    ) -> dict[tuple[str, str], T]:
        snapshot = await index.snapshot(self._connection, owner, ("scalar",))
        live = await _with_live({}, snapshot, wanted)
        entries = with_family(snapshot, "scalar")
        sizes = Counter({name: len(merge) for name, merge in live.items()})
        reader = await self._reader() if entries else None
        footers = await reader.footers(owner, snapshot.state.generation, entries) if reader else []
        for place in (place for footer in footers for place in footer.series):
            name = (place.metric, place.variant)
            if _is_wanted(*name, wanted):
                sizes[name] += place.count
        groups = deque(_groups(sizes))

        def used(names: list[tuple[str, str]], merges: dict[tuple[str, str], Merge]) -> dict[tuple[str, str], T]:
            for name in names:
                if name in live:
                    merges[name] = merges[name].followed_by(live[name]) if name in merges else live[name]
            return {name: use(merges.pop(name).pieces()) for name in names}

        def in_thread(reader: SegmentReader) -> dict[tuple[str, str], T]:
            """Group after group, reading too: handing each piece of work from thread to thread would cost as much."""
            found: dict[tuple[str, str], T] = {}
            named = [(entry.name, footer) for entry, footer in zip(entries.values(), footers, strict=True)]
            while groups:
                try:
                    names = groups.popleft()
                except IndexError:
                    break  # another thread took it
                read = reader.series_now(owner, snapshot.state.generation, named, names, with_times=with_times)
                found |= used(names, merged(read))
            return found

        async def in_turns() -> dict[tuple[str, str], T]:
            found: dict[tuple[str, str], T] = {}
            while groups:
                names = groups.popleft()
                merges = await self._sealed(owner, snapshot, entries, names, with_times=with_times) if entries else {}
                if sum(sizes[name] for name in names) < POINTS_BESIDE:
                    found |= used(names, merges)
                else:
                    found |= await asyncio.to_thread(used, names, merges)
            return found

        if reader is not None and reader.is_near and sizes.total() >= POINTS_BESIDE:
            await load_numpy()
            some = await asyncio.gather(*(asyncio.to_thread(in_thread, reader) for _ in range(GROUPS_AT_ONCE)))
        else:
            some = await asyncio.gather(*(in_turns() for _ in range(GROUPS_AT_ONCE)))
        if sizes.total() > GROUP_POINTS:
            await asyncio.to_thread(give_back)
        return dict(sorted((name, one) for found in some for name, one in found.items()))

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

    # ---- below

    async def _reader(self) -> SegmentReader:
        if self._files is None:
            raise NoSegments("these events were sealed: start the server with the place of its segments (--segments)")
        if self._segments is None:
            await load_numpy()
            from control_plane.store.segments.reader import SegmentReader

            self._segments = SegmentReader(self._files)
        return self._segments

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

    async def _again_when_swapped(self, read: Callable[[], Awaitable[T]]) -> T:
        """Read again when a segment was made one with others, or forgotten, between index and file."""
        for _ in range(TRIES - 1):
            try:
                return await read()
            except SegmentMissing:
                await asyncio.sleep(0)
        return await read()


def merged(read: Iterable[tuple[SeriesPlace, Columns]]) -> dict[tuple[str, str], Merge]:
    """Columns of series in the order they were written, put together; where a reader is, numpy is loaded."""
    from control_plane.store.points import Merge

    merges: dict[tuple[str, str], Merge] = {}
    for place, columns in read:
        merges.setdefault((place.metric, place.variant), Merge()).add_arrays(*columns)
    return merges


def with_family(snapshot: Snapshot, family: str) -> dict[int, Entry]:
    """The segments with events of a family, oldest first."""
    return {number: entry for number, entry in snapshot.segments.items() if entry.counts.get(family)}


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
