"""Points of a scalar series in memory, as arrays. Loaded with numpy, when the first series is read (`numeric`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from control_plane.store.blocks import Points
from control_plane.store.intervals import Buckets, cut
from control_plane.store.series import Series

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

Column = TypeVar("Column", Integers, Floats)

PIECE = 50_000
"""Pieces of a series are put together up to so many points: those of few points cost more than copying them."""

_TYPES = {"i": "<i4", "I": "<u4", "q": "<i8"}
"""What the letters of a block's columns mean."""


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

    def part(self, low: int, high: int) -> Series:
        """Those from one place up to another, as lists."""
        return SeriesArrays(self.steps[low:high], self.times_ms[low:high], self.values[low:high]).lists()

    def from_step(self, least: int) -> SeriesArrays:
        """Those of this iteration and above."""
        first = int(np.searchsorted(self.steps, least))
        return SeriesArrays(self.steps[first:], self.times_ms[first:], self.values[first:])


@dataclass(frozen=True)
class Pieces:
    """Points of a series by ascending iteration, in pieces that follow one another; none is empty."""

    pieces: Sequence[SeriesArrays]

    def __len__(self) -> int:
        return sum(map(len, self.pieces))

    def joined(self) -> SeriesArrays:
        """As one."""
        if len(self.pieces) == 1:
            return self.pieces[0]
        return SeriesArrays(
            np.concatenate([np.empty(0, np.int64), *(one.steps for one in self.pieces)]),
            np.concatenate([np.empty(0, np.int64), *(one.times_ms for one in self.pieces)]),
            np.concatenate([np.empty(0), *(one.values for one in self.pieces)]),
        )

    def from_step(self, least: int) -> Pieces:
        """Those of this iteration and above."""
        if not self.pieces or self.pieces[0].steps[0] >= least:
            return self
        return Pieces([one for one in (piece.from_step(least) for piece in self.pieces) if len(one)])

    def page(self, after: int | None, size: int, *, descending: bool) -> Series:
        """The `size` points next above an iteration, or (`descending`) below it; None: from the end there is."""
        whole = self.joined()
        if descending:
            high = len(whole) if after is None else int(np.searchsorted(whole.steps, after))
            return whole.part(max(0, high - size), high)
        low = 0 if after is None else int(np.searchsorted(whole.steps, after, "right"))
        return whole.part(low, low + size)

    def by_time(self) -> Pieces:
        """In the order of their times; of equal ones by iteration."""
        times = [one.times_ms for one in self.pieces]
        if all((one[1:] >= one[:-1]).all() for one in times) and _follow(times, strictly=False):
            return self
        whole = self.joined()
        order = np.argsort(whole.times_ms, kind="stable")
        return Pieces([SeriesArrays(whole.steps[order], whole.times_ms[order], whole.values[order])])

    def buckets(self, samples: int, *, by_time: bool = False) -> Buckets:
        """At most `samples` equal intervals and one; of times, where they ascend. There is one point at least."""
        return cut([(one.times_ms if by_time else one.steps, one.values) for one in self.pieces], samples)


def _follow(columns: Sequence[Integers], *, strictly: bool) -> bool:
    """Whether each begins above the end of the one before; none is empty."""
    return all(one[-1] < later[0] or (not strictly and one[-1] == later[0]) for one, later in pairwise(columns))


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

    def pieces(self) -> Pieces:
        """The same, long pieces as they were added."""
        groups: list[list[int]] = []
        size = PIECE
        for place, steps in enumerate(self._steps):
            if size + len(steps) > PIECE:
                groups.append([])
                size = 0
            groups[-1].append(place)
            size += len(steps)
        along = [_together(self._steps, group) for group in groups]
        is_ascending = all((one[1:] > one[:-1]).all() for one in along) and _follow(along, strictly=True)
        if len(groups) < 2 or not is_ascending:
            found = self.arrays()
            return Pieces([found] if len(found) else [])
        times = (_together(self._times, group) for group in groups)
        values = (_together(self._values, group) for group in groups)
        return Pieces([SeriesArrays(*columns) for columns in zip(along, times, values, strict=True)])


def _together(columns: Sequence[Column], places: Sequence[int]) -> Column:
    return columns[places[0]] if len(places) == 1 else np.concatenate([columns[place] for place in places])
