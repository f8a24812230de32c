"""Thinning a curve for a reader. Pure. Source: contract/wire.md, section 11."""

import math
import operator
from bisect import bisect_left
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from control_plane.schema.events import Key
from control_plane.store.series import Series

SINGLE_VALUE_STEP = -(2**31)
"""The iteration of `report_single_value`; such points belong to no curve."""


def curve(series: Series, key: Key, samples: int) -> dict[str, list[Any]]:
    """`x` and `y` of at most `samples` points: all of them, or means of equal intervals, x where each begins.

    `key`: what x is - iterations, ms since the epoch, or ISO times.
    """
    xs, ys = axis(series, key)
    if len(xs) >= samples:
        xs, ys = _means(xs, ys, samples)
    convert: Callable[[int], Any] = iso_time if key == "iso_time" else int
    return {"x": [convert(x) for x in xs], "y": list(ys)}


def axis(series: Series, key: Key) -> tuple[Sequence[int], Sequence[float]]:
    """(x, y) of every point of a curve, x ascending."""
    first = 1 if series.steps[:1] == [SINGLE_VALUE_STEP] else 0  # steps ascend: it can only be the first one
    xs = series.steps[first:] if key == "iter" else series.times_ms[first:]
    ys = series.values[first:]
    if key == "iter" or all(map(operator.le, xs, xs[1:])):  # as nearly always
        return xs, ys
    order = sorted(range(len(xs)), key=xs.__getitem__)
    return [xs[i] for i in order], [ys[i] for i in order]


def _means(xs: Sequence[int], ys: Sequence[float], samples: int) -> tuple[list[int], list[float]]:
    """Means over intervals of one width. `xs` ascend."""
    interval = max(1, math.ceil((xs[-1] - xs[0] + 1) / samples))
    starts: list[int] = []
    means: list[float] = []
    at = 0
    while at < len(xs):
        start = xs[at] // interval * interval
        end = bisect_left(xs, start + interval, at)
        starts.append(start)
        means.append(_mean(ys[at:end]))
        at = end
    return starts, means


def _mean(values: Sequence[float]) -> float:
    """The mean of what is a finite number; NaN when nothing is."""
    total = sum(values)
    if math.isfinite(total):
        return total / len(values)
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else math.nan


def iso_time(at_ms: int) -> str:
    """ms since the epoch as a curve shows it."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
