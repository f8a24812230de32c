"""In which block of the stream each sealed line of a console came: there, who follows the console goes on. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Arrivals:
    """Ids of blocks, one a line: `ms` (n,) and `numbers` (n,) int64. 0 and 0: it is not known any more."""

    ms: Integers
    numbers: Integers

    def __len__(self) -> int:
        return len(self.ms)

    @property
    def last(self) -> tuple[int, int]:
        """The greatest one; there is one line at least."""
        place = int(np.lexsort((self.numbers, self.ms))[-1])
        return int(self.ms[place]), int(self.numbers[place])

    def taken(self, places: Sequence[int]) -> Arrivals:
        """Those of some lines, in this order."""
        chosen = np.asarray(places, np.int64)
        return Arrivals(self.ms[chosen], self.numbers[chosen])

    def following(self, ms: int, number: int) -> Integers:
        """Places of the lines that came in this block or later, by block; those of one block stay in order."""
        places = np.flatnonzero((self.ms > ms) | ((self.ms == ms) & (self.numbers >= number)))
        return places[np.lexsort((self.numbers[places], self.ms[places]))]


def unknown(count: int) -> Arrivals:
    """Of lines that were sealed before arrivals were kept."""
    return Arrivals(np.zeros(count, np.int64), np.zeros(count, np.int64))


def joined(parts: Sequence[Arrivals]) -> Arrivals:
    """One after the other; there is one at least."""
    return Arrivals(np.concatenate([one.ms for one in parts]), np.concatenate([one.numbers for one in parts]))


def of_blocks(blocks: Sequence[tuple[tuple[int, int], int]]) -> Arrivals:
    """Of the lines of some blocks, given as (id, how many lines); there is one line at least."""
    counts = [count for _, count in blocks]
    return Arrivals(
        np.repeat(np.array([ms for (ms, _), _ in blocks], np.int64), counts),
        np.repeat(np.array([number for (_, number), _ in blocks], np.int64), counts),
    )
