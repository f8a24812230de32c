"""Sealing: from blocks in a stream to a segment, and from small segments to larger ones.

The file is written first, whole, under the hash of its bytes; then one script puts it into the index and trims exactly
what is in it from the streams - or does nothing, when anything was sealed, edited or reset since they were read. Dying
before the script leaves a file that no index names: the sweep removes it. Nothing is ever in neither place.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from control_plane.store import keys
from control_plane.store.blocks import FAMILIES, Packed, Record, unpack_points
from control_plane.store.connection import Connection
from control_plane.store.memory import give_back
from control_plane.store.points import Merge
from control_plane.store.segments import arrivals, index, merging
from control_plane.store.segments import format as segment
from control_plane.store.segments.arrivals import Arrivals
from control_plane.store.segments.files import SegmentFiles, SegmentMissing
from control_plane.store.segments.format import Contents, Sealed
from control_plane.store.segments.hold import is_held
from control_plane.store.segments.index import Entry, Snapshot, State
from control_plane.store.segments.reader import SegmentReader

log = logging.getLogger(__name__)

BLOCKS_A_SEAL = 4000
BYTES_A_SEAL = 8 * 1024 * 1024
"""So many blocks and bytes of each family go into one segment: bounds what a seal holds in memory."""
ORPHAN_S = 3600
"""A file that no index names is left alone for so long: somebody may be about to name it."""


class Sealer:
    """Seals the events of one store into one place. Several may work at once: what one loses, another has done."""

    def __init__(self, connection: Connection, files: SegmentFiles, reader: SegmentReader) -> None:
        self._connection = connection
        self._files = files
        self._reader = reader
        self._replaced = Replaced(connection)

    async def seal(self, owner: str) -> int:
        """Seal everything that an owner has in streams now; returns how many events that were.

        Raises SegmentsUnavailable when the place cannot be written: then nothing was trimmed.
        """
        sealed = 0
        while True:
            found = await index.snapshot(self._connection, owner, FAMILIES, most=BLOCKS_A_SEAL, most_bytes=BYTES_A_SEAL)
            if not any(found.blocks.values()):
                break
            contents = await asyncio.to_thread(collect, found.blocks)
            entry = await self.write(owner, found.state.generation, contents)
            if not await self._commit(owner, found, entry):
                continue  # somebody else sealed, or the owner was reset: look again
            sealed += sum(entry.counts.values())
            if not found.is_cut:
                break  # what came meanwhile makes a segment of its own later, and a larger one
        if sealed:
            await self.merge(owner)
            await asyncio.to_thread(give_back)
        return sealed

    async def write(self, owner: str, generation: int, contents: Contents, *, is_thinned: bool = False) -> Entry:
        """Write a file that no index names yet."""
        body = await asyncio.to_thread(segment.encode, owner, generation, contents, salt=secrets.token_hex(8))
        name = segment.name_of(body)
        await self._files.put(owner, generation, name, body)
        counts = Counter({family: len(records) for family, records in contents.records.items()})
        counts["scalar"] = sum(len(one.steps) for one in contents.series)
        last_line = (0, 0) if contents.arrivals is None else contents.arrivals.last
        now_ms, series = int(time.time() * 1000), len(contents.series)
        return Entry(name, len(body), dict(+counts), now_ms, series, is_thinned, last_line)

    async def _commit(self, owner: str, found: Snapshot, entry: Entry) -> bool:
        state = found.state
        families = [family for family, blocks in found.blocks.items() if blocks]
        script_keys = [keys.event_meta(owner), keys.event_segments(owner, state.generation)]
        script_keys += [keys.event_stream(owner, state.generation, family) for family in families]
        args: list[Any] = [state.generation, state.seal, state.edits, index.pack(entry)]
        args += [_after(found.blocks[family][-1][0]) for family in families]
        # Sent again after a lost connection it finds another seal, and says no: the next look finds what was done.
        return bool(
            await self._connection.run(lambda _: self._connection.script("seal_events", script_keys, args), owner=owner)
        )

    # ---- segments made anew

    async def merge(self, owner: str, *, least: int = merging.SMALL_SEGMENTS) -> int:
        """Make one of small segments in a row, see `merging`; returns how many there are less."""
        less = 0
        while True:
            state = await index.read_state(self._connection, owner)
            entries = await index.entries(self._connection, owner, state.generation)
            run = merging.run(entries, least)
            if not run:
                return less
            contents = await self._contents(owner, state, {number: entries[number] for number in run})
            if contents is None:
                continue
            is_thinned = any(entries[number].is_thinned for number in run)
            if await self._swap(owner, state, entries, run, contents, is_thinned=is_thinned) is not None:
                less += len(run) - 1

    async def drop_lines(self, owner: str, is_doomed: Callable[[Record], bool]) -> int:
        """Remove console lines from an owner's segments; returns how many. Dying within leaves some of them there."""
        dropped = 0
        done: set[str] = set()
        while True:
            state = await index.read_state(self._connection, owner)
            entries = await index.entries(self._connection, owner, state.generation)
            left = [number for number, entry in entries.items() if entry.counts.get("log") and entry.name not in done]
            if not left:
                return dropped
            number = left[0]
            contents = await self._contents(owner, state, {number: entries[number]})
            if contents is None:
                continue
            done.add(entries[number].name)
            lines, came = contents.records.pop("log"), contents.arrivals
            kept = [place for place, line in enumerate(lines.records()) if not is_doomed(line)]
            if len(kept) == len(lines):
                continue
            contents.arrivals = came.taken(kept) if came is not None and kept else None
            if kept:
                contents.records["log"] = lines.taken(kept)
            swapped = await self._swap(owner, state, entries, [number], contents, is_thinned=entries[number].is_thinned)
            if swapped is None:
                done.discard(entries[number].name)
                continue
            done.add(swapped)
            dropped += len(lines) - len(kept)

    async def _contents(self, owner: str, state: State, entries: Mapping[int, Entry]) -> Contents | None:
        """Everything in some segments, as one; None when they were made anew by somebody else meanwhile."""
        try:
            return await self._read(owner, state.generation, entries)
        except SegmentMissing:
            if await index.read_state(self._connection, owner) == state:
                raise
            return None

    async def _read(self, owner: str, generation: int, entries: Mapping[int, Entry]) -> Contents:
        series: dict[tuple[str, str], tuple[Merge, list[tuple[int, str]]]] = {}
        for place, columns in await self._reader.series(owner, generation, entries, None):
            merge, workers = series.setdefault((place.metric, place.variant), (Merge(), []))
            merge.add_arrays(*columns)
            workers += place.workers
        contents = Contents([_sealed(*name, *one) for name, one in series.items()])
        footers = await self._reader.footers(owner, generation, entries)
        chunks = [
            (entry, place) for entry, footer in zip(entries.values(), footers, strict=True) for place in footer.chunks
        ]
        for (_, chunk), block in zip(chunks, await self._reader.blocks(owner, generation, chunks), strict=True):
            contents.records.setdefault(chunk.family, Packed()).add(block)
        if "log" in contents.records:
            came = [
                await self._reader.arrivals(owner, generation, one) for one in entries.values() if one.counts.get("log")
            ]
            contents.records["log"], contents.arrivals = _by_time(contents.records["log"], arrivals.joined(came))
        return contents

    async def _swap(
        self,
        owner: str,
        state: State,
        entries: Mapping[int, Entry],
        numbers: Sequence[int],
        contents: Contents,
        *,
        is_thinned: bool,
    ) -> str | None:
        """Put these contents in the place of some segments; the new one's name ("" = nothing left), None = lost."""
        is_empty = not contents.series and not any(contents.records.values())
        entry = None if is_empty else await self.write(owner, state.generation, contents, is_thinned=is_thinned)
        new: dict[int, Entry | None] = dict.fromkeys(numbers)
        new[numbers[0]] = entry
        if not await self.replace(owner, state, entries, new):
            return None
        return entry.name if entry else ""

    async def replace(
        self, owner: str, state: State, entries: Mapping[int, Entry], new: Mapping[int, Entry | None]
    ) -> bool:
        """Put written segments in the place of others, all in one step; False when something changed meanwhile.

        Args:
            new: number of the seal -> what is there from now on, None = nothing.
        """
        args: list[Any] = [state.generation, state.seal]
        for number, entry in new.items():
            args += [number, index.pack(entry) if entry else ""]
        script_keys = [keys.event_meta(owner), keys.event_segments(owner, state.generation)]
        swapped = await self._connection.run(
            lambda _: self._connection.script("swap_segments", script_keys, args), owner=owner
        )
        if swapped:
            kept = {entry.name for entry in new.values() if entry}
            old = [entries[number].name for number in new if entries[number].name not in kept]
            await self._replaced.add(owner, state.generation, old)
        return bool(swapped)

    # ---- forgetting

    async def forget(self, owner: str, generation: int, entries: Iterable[Entry]) -> None:
        """Remove the files of a generation that is over; what dies in between is left to the sweep."""
        entries = list(entries)
        if await is_held(self._connection):
            await self._replaced.add(owner, generation, [entry.name for entry in entries])
            return
        for entry in entries:
            await self._files.delete(owner, generation, entry.name)

    async def remove_replaced(self, *, before_ms: int) -> int:
        """Remove the files that were made one with others before a time; returns how many."""
        if await is_held(self._connection):
            return 0
        found = await self._replaced.before(before_ms)
        for member, (owner, generation, name) in found.items():
            named = await index.entries(self._connection, owner, generation)
            if name not in {entry.name for entry in named.values()}:
                await self._files.delete(owner, generation, name)
            await self._replaced.done(member)
        return len(found)

    async def sweep(self, *, now_s: float, orphan_s: float = ORPHAN_S) -> int:
        """Remove the files that no index names; returns how many."""
        if await is_held(self._connection):
            return 0
        await self._files.remove_unfinished(now_s - orphan_s)
        later = set((await self._replaced.all()).values())
        by_owner: dict[tuple[str, int], list[str]] = {}
        for found in await self._files.list():
            if now_s - found.written_at > orphan_s:
                by_owner.setdefault((found.owner, found.generation), []).append(found.name)
        removed = 0
        for (owner, generation), names in by_owner.items():
            named = {entry.name for entry in (await index.entries(self._connection, owner, generation)).values()}
            state = await index.read_state(self._connection, owner)
            for name in names:
                if (owner, generation, name) in later:
                    continue
                if name not in named or state.generation != generation:
                    await self._files.delete(owner, generation, name)
                    removed += 1
        return removed


