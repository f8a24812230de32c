"""Thinning a curve for a reader. Pure. Source: contract/wire.md, section 11."""

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from control_plane.schema.events import Key
from control_plane.store.events import Series

SINGLE_VALUE_STEP = -(2**31)
"""The iteration of `report_single_value`; such points belong to no curve."""


def curve(series: Series, key: Key, samples: int) -> dict[str, list[Any]]:
    """`x` and `y` of at most `samples` points: all of them, or means of equal intervals, x where each begins.

    `key`: what x is - iterations, ms since the epoch, or ISO times.
    """
    along = series.steps if key == "iter" else series.times_ms
    shown = [i for i, step in enumerate(series.steps) if step != SINGLE_VALUE_STEP]
    if key != "iter":
        shown.sort(key=lambda i: along[i])
    xs, ys = [along[i] for i in shown], [series.values[i] for i in shown]
    if len(xs) >= samples:
        xs, ys = _means(xs, ys, samples)
    convert: Callable[[int], Any] = _iso if key == "iso_time" else int
    return {"x": [convert(x) for x in xs], "y": [_json_number(y) for y in ys]}


def _means(xs: Sequence[int], ys: Sequence[float], samples: int) -> tuple[list[int], list[float]]:
    interval = max(1, math.ceil((xs[-1] - xs[0] + 1) / samples))
    starts: list[int] = []
    sums: list[float] = []
    counts: list[int] = []
    for x, y in zip(xs, ys, strict=True):
        start = x // interval * interval
        if not starts or starts[-1] != start:
            starts.append(start)
            sums.append(0.0)
            counts.append(0)
        sums[-1] += y
        counts[-1] += 1
    return starts, [total / count for total, count in zip(sums, counts, strict=True)]


def _iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")


def _json_number(value: float) -> float | None:
    """NaN and infinities, which JSON cannot say, are null."""
    return value if math.isfinite(value) else None
