"""A long series in short: of every few dozen points in a row how many there are, their sum, the least, the greatest.

A row covers `2**shift` iterations and begins at a multiple of that, in every segment alike. So rows of several segments
about the same iterations add up, and an interval that is a multiple of them is as exact as from the points. Pure.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import zstandard

from control_plane.store.intervals import Buckets, reduced
from control_plane.store.segments.arrays import LEVEL, Floats, Integers

POINTS_A_ROW = 32
LEAST_POINTS = 1024
"""Series of fewer points have none."""
ROWS_AN_INTERVAL = 4
"""Intervals are made of this many rows at least: so they grow by a quarter at most for ending where a row ends."""

_HEAD = struct.Struct("<BBqI")
_COUNTS, _NUMBERS = np.dtype("<u4"), np.dtype("<f8")


@dataclass(frozen=True)
class Summary:
    """Rows of a series, ascending; arrays of the same length."""

    shift: int
    rows: Integers
    """Which `2**shift` iterations: the first of them divided by that."""
    counts: Integers
    """Of finite values; 0 where there is none."""
    sums: Floats
    lows: Floats
    highs: Floats

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Summed:
    """A long series of which only summaries are known. There is one point at least."""

    count: int
    """Points."""
    lowest: int
    highest: int
    """Iterations it spans."""
    summaries: Sequence[Summary]

    def __len__(self) -> int:
        return self.count

    def buckets(self, samples: int) -> Buckets:
        """At most `samples` equal intervals and one."""
        interval = interval_of(self.lowest, self.highest, samples, max(one.shift for one in self.summaries))
        if interval is None:
            raise ValueError(f"{samples} samples of {self.count} points are too many for summaries")
        places = np.concatenate([(one.rows << one.shift) // interval for one in self.summaries])
        counts, sums, lows, highs = (
            np.concatenate([getattr(one, name) for one in self.summaries])
            for name in ("counts", "sums", "lows", "highs")
        )
        firsts = np.concatenate(([0], np.flatnonzero(places[1:] != places[:-1]) + 1))
        counts = np.add.reduceat(counts, firsts)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            means = np.add.reduceat(sums, firsts) / counts
        lows, highs = np.minimum.reduceat(lows, firsts), np.maximum.reduceat(highs, firsts)
        for each in (means, lows, highs):
            each[counts == 0] = math.nan
        return Buckets(places[firsts] * interval, means, lows, highs)


def interval_of(lowest: int, highest: int, samples: int, shift: int) -> int | None:
    """The interval of iterations that `samples` of rows are cut at; None where it would be too few rows."""
    row = 1 << shift
    interval = math.ceil((highest - lowest + 1) / samples)
    return None if interval < ROWS_AN_INTERVAL * row else -(-interval // row) * row


def summarize(steps: Integers, values: Floats) -> Summary:
    """The summary of points by ascending iteration; at least one."""
    span = int(steps[-1]) - int(steps[0]) + 1
    shift = min(62, (-(-span * POINTS_A_ROW // len(steps)) - 1).bit_length())
    rows = steps >> shift
    firsts = np.concatenate(([0], np.flatnonzero(rows[1:] != rows[:-1]) + 1))
    return Summary(shift, rows[firsts], *reduced(values, firsts))


def pack_summary(summary: Summary) -> bytes:
    """As bytes; the rows that follow each other without a gap are not written."""
    first, count = int(summary.rows[0]), len(summary)
    is_even = int(summary.rows[-1]) - first + 1 == count
    columns = [
        b"" if is_even else summary.rows.astype("<i8").tobytes(),
        summary.counts.astype(_COUNTS).tobytes(),
        *(column.astype(_NUMBERS).tobytes() for column in (summary.sums, summary.lows, summary.highs)),
    ]
    return _HEAD.pack(is_even, summary.shift, first, count) + zstandard.ZstdCompressor(level=LEVEL).compress(
        b"".join(columns)
    )


def unpack_summary(raw: bytes) -> Summary:
    """The inverse of `pack_summary`. Raises ValueError for bytes that cannot be."""
    is_even, shift, first, count = _HEAD.unpack_from(raw)
    try:
        body = zstandard.ZstdDecompressor().decompress(raw[_HEAD.size :])
    except zstandard.ZstdError as error:
        raise ValueError(f"damaged: {error}") from None
    at = 0 if is_even else 8 * count
    rows = np.arange(first, first + count) if is_even else np.frombuffer(body, "<i8", count)
    counts = np.frombuffer(body, _COUNTS, count, at).astype(np.int64)
    at += _COUNTS.itemsize * count
    sums, lows, highs = (np.frombuffer(body, _NUMBERS, count, at + 8 * count * place) for place in range(3))
    return Summary(shift, rows, counts, sums, lows, highs)
