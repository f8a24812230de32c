"""Thinning a curve for a reader. Pure. Source: contract/wire.md, section 11."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from control_plane.schema.events import Key
from control_plane.store.series import Series

if TYPE_CHECKING:
    from control_plane.store.points import Pieces

SINGLE_VALUE_STEP = -(2**31)
"""The iteration of `report_single_value`; such points belong to no curve."""


def curve(series: Pieces, key: Key, samples: int, *, extremes: bool = False) -> dict[str, list[Any]]:
    """`x` and `y` of at most `samples` points: all of them, or means of equal intervals, x where each begins.

    Args:
        key: what x is - iterations, ms since the epoch, or ISO times.
        extremes: also the least and greatest value of each interval, as `min` and `max`.
    """
    by_time = key != "iter"
    points = series.from_step(SINGLE_VALUE_STEP + 1)
    if by_time:
        points = points.by_time()
    xs: list[Any]
    if len(points) < samples:
        few = points.joined()
        xs, ys = (few.times_ms if by_time else few.steps).tolist(), few.values.tolist()
        lows, highs = ys, ys
    else:
        cut = points.buckets(samples, by_time=by_time)
        xs, ys, lows, highs = (column.tolist() for column in (cut.starts, cut.means, cut.lows, cut.highs))
    if key == "iso_time":
        xs = [iso_time(x) for x in xs]
    return {"x": xs, "y": ys, **({"min": lows, "max": highs} if extremes else {})}


def axis(series: Series, key: Key) -> tuple[Sequence[int], Sequence[float]]:
    """(x, y) of every point of a curve, x ascending."""
    first = 1 if series.steps[:1] == [SINGLE_VALUE_STEP] else 0  # steps ascend: it can only be the first one
    xs = series.steps[first:] if key == "iter" else series.times_ms[first:]
    ys = series.values[first:]
    if key == "iter" or all(map(operator.le, xs, xs[1:])):  # as nearly always
        return xs, ys
    order = sorted(range(len(xs)), key=xs.__getitem__)
    return [xs[i] for i in order], [ys[i] for i in order]


def iso_time(at_ms: int) -> str:
    """ms since the epoch as a curve shows it."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
