"""Points of a scalar series in memory, as arrays. Loaded with numpy, when the first series is read (`numeric`)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from control_plane.store.blocks import Points
from control_plane.store.series import Series

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_TYPES = {"i": "<i4", "I": "<u4", "q": "<i8"}
"""What the letters of a block's columns mean."""


@dataclass(frozen=True)
class Buckets:
    """A series cut at equal intervals of its iterations or times; four arrays of the same length, none empty."""

    starts: Integers
    """Where each interval begins."""
    means: Floats
    lows: Floats
    highs: Floats
    """Of the finite values; NaN where there is none."""


def _buckets(xs: Integers, values: Floats, samples: int) -> Buckets:
    """At most `samples` intervals and one. `xs` ascend, and there is one at least."""
    interval = max(1, math.ceil((int(xs[-1]) - int(xs[0]) + 1) / samples))
    edges = np.arange(int(xs[0]) // interval, int(xs[-1]) // interval + 1) * interval
    ends = np.searchsorted(xs, edges[1:])
    firsts = np.concatenate(([0], ends))
    is_used = np.diff(np.append(firsts, len(xs))) > 0
    firsts, starts = firsts[is_used], edges[is_used]
    is_number = np.isfinite(values)
    if is_number.all():
        counts = np.diff(np.append(firsts, len(values)))
        with np.errstate(over="ignore"):
            means = np.add.reduceat(values, firsts) / counts
        return Buckets(starts, means, np.minimum.reduceat(values, firsts), np.maximum.reduceat(values, firsts))
    counts = np.add.reduceat(is_number, firsts, dtype=np.int64)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        means = np.add.reduceat(np.where(is_number, values, 0.0), firsts) / counts
    lows = np.minimum.reduceat(np.where(is_number, values, np.inf), firsts)
    highs = np.maximum.reduceat(np.where(is_number, values, -np.inf), firsts)
    empty = counts == 0
    for each in (means, lows, highs):
        each[empty] = math.nan
    return Buckets(starts, means, lows, highs)


@dataclass
class SeriesArrays:
    """Points of a series by ascending iteration: `steps` (n,) unique, `times_ms` (n,), `values` (n,) NaN allowed."""

    steps: Integers
    times_ms: Integers
    values: Floats

    def __len__(self) -> int:
        return len(self.steps)

    def lists(self) -> Series:
        """The same as lists of Python's numbers."""
        return Series(self.steps.tolist(), self.times_ms.tolist(), self.values.tolist())

    def from_step(self, least: int) -> SeriesArrays:
        """Those of this iteration and above."""
        first = int(np.searchsorted(self.steps, least))
        return SeriesArrays(self.steps[first:], self.times_ms[first:], self.values[first:])

    def buckets(self, samples: int, *, by_time: bool = False) -> Buckets:
        """At most `samples` equal intervals and one; of times, where they ascend. There is one point at least."""
        return _buckets(self.times_ms if by_time else self.steps, self.values, samples)

    def by_time(self) -> SeriesArrays:
        """In the order of their times; of equal ones by iteration."""
        if (self.times_ms[1:] >= self.times_ms[:-1]).all():
            return self
        order = np.argsort(self.times_ms, kind="stable")
        return SeriesArrays(self.steps[order], self.times_ms[order], self.values[order])


class Merge:
    """Collects the points of one series in the order they were written; the last one of an iteration counts."""

    def __init__(self) -> None:
        self._steps: list[Integers] = []
        self._times: list[Integers] = []
        self._values: list[Floats] = []

    def __len__(self) -> int:
        return sum(map(len, self._steps))

    def add(self, steps: Sequence[int], times_ms: Sequence[int], values: Sequence[float]) -> None:
        """Take what was written next; the three have the same length."""
        self.add_arrays(np.array(steps, np.int64), np.array(times_ms, np.int64), np.array(values, np.float64))

    def add_arrays(self, steps: Integers, times_ms: Integers, values: Floats) -> None:
        """The same of arrays, which are kept."""
        self._steps.append(steps)
        self._times.append(times_ms)
        self._values.append(values)

    def add_block(self, points: Points) -> None:
        """The same of a block of a stream."""
        steps = np.frombuffer(points.steps, _TYPES[points.steps_type]).astype(np.int64)
        times = np.frombuffer(points.times, _TYPES[points.times_type]).astype(np.int64)
        times += points.first_ms
        self.add_arrays(steps, times, np.frombuffer(points.values, "<f8"))

    def followed_by(self, later: Merge) -> Merge:
        """These points and then those."""
        self._steps += later._steps
        self._times += later._times
        self._values += later._values
        return self

    def written(self) -> SeriesArrays:
        """Everything, in the order it was written: iterations may come again."""
        empty = not self._steps
        if empty:
            return SeriesArrays(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float64))
        if len(self._steps) > 1:
            for parts in (self._steps, self._times, self._values):
                parts[:] = [np.concatenate(parts)]  # the pieces are not needed any more
        return SeriesArrays(self._steps[0], self._times[0], self._values[0])

    def arrays(self) -> SeriesArrays:
        """What there is now, by iteration."""
        found = self.written()
        if len(found.times_ms) < len(found.steps):  # read without times
            found.times_ms = np.empty(0, np.int64)
        if (found.steps[1:] > found.steps[:-1]).all():  # as nearly every series is
            return found
        order = np.argsort(found.steps, kind="stable")
        steps = found.steps[order]
        order = order[np.append(steps[1:] != steps[:-1], True)]
        times = found.times_ms[order] if len(found.times_ms) else found.times_ms
        return SeriesArrays(found.steps[order], times, found.values[order])
