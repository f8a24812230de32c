"""Thinning a curve for a reader. Pure. Source: contract/wire.md, section 11."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from control_plane.schema.events import Key

if TYPE_CHECKING:
    from control_plane.store.intervals import Buckets
    from control_plane.store.points import Pieces
    from control_plane.store.segments.summaries import Summed

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
        xs, ys, lows, highs = _columns(points.buckets(samples, by_time=by_time))
    if key == "iso_time":
        xs = [iso_time(x) for x in xs]
    return {"x": xs, "y": ys, **({"min": lows, "max": highs} if extremes else {})}


def curve_in_short(series: Summed, samples: int, *, extremes: bool = False) -> dict[str, list[Any]]:
    """The same of a series that is known in short, by iteration."""
    xs, ys, lows, highs = _columns(series.buckets(samples))
    return {"x": xs, "y": ys, **({"min": lows, "max": highs} if extremes else {})}


def _columns(cut: Buckets) -> tuple[list[Any], ...]:
    return tuple(column.tolist() for column in (cut.starts, cut.means, cut.lows, cut.highs))


@dataclass(frozen=True)
class Stretch:
    """Points of a curve along an axis, x ascending, and how many there are in all."""

    xs: list[int]
    ys: list[float]
    total: int


def stretch(
    series: Pieces, key: Key, after: int | None, size: int, *, begin: int | None = None, end: int | None = None
) -> Stretch:
    """All points at one x and at least `size` above it.

    Args:
        after: this x; None: the first points.
        begin, end: only points from and up to these x.
    """
    points = series.from_step(SINGLE_VALUE_STEP + 1)
    whole = (points if key == "iter" else points.by_time()).joined()
    xs, ys = whole.steps if key == "iter" else whole.times_ms, whole.values
    first = 0 if begin is None else int(xs.searchsorted(begin))
    last = len(xs) if end is None else int(xs.searchsorted(end, "right"))
    low = first if after is None else max(first, int(xs.searchsorted(after)))
    high = min(last, (low if after is None else max(low, int(xs.searchsorted(after, "right")))) + size)
    return Stretch(xs[low:high].tolist(), ys[low:high].tolist(), max(0, last - first))


def iso_time(at_ms: int) -> str:
    """ms since the epoch as a curve shows it."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
