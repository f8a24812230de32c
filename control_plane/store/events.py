"""Event streams: what tasks and models report, as packed blocks under the owner's own tag.

    appended = await store.events.append(owner, kind, part)     # one script; a repeated part changes nothing
    points = await store.events.scalars(owner)                  # {(metric, variant): Series}
    records = await store.events.records(owner, "plot")
    lines = await store.events.console(owner)
    sequence = await store.events.reset(owner)                  # then set `_events_seq` to it with last_metrics = {}

The owner's document shows a projection of the statistics (`last_metrics`) and carries the sequence number it is of
(`_events_seq`): a projection is only ever replaced by a later one, whoever writes it and whatever dies in between.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from control_plane.store import event_parts, keys, series
from control_plane.store.blocks import FAMILIES, Family, Points, Record, columns, pack_records, unpack_records
from control_plane.store.connection import Connection
from control_plane.store.errors import StoreError
from control_plane.store.event_parts import Part as Part
from control_plane.store.event_parts import Prepared
from control_plane.store.event_parts import Run as Run
from control_plane.store.event_tails import EventTails
from control_plane.store.numeric import load_numpy
from control_plane.store.segments import index
from control_plane.store.segments.due import Due
from control_plane.store.segments.files import SegmentFiles, SegmentsUnavailable
from control_plane.store.series import Statistics
from control_plane.store.squeezing import plain_size, squeeze
from control_plane.store.transaction import Transaction
from control_plane.store.turns import Turns

if TYPE_CHECKING:
    from control_plane.store.segments.sealer import Sealer
    from control_plane.store.segments.thinner import Thinner

log = logging.getLogger(__name__)

SEQUENCE = "_events_seq"
"""Field of the owner's document: the sequence number that its `last_metrics` is of."""

ENTRIES_A_READ = 200
CACHED_OWNERS = 512
LONG_RUN = 64
"""From so many points on arrays are faster than one after the other."""
LONG_CONSOLE = 64 * 1024
"""From so many characters on packing them is left to a thread: they are compressed."""
RACES = 50


class EarlierGeneration(StoreError):
    """The events of this owner were reset after the part was accepted: it belongs to the run before."""

    def __init__(self, owner: str) -> None:
        super().__init__(f"the events of {owner} were reset meanwhile")


@dataclass(frozen=True)
class Appended:
    """What became of a part: `repeated` is the answer given the first time, None when this was the first time."""

    sequence: int
    changed: Sequence[Statistics]
    repeated: bytes | None = None
    is_shown: bool = False
    """Whether the owner's document was brought up to date in the same step."""


Along = Callable[[Appended], Transaction]
"""What a part does to its owner's document."""


@dataclass
class _State:
    """What this process believes of an owner; the script refuses to append on a wrong belief."""

    generation: int
    sequence: int
    statistics: dict[tuple[str, str], Statistics]
    document: tuple[str, dict[str, Any]] | None = None
    """(kind, what a caller last saw of the owner's document)."""


