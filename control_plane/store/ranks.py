"""The order of a column's distinct values as numbers, kept up as values are appended."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from control_plane.store.collation import natural, plain

_PIECE = 10_000
"""Values handled between two moments at which other threads may run."""
_PREFIX = 64
"""Bytes of a text that are compared as an array; texts alike in so many are compared one by one."""
NEW_SHARE = 8
"""When more than one in so many values is new, everything is sorted again."""


class Ranks:
    """For each value its `place` (float64) in the order: among numbers where `is_number`, else among all else.

    Equal places mean that the values compare equal.

    Args:
        values: distinct; only ever appended to.
        by_numbers: they compare by `collation.natural`, else by `plain`.
    """

    def __init__(self, values: list[Any], *, by_numbers: bool) -> None:
        self.place = np.empty(0)
        self.is_number = np.empty(0, bool)
        self._values = values
        self._key = natural if by_numbers else plain
        self._only_texts = not by_numbers
        """Whether values that are no numbers compare as they are, which is fast."""
        self._order = np.empty(0, np.int32)
        """Indexes of the values that are no numbers, in order."""

    def update(self) -> None:
        """Take in the values that were appended."""
        known, size = len(self.place), len(self._values)
        if known == size:
            return
        self.place = np.concatenate((self.place, np.zeros(size - known)))
        self.is_number = np.concatenate((self.is_number, np.zeros(size - known, bool)))
        new, had_only_texts = [], self._only_texts
        for index in range(known, size):
            value = self._values[index]
            if self._only_texts and isinstance(value, str):
                new.append(index)
                continue
            kind, place, *_ = self._key(value)
            if kind == 0:
                self.place[index], self.is_number[index] = place, True
            else:
                new.append(index)
                self._only_texts = False
        if len(new) * NEW_SHARE > len(self._order) or had_only_texts != self._only_texts:
            self._sort(np.concatenate((self._order, np.array(new, np.int32))))
        elif new:
            self._insert(new)

    def _compared(self, index: int) -> Any:
        value = self._values[index]
        return value if self._only_texts else self._key(value)

    def _sort(self, indexes: npt.NDArray[np.int32]) -> None:
        if self._only_texts:
            self._order = self._sorted_texts(indexes)
            self.place[self._order] = np.arange(len(indexes))
            return
        keyed = sorted(((self._compared(index), index) for index in indexes.tolist()), key=lambda pair: pair[0])
        self._order = np.array([index for _, index in keyed], np.int32)
        rises = [int(before[0] != after[0]) for before, after in itertools.pairwise(keyed)]
        self.place[self._order] = np.cumsum([0, *rises][: len(keyed)])

    def _sorted_texts(self, indexes: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """By arrays, which other threads need not wait for."""
        prefixes = np.empty(len(indexes), f"S{_PREFIX}")
        for first in range(0, len(indexes), _PIECE):
            piece = indexes[first : first + _PIECE].tolist()
            # UTF-8 compares as the characters do.
            prefixes[first : first + _PIECE] = [self._values[index].encode()[:_PREFIX] for index in piece]
        order = prefixes.argsort(kind="stable")
        indexes, prefixes = indexes[order], prefixes[order]
        for first, last in runs(prefixes[1:] == prefixes[:-1]):
            indexes[first:last] = sorted(indexes[first:last].tolist(), key=self._values.__getitem__)
        return indexes

    def _insert(self, new: list[int]) -> None:
        order = self._order
        rises = np.diff(self.place[order], prepend=-1) > 0
        positions, new_rises = [], []
        previous = None
        for key, index in sorted(((self._compared(index), index) for index in new), key=lambda pair: pair[0]):
            position = bisect.bisect_left(order, key, key=self._compared)
            if position < len(order) and self._compared(order[position]) == key:
                rises[position] = False
            positions.append(position)
            new_rises.append((index, previous is None or key != previous))
            previous = key
        self._order = np.insert(order, positions, [index for index, _ in new_rises])
        self.place[self._order] = np.cumsum(np.insert(rises, positions, [rise for _, rise in new_rises]))


def runs(alike: npt.NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """(first, end) of each stretch of items that are alike; `alike[i]`: item i is as item i + 1."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], alike, [False])).astype(np.int8)))
    return zip(edges[::2].tolist(), (edges[1::2] + 1).tolist(), strict=True)
