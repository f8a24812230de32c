"""A series cut at equal intervals, as a curve is shown. Loaded with numpy, when the first series is read (`numeric`).

A long series comes in pieces, as it lies in segments, and is never copied together: what an interval holds of two
pieces is, of a million points, a few hundred.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Piece = tuple[Integers, Floats]
"""xs ascending, above (or equal to) those of the piece before; a value for each."""

_LARGEST = 2**63 - 1


@dataclass(frozen=True)
class Buckets:
    """A series cut at equal intervals of its iterations or times; four arrays of the same length, none empty."""

    starts: Integers
    """Where each interval begins."""
    means: Floats
    lows: Floats
    highs: Floats
    """Of the finite values; NaN where there is none."""


def cut(pieces: Sequence[Piece], samples: int) -> Buckets:
    """At most `samples` intervals and one. There is one piece at least, and none is empty.

    The result is to the bit the same however the series is cut in pieces.
    """
    span = int(pieces[-1][0][-1]) - int(pieces[0][0][0]) + 1
    interval = max(1, math.ceil(span / samples))
    found: list[Buckets] = []
    open_: list[Piece] = []  # of the last interval so far: the next piece may go on with it
    end = 0
    for xs, values in pieces:
        at = 0
        if open_:
            at = len(xs) if end > _LARGEST else int(np.searchsorted(xs, end))
            open_.append((xs[:at], values[:at]))
            if at == len(xs):
                continue
            found.append(_cut(*_joined(open_), interval))
        begin = int(xs[-1]) // interval * interval
        last = max(at, int(np.searchsorted(xs, begin)))
        if last > at:
            found.append(_cut(xs[at:last], values[at:last], interval))
        open_, end = [(xs[last:], values[last:])], begin + interval
    found.append(_cut(*_joined(open_), interval))
    return Buckets(
        np.concatenate([one.starts for one in found]),
        *(np.concatenate([getattr(one, name) for one in found]) for name in ("means", "lows", "highs")),
    )


def _joined(pieces: Iterable[Piece]) -> Piece:
    xs, values = zip(*pieces, strict=True)
    return (xs[0], values[0]) if len(xs) == 1 else (np.concatenate(xs), np.concatenate(values))


def _cut(xs: Integers, values: Floats, interval: int) -> Buckets:
    edges = np.arange(int(xs[0]) // interval, int(xs[-1]) // interval + 1) * interval
    ends = np.searchsorted(xs, edges[1:])
    firsts = np.concatenate(([0], ends))
    is_used = np.diff(np.append(firsts, len(xs))) > 0
    firsts, starts = firsts[is_used], edges[is_used]
    counts, sums, lows, highs = reduced(values, firsts)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        means = sums / counts
    if not counts.all():
        for each in (means, lows, highs):
            each[counts == 0] = math.nan
    return Buckets(starts, means, lows, highs)


def reduced(values: Floats, firsts: Integers) -> tuple[Integers, Floats, Floats, Floats]:
    """(how many, sum, least, greatest) of the finite values from each place to the next; of none 0, 0, inf, -inf."""
    is_number = np.isfinite(values)
    with np.errstate(over="ignore"):
        if is_number.all():
            counts = np.diff(np.append(firsts, len(values)))
            sums = np.add.reduceat(values, firsts)
            return counts, sums, np.minimum.reduceat(values, firsts), np.maximum.reduceat(values, firsts)
        sums = np.add.reduceat(np.where(is_number, values, 0.0), firsts)
    return (
        np.add.reduceat(is_number, firsts, dtype=np.int64),
        sums,
        np.minimum.reduceat(np.where(is_number, values, np.inf), firsts),
        np.maximum.reduceat(np.where(is_number, values, -np.inf), firsts),
    )