class Events(EventTails):
    """Appending, reading and forgetting. One a store."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._sealer: Sealer | None = None
        self.due: Due | None = None
        self._states: OrderedDict[str, _State] = OrderedDict()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        # Another node may lack what these beliefs are of.
        connection.on_moved(self._states.clear)

    def seal_to(self, files: SegmentFiles) -> None:
        """Let events be sealed into a place, and read what is sealed there."""
        self._files = files
        self.due = Due(self._connection)

    async def sealer(self) -> Sealer | None:
        """Seals, sweeps and forgets; None where events are not sealed."""
        if self._files is not None and self._sealer is None:
            reader = await self._reader()
            from control_plane.store.segments.sealer import Sealer

            self._sealer = Sealer(self._connection, self._files, reader)
        return self._sealer

    async def thinner(self) -> Thinner:
        """Thins what is sealed. Only where events are sealed."""
        sealer, reader = await self.sealer(), await self._reader()
        assert sealer is not None
        from control_plane.store.segments.thinner import Thinner

        return Thinner(self._connection, sealer, reader)

    @property
    def are_beside_documents(self) -> bool:
        """Whether one node has the events and the documents, so that both can be written in one step."""
        return self._connection.topology.kind != "cluster"

    def believed(self, kind: str, owner: str) -> dict[str, Any] | None:
        """What a caller last saw or wrote of the owner's document; it may have changed since."""
        state = self._states.get(owner)
        return state.document[1] if state and state.document and state.document[0] == kind else None

    def believe(self, kind: str, owner: str, document: dict[str, Any] | None) -> None:
        """Note what was seen or written of the owner's document."""
        if (state := self._states.get(owner)) is not None:
            state.document = None if document is None else (kind, document)

    async def append(self, owner: str, part: Part, along: Along | None = None) -> Appended:
        """Store a part with its statistics, in one script.

        Args:
            along: makes a transaction of what will have been appended, done in the same step or not at all; only where
                events are beside documents. It is not done for a part that was stored before.

        Raises EarlierGeneration for a part of before a reset, GuardFailed for a condition of `along`,
        StoreUnavailable, and StoreError if other servers changed the same owner faster than this one could follow.
        """
        # Beside other calls where it takes long.
        is_long = event_parts.text_size(part) >= LONG_CONSOLE
        blocks = await asyncio.to_thread(event_parts.blocks, part) if is_long else event_parts.blocks(part)
        lock = self._locks.get(owner)
        if lock is None:
            lock = self._locks[owner] = asyncio.Lock()
        async with lock:
            return await self._append(owner, part, blocks, along)

    async def _append(
        self, owner: str, part: Part, blocks: Sequence[tuple[Family, bytes]], along: Along | None
    ) -> Appended:
        if self.due is not None:
            size = sum(plain_size(block) for _, block in blocks)
            await self.due.will_write(owner, len(blocks), size, now_ms=part.now_ms)
        for _ in range(RACES):
            state = self._states.get(owner) or await self._load(owner)
            if part.generation is not None and part.generation < state.generation:
                raise EarlierGeneration(owner)
            changed = await self._statistics_after(owner, state, [*part.packed, *part.runs.values()])
            one = Prepared(owner, part, state.generation, state.sequence, blocks, changed)
            if along is None:
                became, sequence, answer = await event_parts.write(self._connection, one)
            else:
                transaction = along(Appended(state.sequence + bool(changed), changed))
                became, sequence, answer = await event_parts.write_with(self._connection, one, transaction)
            if became == event_parts.REPEATED:
                return Appended(sequence, (), answer)
            if became == event_parts.DONE:
                state.sequence = sequence
                state.statistics.update({(one.metric, one.variant): one for one in changed})
                self._remember(owner, state)
                return Appended(sequence, changed, is_shown=along is not None)
            self._states.pop(owner, None)
        raise StoreError(f"the events of {owner} changed faster than they could be followed")

    async def _statistics_after(self, owner: str, state: _State, runs: Sequence[Run | Points]) -> list[Statistics]:
        """The statistics of every series that the runs touch, as they will be."""
        if any(len(run) >= LONG_RUN for run in runs):
            await load_numpy()
        drafts: dict[tuple[str, str], Statistics] = {}
        late: set[tuple[str, str]] = set()
        ordinal = len(state.statistics)
        for run in runs:
            name = (run.metric, run.variant)
            one = drafts.get(name)
            if one is None:
                known = state.statistics.get(name)
                if known is None:
                    one = Statistics(run.metric, run.variant, ordinal)
                    ordinal += 1
                else:
                    one = copy(known)  # the write may be refused
                drafts[name] = one
            one.x_axis_label = run.x_axis_label or one.x_axis_label
            if not _add(one, run):
                late.add(name)
        if late:
            again = [run for run in runs if (run.metric, run.variant) in late]
            drafts |= await self._corrected(owner, again, drafts)
        return list(drafts.values())

    async def _corrected(
        self, owner: str, runs: Sequence[Run | Points], drafts: Mapping[tuple[str, str], Statistics]
    ) -> dict[tuple[str, str], Statistics]:
        """Statistics made again from all points, for series with points that may replace older ones."""
        wanted = {(run.metric, run.variant) for run in runs}
        points = await self.points(owner, wanted)
        from control_plane.store.added import add
        from control_plane.store.points import Merge  # loaded by now

        for run in runs:
            known = points.setdefault((run.metric, run.variant), Merge())
            if isinstance(run, Points):
                known.add_block(run)
            else:
                known.add(run.steps, run.times_ms, run.values)
        result = {}
        for name in wanted:
            draft, found = drafts[name], points[name].arrays()
            result[name] = one = Statistics(*name, draft.ordinal, x_axis_label=draft.x_axis_label)
            add(one, found.steps, found.times_ms, found.values)
        return result

    # ---- reading

    async def statistics(self, owner: str) -> tuple[int, list[Statistics]]:
        """(sequence number, the statistics of every series by first appearance), as they are at one moment."""
        state = await self._load(owner)
        return state.sequence, sorted(state.statistics.values(), key=lambda one: one.ordinal)

    async def drop_lines(self, owner: str, is_doomed: Callable[[Record], bool]) -> int:
        """Remove lines of the console; returns how many. Dying within leaves some of them there."""
        dropped, generation = 0, await self.generation(owner)
        meta, stream = keys.event_meta(owner), keys.event_stream(owner, generation, "log")
        async for id, block in self._entries(owner, generation, "log"):
            lines = unpack_records(block)
            kept = [line for line in lines if not is_doomed(line)]
            if len(kept) < len(lines):
                left = squeeze(pack_records(kept)) if kept else b""
                removed = await self._connection.run(
                    lambda _, id=id, left=left: self._connection.script(  # type: ignore[misc]
                        "replace_block", [meta, stream], [id, left]
                    ),
                    owner=owner,
                )
                dropped += (len(lines) - len(kept)) * int(removed)
        # Afterwards: what is sealed meanwhile is found there.
        sealer = await self.sealer()
        sealed = 0 if sealer is None else await sealer.drop_lines(owner, is_doomed)
        if sealed:  # who follows the console begins anew
            await self._connection.run(lambda client: client.hincrby(meta, "edits", 1), owner=owner)
        return dropped + sealed

    async def generation(self, owner: str) -> int:
        """Counts the owner's resets, from 0."""
        found: Any = await self._connection.run(lambda client: client.hget(keys.event_meta(owner), "gen"), owner=owner)
        return int(found or 0)

    # ---- ending

    async def reset(self, owner: str) -> int:
        """Forget every event: one write, after which what belongs to the old generation is refused and swept.

        Returns the new sequence number. Dying after it leaves an owner without events whose document still shows old
        statistics; resetting again repairs that.
        """
        self._states.pop(owner, None)
        found = await self._connection.run(
            lambda _: self._connection.script(
                "reset_events",
                [keys.event_meta(owner), keys.event_parts(owner), keys.event_part_results(owner)],
                [],
            ),
            owner=owner,
        )
        await self._sweep(owner, int(found[0]))
        return int(found[1])

    async def delete(self, owner: str) -> None:
        """Forget every event and the owner itself; for owners whose document is gone."""
        generation = await self.generation(owner)
        await self._sweep(owner, generation)
        self._states.pop(owner, None)
        names = [keys.event_meta(owner), keys.event_parts(owner), keys.event_part_results(owner)]
        await self._connection.run(lambda client: client.unlink(*names), owner=owner)

    async def _sweep(self, owner: str, generation: int) -> None:
        sealed = await index.entries(self._connection, owner, generation)
        names = [keys.event_series(owner, generation), keys.event_segments(owner, generation)]
        names += [keys.event_stream(owner, generation, family) for family in FAMILIES]
        await self._connection.run(lambda client: client.unlink(*names), owner=owner)
        if sealed and (sealer := await self.sealer()) is not None:
            try:
                await sealer.forget(owner, generation, sealed.values())
            except SegmentsUnavailable as error:
                log.warning("files of a task's segments are left to the next sweep: %s", error)

    # ---- below

    async def _load(self, owner: str) -> _State:
        """The owner's state from Redis, remembered."""
        for _ in range(RACES):
            found: Any = await self._connection.run(
                lambda client: client.hmget(keys.event_meta(owner), ["gen", "seq"]), owner=owner
            )
            generation, sequence = (int(value or 0) for value in found)
            raw: Any = await self._connection.run(
                lambda client, generation=generation: client.hgetall(keys.event_series(owner, generation)),  # type: ignore[misc]
                owner=owner,
            )
            again: Any = await self._connection.run(
                lambda client: client.hmget(keys.event_meta(owner), ["gen", "seq"]), owner=owner
            )
            if again == found:
                statistics = [series.unpack(value) for value in raw.values()]
                before = self._states.get(owner)
                document = before.document if before else None
                state = _State(generation, sequence, {(one.metric, one.variant): one for one in statistics}, document)
                self._remember(owner, state)
                return state
        raise StoreError(f"the events of {owner} changed faster than they could be read")

    def _remember(self, owner: str, state: _State) -> None:
        self._states[owner] = state
        self._states.move_to_end(owner)
        while len(self._states) > CACHED_OWNERS:
            self._states.popitem(last=False)

    async def _entries(self, owner: str, generation: int, family: Family) -> AsyncIterator[tuple[bytes, bytes]]:
        """(id, block) of a stream in the order they came, a few hundred a round trip; others get their turns."""
        stream, after = keys.event_stream(owner, generation, family), b"-"
        while True:
            page: Any = await self._connection.run(
                lambda client, after=after: client.xrange(stream, after, "+", count=ENTRIES_A_READ),  # type: ignore[misc]
                owner=owner,
            )
            turns = Turns()
            for id, fields in page:
                yield id, fields[b"b"]
                await turns.rest()
            if len(page) < ENTRIES_A_READ:
                return
            after = b"(" + page[-1][0]


def _add(statistics: Statistics, run: Run | Points) -> bool:
    """Add the points in order; False (with the statistics half done) when one may replace an older one."""
    if len(run) >= LONG_RUN:
        from control_plane.store.added import add
        from control_plane.store.points import Merge  # loaded by now

        merge = Merge()
        if isinstance(run, Points):
            merge.add_block(run)
        else:
            merge.add(run.steps, run.times_ms, run.values)
        written = merge.written()
        return add(statistics, written.steps, written.times_ms, written.values)
    steps, times_ms, values = columns(run) if isinstance(run, Points) else (run.steps, run.times_ms, run.values)
    for step, value, at_ms in zip(steps, values, times_ms, strict=True):
        if not statistics.can_add(step):
            return False
        statistics.add(step, value, at_ms)
    return True