class Replaced:
    """Files whose contents are in others now, with the time when that happened."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, owner: str, generation: int, names: Sequence[str]) -> None:
        """Note some files."""
        now_ms = int(time.time() * 1000)
        members = {f"{name} {generation} {owner}": now_ms for name in names}
        if members:
            await self._connection.run(lambda client: client.zadd(keys.replaced_segments(), members))

    async def before(self, before_ms: int) -> dict[bytes, tuple[str, int, str]]:
        """Member -> (owner, generation, name) of the oldest, noted before a time."""
        return self._parts(
            await self._connection.run(
                lambda client: client.zrangebyscore(keys.replaced_segments(), "-inf", before_ms, start=0, num=100)
            )
        )

    async def all(self) -> dict[bytes, tuple[str, int, str]]:
        """The same of all that there are."""
        return self._parts(await self._connection.run(lambda client: client.zrange(keys.replaced_segments(), 0, -1)))

    @staticmethod
    def _parts(found: Any) -> dict[bytes, tuple[str, int, str]]:
        parts = {member: member.decode().split(" ", 2) for member in found}
        return {member: (owner, int(generation), name) for member, (name, generation, owner) in parts.items()}

    async def done(self, member: bytes) -> None:
        """The file is gone."""
        await self._connection.run(lambda client: client.zrem(keys.replaced_segments(), member))


def collect(blocks: Mapping[str, Sequence[tuple[bytes, bytes]]]) -> Contents:
    """The contents of blocks from streams. Pure."""
    series: dict[tuple[str, str], tuple[Merge, list[tuple[int, str]]]] = {}
    for _, block in blocks.get("scalar", ()):
        points = unpack_points(block)
        merge, workers = series.setdefault((points.metric, points.variant), (Merge(), []))
        merge.add_block(points)
        workers.append((len(points), points.worker))
    contents = Contents([_sealed(*name, *one) for name, one in series.items()])
    for family in FAMILIES[1:]:
        records, counts = Packed(), []
        for id, block in blocks.get(family, ()):
            before = len(records)
            records.add(block)
            counts.append((index.block_number(id), len(records) - before))
        if not records:
            continue
        if family == "log":
            records, contents.arrivals = _by_time(records, arrivals.of_blocks(counts))
        contents.records[family] = records
    return contents


def _by_time(lines: Packed, came: Arrivals) -> tuple[Packed, Arrivals]:
    ordered, places = lines.by_time()
    return ordered, came if ordered is lines else came.taken(places)


def _sealed(metric: str, variant: str, points: Merge, workers: Iterable[tuple[int, str]]) -> Sealed:
    found = points.written()
    return Sealed(metric, variant, found.steps, found.times_ms, found.values, _together(workers))


def _together(workers: Iterable[tuple[int, str]]) -> list[tuple[int, str]]:
    runs: list[tuple[int, str]] = []
    for count, worker in workers:
        if runs and runs[-1][1] == worker:
            runs[-1] = (runs[-1][0] + count, worker)
        else:
            runs.append((count, worker))
    return runs


def _after(id: bytes) -> str:
    """The least id of a stream that is above this one."""
    at, _, number = id.partition(b"-")
    return f"{at.decode()}-{int(number) + 1}"
