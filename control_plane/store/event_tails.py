"""Following a console wherever its lines lie: those that came after a position, in the order they came."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from dataclasses import replace
from itertools import accumulate

from control_plane.store.blocks import Record
from control_plane.store.connection import Connection
from control_plane.store.console_tail import Position, Tail, lines_of, take
from control_plane.store.event_reads import EventReads, with_family
from control_plane.store.segments import index
from control_plane.store.segments.index import Entry

BLOCKS_A_TAIL = 1000
"""So many blocks are read at a time,"""
BYTES_A_TAIL = 4 * 1024 * 1024
"""and no more when they have so many bytes;"""
LINES_A_TAIL = 1000
"""so many lines are given."""


class EventTails(EventReads):
    """The following half of `EventReads`."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._tails: dict[tuple[str, Position], tuple[int, asyncio.Future[Tail]]] = {}
        self._tail_reads = 0

    async def console_tail(self, owner: str, after: Position | None, *, first: int = 0) -> Tail:
        """The lines that came after a position, some at a time, in the order they came.

        Args:
            after: None: begin with the newest `first` lines by time. So does who gives a position of before a reset,
                or of before lines were removed.

        Many who follow one console and are equally far share one read.
        """
        if after is None:
            return await self._again_when_swapped(lambda: self._tail(owner, None, first))
        key, asked = (owner, after), self._tail_reads
        while True:
            shared = self._tails.get(key)
            if shared is None:
                tail = await self._shared_tail(owner, after)
                break
            number, reading = shared
            await asyncio.wait([reading])
            if reading.cancelled():
                continue  # who read is gone
            tail = reading.result()
            # What began before this call may have missed a line that the caller knows to be there.
            if number > asked or tail.position != after:
                break
        return await self.console_tail(owner, None, first=first) if tail.is_new else tail

    async def _shared_tail(self, owner: str, after: Position) -> Tail:
        key, reading = (owner, after), asyncio.get_running_loop().create_future()
        self._tail_reads += 1
        self._tails[key] = self._tail_reads, reading
        try:
            tail = await self._again_when_swapped(lambda: self._tail(owner, after, 0))
            reading.set_result(tail)
            return tail
        finally:
            del self._tails[key]
            reading.cancel()

    async def _tail(self, owner: str, after: Position | None, first: int) -> Tail:
        if after is None:
            snapshot = await index.snapshot(self._connection, owner, ("log",))
        else:
            limits = {"most": BLOCKS_A_TAIL, "most_bytes": BYTES_A_TAIL}
            snapshot = await index.snapshot(self._connection, owner, ("log",), **limits, first=after.first)
        state, blocks = snapshot.state, snapshot.blocks["log"]
        entries = with_family(snapshot, "log").values()
        if after is None or not after.is_of(state):
            lines = (await self._window(snapshot, owner, None, True, first)).lines if first else []
            ids = [index.block_number(id) for id, _ in blocks] or [entry.last_line for entry in entries]
            position = Position(state.generation, state.edits)
            return Tail(lines, position.after(max(ids)) if ids else position, True, is_new=True)
        for entry in entries:
            if entry.last_line >= after.block:  # sealed since: segments follow one another
                return await self._sealed_tail(owner, entry, after)
        live = ((index.block_number(id), lines_of(block)) for id, block in blocks)
        tail = take(after, live, LINES_A_TAIL)
        return replace(tail, is_end=tail.is_end and not snapshot.is_cut)

    async def _sealed_tail(self, owner: str, entry: Entry, after: Position) -> Tail:
        """Those of a segment; what follows it is left to the next read."""
        reader = await self._reader()
        came = await reader.arrivals(owner, after.generation, entry)
        # One more than is given: it tells whether the last block is over.
        places = came.following(*after.block)[: after.seen + LINES_A_TAIL + 1].tolist()
        footer = await reader.footer(owner, after.generation, entry)
        chunks = [place for place in footer.chunks if place.family == "log"]
        begins = list(accumulate((place.count for place in chunks), initial=0))
        used = sorted({bisect_right(begins, place) - 1 for place in places})
        read = await reader.records(owner, after.generation, [(entry, chunks[number]) for number in used])
        lines = {
            begins[number] + i: line for number, some in zip(used, read, strict=True) for i, line in enumerate(some)
        }
        blocks: dict[tuple[int, int], list[Record]] = {}
        for place in places:
            blocks.setdefault((int(came.ms[place]), int(came.numbers[place])), []).append(lines[place])
        return replace(take(after, blocks.items(), LINES_A_TAIL), is_end=False)
