"""Which segments become one: few files of a useful size, each byte written again two or three times at most. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from control_plane.store.segments.index import Entry

SMALL_BYTES = 1024 * 1024
SMALL_SEGMENTS = 8
"""So many small segments in a row are made one."""
WHOLE_BYTES = 6 * SMALL_BYTES
"""A segment of this weight stays as it is; lighter ones in a row are made one when they reach it together."""
MOST_BYTES = 10 * SMALL_BYTES
"""More is not made one at a time: it bounds what that holds in memory."""
TEXT_WEIGHT = 20
"""A byte of compressed texts weighs as much as so many of numbers: that much more it takes to hold what is in it."""


def run(entries: Mapping[int, Entry], least: int = SMALL_SEGMENTS) -> list[int]:
    """The numbers of segments in a row that should be made one, or nothing.

    Args:
        entries: number of the seal -> segment, oldest first.
        least: so many small ones in a row are enough.
    """
    return _run(entries, SMALL_BYTES, lambda some, _: len(some) >= least) or _run(
        entries, WHOLE_BYTES, lambda some, size: len(some) > 1 and size >= WHOLE_BYTES
    )


def _run(entries: Mapping[int, Entry], limit: int, is_enough: Callable[[list[int], int], bool]) -> list[int]:
    some: list[int] = []
    size = 0
    for number, entry in entries.items():
        weight = _weight(entry)
        is_other = weight > limit or (bool(some) and entry.is_thinned != entries[some[-1]].is_thinned)
        if is_other or size + weight > MOST_BYTES:
            if is_enough(some, size):
                return some
            some, size = [], 0
        if weight <= limit:
            some.append(number)
            size += weight
    return some if is_enough(some, size) else []


def _weight(entry: Entry) -> int:
    """Bytes; those of texts count more."""
    return entry.size if entry.counts.keys() <= {"scalar"} else TEXT_WEIGHT * entry.size
