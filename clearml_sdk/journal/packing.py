"""The packed form of a batch: points as columns of numbers, with the standard library alone. Pure.

The form is described in docs/events.md; servers say in their tokens (claim `packed_events`) that they take it.
"""

from __future__ import annotations

import json
import sys
from array import array

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

MAGIC = b"CLEVENTS1\n"
CONTENT_TYPE = "application/x-clearml-events"
CLAIM = "packed_events"
"""The claim of a server's tokens with the newest version of the form that it takes."""
VERSION = 1

_INT32 = 2**31
_UINT32 = 2**32


class Columns:
    """Points of one series in the order they were reported; the three have the same length."""

    __slots__ = ("steps", "times_ms", "values")

    def __init__(self) -> None:
        self.steps, self.times_ms, self.values = array("q"), array("q"), array("d")


def packed(task: str, series: Sequence[tuple[str, str, Columns]], lines: bytes) -> bytes:
    """A batch of (title, series, points) of one task, and of other events as lines."""
    heads, parts = [], []
    for title, name, columns in series:
        steps: array[int] = columns.steps
        first_ms = min(columns.times_ms)
        is_short = max(columns.times_ms) - first_ms < _UINT32
        is_small = min(steps) >= -_INT32 and max(steps) < _INT32
        times = array("I" if is_short else "q", [at_ms - first_ms for at_ms in columns.times_ms])
        if is_small:
            steps = array("i", steps)
        heads.append([title, name, "", "", len(steps), first_ms, steps.typecode, times.typecode])
        parts += [_bytes(steps), _bytes(times), _bytes(columns.values)]
    head = {"owners": [{"id": task, "series": heads}], "lines": len(lines)}
    return b"".join((MAGIC, json.dumps(head).encode(), b"\n", *parts, lines))


def _bytes(column: array[int] | array[float]) -> bytes:
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column.tobytes()
