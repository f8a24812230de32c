"""Reading what may be swapped for something else meanwhile: what all reads of events share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from control_plane.store.connection import Connection
from control_plane.store.errors import StoreError
from control_plane.store.numeric import load_numpy
from control_plane.store.segments.files import SegmentFiles, SegmentMissing
from control_plane.store.segments.index import Entry, Snapshot

if TYPE_CHECKING:
    from control_plane.store.segments.reader import SegmentReader

T = TypeVar("T")

TRIES = 5


class NoSegments(StoreError):
    """Events were sealed to a place that this server was not told of."""


class SnapshotReads:
    """A connection, and the place of the segments once it is known."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._files: SegmentFiles | None = None
        self._segments: SegmentReader | None = None

    async def _reader(self) -> SegmentReader:
        if self._files is None:
            raise NoSegments("these events were sealed: start the server with the place of its segments (--segments)")
        if self._segments is None:
            await load_numpy()
            from control_plane.store.segments.reader import SegmentReader

            self._segments = SegmentReader(self._files)
        return self._segments

    async def _again_when_swapped(self, read: Callable[[], Awaitable[T]]) -> T:
        """Read again when a segment was made one with others, or forgotten, between index and file."""
        for _ in range(TRIES - 1):
            try:
                return await read()
            except SegmentMissing:
                await asyncio.sleep(0)
        return await read()


def with_family(snapshot: Snapshot, family: str) -> dict[int, Entry]:
    """The segments with events of a family, oldest first."""
    return {number: entry for number, entry in snapshot.segments.items() if entry.counts.get(family)}
