"""Points in a segment: a block of slots that any thread fills without a lock, and that is read as columns."""

from __future__ import annotations

import sys
import time
from array import array
from operator import length_hint

from clearml_sdk.journal.framing import (
    FILLED,
    MARK_AT,
    PREFIX_BYTES,
    SLOT_BYTES,
    VOID,
    block_prefix,
    pack_mark,
    slots_at,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from mmap import mmap

LOOK_S = 0.001
_FILLED = FILLED << 32
_ONE_SERIES = (1 << 32) - 1


class Block:
    """Slots of a mapped segment, handed out one by one.

    free, take: an iterator of the offsets of the free slots, and its `__next__`: one call into C under the GIL, so that
    no two threads, and no signal handler on top of a thread, ever get the same. ids: the series whose points come
    without asking further.
    """

    __slots__ = ("_first", "end", "free", "head", "ids", "is_open", "map", "take")

    def __init__(self, mapped: mmap, head: int, slots: int, ids: Mapping[tuple[str, str], int]) -> None:
        self.map, self.head, self.ids = mapped, head, ids
        self._first = slots_at(head)
        self.end = self._first + slots * SLOT_BYTES
        self.free = iter(range(self._first, self.end, SLOT_BYTES))
        self.take = self.free.__next__
        self.is_open = slots > 0
        if slots:
            self._write_prefix(self.end)

    @property
    def slots(self) -> int:
        """Their number, those that were taken once it is closed."""
        return (self.end - self._first) // SLOT_BYTES

    def taken_end(self) -> int:
        """The offset behind the last slot that was taken; that of the block itself when none was."""
        end = self.end - length_hint(self.free) * SLOT_BYTES
        return end if end > self._first else self.head

    def close(self) -> int:
        """Hand out no more, and end the block behind the last slot that was taken; where that is."""
        free = list(self.free)  # at once: nobody takes one meanwhile
        if not free:
            return self.end
        if free[0] == self._first:
            return self.head
        self._write_prefix(free[0])
        self.end = free[0]
        return self.end

    def _write_prefix(self, end: int) -> None:
        self.map[self.head : self.head + PREFIX_BYTES] = block_prefix(self.head, end)


class Slots:
    """What is read from some slots: columns of the same length, of those that hold a point."""

    __slots__ = ("ids", "steps", "times_ms", "values")

    def __init__(self, words: array[int]) -> None:
        marks = words[3::4]
        values = array("d")
        values.frombytes(words[2::4].tobytes())
        self.steps, self.times_ms, self.values = words[0::4], words[1::4], values
        first = marks[0] if marks else _FILLED
        self.ids: array[int] | int = first & _ONE_SERIES
        """The series of each point; one number where it is the same for all."""
        if marks.count(first) == len(marks) and first & _FILLED:
            return
        chosen = [number for number, mark in enumerate(marks) if mark & _FILLED]
        self.ids = array("q", [marks[number] & _ONE_SERIES for number in chosen])
        if len(chosen) < len(marks):
            self.steps = array("q", [self.steps[number] for number in chosen])
            self.times_ms = array("q", [self.times_ms[number] for number in chosen])
            self.values = array("d", [values[number] for number in chosen])

    def __len__(self) -> int:
        return len(self.steps)


def read(data: bytes | mmap, start: int, end: int, *, patience_s: float = 0.0) -> Slots:
    """The points in the slots between two offsets.

    A slot that was taken and never filled (its thread was killed, or an exception came between) holds none. While
    others may still fill it, it is waited for, `patience_s` at most, and then left out for good.
    """
    words = _words(data, start, end)
    if patience_s and any(mark < _FILLED for mark in words[3::4]):
        deadline = time.monotonic() + patience_s
        while any(mark < _FILLED for mark in words[3::4]):
            if time.monotonic() > deadline:
                for number, mark in enumerate(words[3::4]):
                    if mark < _FILLED:
                        pack_mark(data, start + number * SLOT_BYTES + MARK_AT, VOID)
            time.sleep(LOOK_S)
            words = _words(data, start, end)
    return Slots(words)


def _words(data: bytes | mmap, start: int, end: int) -> array[int]:
    words = array("q")
    words.frombytes(data[start:end])
    if sys.byteorder == "big":
        words.byteswap()
    return words
