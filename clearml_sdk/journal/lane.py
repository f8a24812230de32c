"""A lane: the segments that one process appends to and one thread (or a later process) delivers from."""

from __future__ import annotations

import itertools
import os
import threading
from collections import deque
from struct import error as StructError

from clearml_sdk.journal import framing
from clearml_sdk.journal.framing import FILLED, MARK_AT, SLOT_BYTES, VOID, pack_mark, pack_slot
from clearml_sdk.journal.points import Block
from clearml_sdk.journal.segment import HEADER_BYTES, Segment
from clearml_sdk.notices import warn_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_SEGMENT_BYTES = 1 << 18
SEGMENT_BYTES = 1 << 22
DEFAULT_MAX_BYTES = 256 << 20
MAX_STRIDE = 1024
WAKE_BYTES = 1 << 18
READY_BYTES, MOST_READY_BYTES = 1 << 16, 1 << 20
STEP_BYTES = 1 << 15
"""Pages are made ready in steps that take no longer than a tenth of a millisecond: the interpreter stands meanwhile."""
NEVER = 1 << 62
FEWEST_SLOTS, MOST_SLOTS = 16, 1024


class Lane:
    """Appends records to memory-mapped segments; a record is safe from the death of the process when the call returns.

    Args:
        folder: where the segment files go; None keeps them in memory (no folder could be made).
        name: what their names start with.
        max_bytes: the segments together never take more.
        wake: called (from the appending thread) when enough was appended for the sender to come early.
        keeps: nobody delivers: full segments are unmapped, and stay.

    Any thread may append; one at a time delivers. Appending never waits for anything but another appending thread, and
    when there is no room it counts what it drops in `dropped` (scalars are thinned long before: see `_set_stride`).
    """

    def __init__(
        self,
        folder: str | None,
        name: str,
        *,
        max_bytes: int = DEFAULT_MAX_BYTES,
        segment_bytes: int = SEGMENT_BYTES,
        wake: Callable[[], object] = lambda: None,
        keeps: bool = False,
    ) -> None:
        self._keeps = keeps
        self.folder, self.name, self.max_bytes, self.segment_bytes = folder, name, max_bytes, segment_bytes
        self.dropped = 0
        """Reports that found no room, thinned ones among them."""
        self.segments: deque[Segment] = deque()
        self._wake = wake
        self._wake_at = WAKE_BYTES
        # Re-entrant, so that a signal handler that reports does not wait for the append it interrupted.
        self._lock = threading.RLock()
        self._is_busy = False
        self._deferred: deque[Callable[[], object]] = deque()
        self._stride = 1
        self._skipped: dict[tuple[str, str], int] = {}
        self._numbers = itertools.count(1)
        self._spare: Segment | None = None
        self._prepared = 0, 0
        """(segment number, end) when `prepare` was last called."""
        self._segment = self._create(min(FIRST_SEGMENT_BYTES, segment_bytes))
        self.segments.append(self._segment)
        self._slots = FEWEST_SLOTS
        self._block = Block(self._segment.map, HEADER_BYTES, 0, {})

    def append_scalar(self, title: str, series: str, iteration: int, at_ms: int, value: float) -> None:
        """Append one point. Raises struct.error when a number is out of range (then nothing was appended)."""
        # The fast path of the SDK: no lock, and few calls, which are what costs when the caches are cold.
        block = self._block
        try:
            series_id = block.ids[title, series]
            slot = block.take()
        except (KeyError, StopIteration):
            self._append_scalar_slowly(title, series, iteration, at_ms, value)
            return
        try:
            pack_slot(block.map, slot, iteration, at_ms, value, series_id, FILLED)
        except StructError:
            if not block.map.closed:
                pack_mark(block.map, slot + MARK_AT, VOID)
            raise
        except (TypeError, ValueError):  # it was unmapped meanwhile: `pack_into` calls that a type
            self._append_scalar_slowly(title, series, iteration, at_ms, value)

    def append(self, record: bytes) -> bool:
        """Append one framed record; False when there is no room for it."""
        with self._lock:
            if self._is_busy:
                self._deferred.append(lambda: self.append(record))
                return True
            self._is_busy = True
            try:
                is_stored = self._store(record)
            finally:
                self._is_busy = False
        self._after_append()
        return is_stored

    def prepare(self, pause: Callable[[], object] = lambda: None) -> None:
        """Make room ahead of its need, so that no appending thread waits for the file system.

        That is: the pages of twice what came since the last call, and the next segment once this one is half full.
        `pause` is called between two steps. For the delivering thread.
        """
        self._settle()
        segment = self._segment
        number, end = self._prepared
        came = segment.end - (end if number == segment.number else 0)
        self._prepared = segment.number, segment.end
        wanted = segment.end + min(max(READY_BYTES, 2 * came), MOST_READY_BYTES)
        while segment.ready < min(wanted, segment.limit):
            if not segment.make_ready(max(segment.ready, segment.end) + STEP_BYTES):
                break
            pause()
        if self._spare is None and 2 * segment.end > segment.limit:
            self._make_spare()
        spare = self._spare
        if spare is not None and wanted > segment.limit:
            spare.make_ready(STEP_BYTES)

    def _make_spare(self) -> None:
        if self._total_bytes() + self.segment_bytes <= self.max_bytes:
            try:
                self._spare = self._create(self.segment_bytes)
            except OSError:
                return  # whoever needs it will say what is wrong

    def first(self) -> Segment | None:
        """The oldest segment with something to deliver; those before it are removed. For the delivering thread.

        Also makes appending fast again: the next call of `wake` comes when enough has piled up anew.
        """
        while True:
            self._settle()
            segment = self.segments[0]
            was_sealed = segment.is_sealed  # read before `end`: a sealed segment's end does not move
            if segment.acked < segment.end:
                return segment if self._is_awake(segment) else None
            if not was_sealed:
                self._wake_at = segment.end + WAKE_BYTES
                return None
            self.segments.popleft()
            segment.remove()
            self._set_stride()

    def _is_awake(self, segment: Segment) -> bool:
        if segment.is_resting:
            try:
                with self._lock:
                    segment.wake()
            except OSError as error:
                warn_once("journal-map", f"reports wait in the journal: {error}")
                return False
        return True

    def position(self) -> tuple[int, int]:
        """(segment number, offset) behind the last record that was appended."""
        self._settle()
        segment = self._segment
        return segment.number, segment.end

    def delivered_position(self) -> tuple[int, int]:
        """(segment number, offset) up to which everything is delivered."""
        for segment in list(self.segments):
            if segment.acked < segment.end or not segment.is_sealed:
                return segment.number, segment.acked
        return self.position()

    def close(self, *, remove: bool) -> None:
        """Unmap the segments, and delete their files if `remove`. Nothing may be appended afterwards."""
        with self._lock:
            self._close_block()
            for segment in self.segments:
                segment.remove() if remove else segment.close()
            if self._spare is not None:
                self._spare.remove()

    def _after_append(self) -> None:
        while self._deferred:
            try:
                again = self._deferred.popleft()
            except IndexError:
                break  # another thread took it
            again()
        if self._segment.end > self._wake_at:
            self._wake_at = NEVER
            self._wake()

    def _append_scalar_slowly(self, title: str, series: str, iteration: int, at_ms: int, value: float) -> None:
        framing.point(0, iteration, at_ms, value)  # raises before anything is stored
        with self._lock:
            if self._is_busy:  # in a signal handler, on top of an append of this same thread
                self._deferred.append(lambda: self.append_scalar(title, series, iteration, at_ms, value))
                return
            self._is_busy = True
            try:
                key = title, series
                if self._is_thinned(key):
                    self._drop()
                    return
                while (slot := self._slot_of_known(key)) is None:
                    if not self._open_block(key):
                        self._drop()
                        return
                segment = self._segment
                pack_slot(segment.map, slot, iteration, at_ms, value, segment.series[key], FILLED)
            finally:
                self._is_busy = False
        self._after_append()

    def _is_thinned(self, key: tuple[str, str]) -> bool:
        if self._stride == 1:
            return False
        self._skipped[key] = (self._skipped.get(key, self._stride - 1) + 1) % self._stride
        return self._skipped[key] != 0

    def _slot_of_known(self, key: tuple[str, str]) -> int | None:
        return next(self._block.free, None) if key in self._segment.series else None

    def _open_block(self, key: tuple[str, str]) -> bool:
        """A new block, behind the names of the series where they are new; False when there is no room."""
        self._close_block()
        names = framing.series(len(self._segment.series), *key)
        needed = len(names) + framing.PREFIX_BYTES + 2 * SLOT_BYTES
        if self._segment.end + needed > self._segment.limit and not self._roll(needed):
            return False
        segment = self._segment
        if key not in segment.series:
            series_id = len(segment.series)
            self._store(framing.series(series_id, *key))
            segment.series[key] = series_id
        slots = min(self._slots, (segment.limit - framing.slots_at(segment.end)) // SLOT_BYTES)
        self._block = Block(segment.map, segment.end, slots, segment.series if self._stride == 1 else {})
        return True

    def _close_block(self) -> None:
        """Let a record come behind the points; who has a slot may still fill it. Harmless when cut short, and again."""
        block = self._block
        if block.is_open:
            end = block.close()
            self._slots = min(max(2 * block.slots, FEWEST_SLOTS), MOST_SLOTS)
            self._segment.end = end
            block.is_open = False

    def _settle(self) -> None:
        """Have what was taken of the open block count as appended."""
        with self._lock:
            if self._block.is_open and not self._is_busy:
                self._segment.end = self._block.taken_end()

    def _store(self, record: bytes) -> bool:
        """Put a record at the end, in a new segment when this one is full."""
        self._close_block()
        if self._segment.end + len(record) > self._segment.limit and not self._roll(len(record)):
            self._drop()
            return False
        segment = self._segment
        start = segment.end
        end = start + len(record)
        segment.map[start:end] = record
        segment.end = end
        return True

    def _roll(self, size_bytes: int) -> bool:
        """Go on to a new segment with room for a record of this size; False when there is no room for it."""
        size = max(self.segment_bytes, -(-(HEADER_BYTES + size_bytes) // 4096) * 4096)
        if self._total_bytes() + size > self.max_bytes:
            return False
        old = self._segment
        new, self._spare = self._spare, None
        if new is not None and (new.number < old.number or new.limit < size):
            new.remove()  # made for a place that an over-long record has taken
            new = None
        try:
            new = new or self._create(size)
        except OSError as error:
            warn_once("journal", f"no room for reports ({error}): they are dropped until there is")
            return False
        self._segment = new
        self.segments.append(new)
        old.is_sealed = True
        if self._keeps:
            self.segments.popleft().close()
        elif self.segments[0] is not old:  # that one is being delivered, and stays mapped
            old.rest()
        self._set_stride()
        self._wake_at = 0
        return True

    def _create(self, size_bytes: int) -> Segment:
        number = next(self._numbers)
        path = None if self.folder is None else os.path.join(self.folder, f"{self.name}-{number:08d}.seg")
        return Segment.create(number, path, size_bytes)

    def _total_bytes(self) -> int:
        return sum(segment.limit for segment in list(self.segments))

    def _set_stride(self) -> None:
        """Thin scalars by how full the journal is: all up to a half, then 1 in 2, 4, 8 ... of each series.

        So a server that is away for days costs resolution, never the whole of what comes last.
        """
        free = 1 - self._total_bytes() / self.max_bytes
        stride = 1
        while free * stride < 0.5 and stride < MAX_STRIDE:
            stride *= 2
        if stride == self._stride:
            return
        if stride > self._stride:
            warn_once(
                "journal-thinned",
                f"the server takes no reports and the journal of {self.max_bytes >> 20} MB fills up: "
                "scalars are thinned until it does",
            )
        self._stride = stride
        self._skipped.clear()
        self._block.ids = self._segment.series if stride == 1 else {}

    def _drop(self) -> None:
        self.dropped += 1
        self._segment.count_dropped(1)
