"""Statistics of one scalar series: what `last_metrics` shows, kept beside the stream. Pure.

Points of one iteration overwrite each other, the last one written wins. Points above the series' highest iteration
are added to the statistics; any other point may replace an old value, and then the statistics are made again from
all the points (`from_points`).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

SHOWN_SERIES = 2000
"""So many series of a task appear in its `last_metrics`, the first ones (contract: wire.md 11)."""


class Statistics(msgspec.Struct, array_like=True, gc=False):
    """One series. NaN counts as a point and as the last value, and never as minimum, maximum or part of the mean."""

    metric: str
    variant: str
    ordinal: int
    """The series' place among those of its task, by first appearance, from 0."""
    count: int = 0
    numbers: int = 0
    """Points that are not NaN."""
    total: float = 0.0
    """Sum of the points that are not NaN."""
    min_value: float = math.nan
    min_iteration: int = 0
    max_value: float = math.nan
    max_iteration: int = 0
    first_value: float = math.nan
    first_iteration: int = 0
    value: float = math.nan
    iteration: int = 0
    """The highest one; `value` is the value there."""
    at_ms: int = 0
    x_axis_label: str = ""

    def add(self, step: int, value: float, at_ms: int) -> None:
        """A point above every other: `can_add(step)`."""
        if not self.count:
            self.first_value, self.first_iteration = value, step
        self.count += 1
        self.value, self.iteration, self.at_ms = value, step, at_ms
        if value != value:
            return
        self.numbers += 1
        self.total += value
        if not self.min_value <= value:  # also true for the first one, whose min is NaN
            self.min_value, self.min_iteration = value, step
        if not self.max_value >= value:
            self.max_value, self.max_iteration = value, step

    def can_add(self, step: int) -> bool:
        """False when the point may replace an older one."""
        return not self.count or step > self.iteration

    @property
    def mean(self) -> float:
        """NaN where there is no number."""
        return self.total / self.numbers if self.numbers else math.nan


@dataclass
class Series:
    """Points of a series by ascending iteration: `steps` (n,) unique, `times_ms` (n,), `values` (n,) NaN allowed."""

    steps: list[int]
    times_ms: list[int]
    values: list[float]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Statistics).decode


def pack(statistics: Statistics) -> bytes:
    """As it lies in the hash of series."""
    return _encode(statistics)


def unpack(raw: bytes) -> Statistics:
    """The inverse of `pack`."""
    return _decode(raw)


def from_points(metric: str, variant: str, ordinal: int, points: Series, x_axis_label: str) -> Statistics:
    """The statistics of all points of a series."""
    statistics = Statistics(metric, variant, ordinal, x_axis_label=x_axis_label)
    for step, value, at_ms in zip(points.steps, points.values, points.times_ms, strict=True):
        statistics.add(step, value, at_ms)
    return statistics


def field(metric: str, variant: str) -> str:
    """The series' field in the hash of series."""
    return f"{metric}\0{variant}"


def digest(name: str) -> str:
    """A metric's or variant's key in `last_metrics`: md5 hex of its name (contract: wire.md 11)."""
    return hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()


def shown(statistics: Statistics) -> dict[str, Any]:
    """One entry of `last_metrics`. NaN, which JSON cannot say, is null."""
    entry: dict[str, Any] = {
        "metric": statistics.metric,
        "variant": statistics.variant,
        "value": finite(statistics.value),
        "min_value": finite(statistics.min_value),
        "min_value_iteration": statistics.min_iteration,
        "max_value": finite(statistics.max_value),
        "max_value_iteration": statistics.max_iteration,
        "first_value": finite(statistics.first_value),
        "first_value_iteration": statistics.first_iteration,
        "count": statistics.count,
        "mean_value": finite(round(statistics.mean, 2)) if math.isfinite(statistics.mean) else None,
    }
    if statistics.x_axis_label:
        entry["x_axis_label"] = statistics.x_axis_label
    return entry


def last_metrics(all_statistics: Iterable[Statistics]) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Paths in a document and their values, for the series that are shown."""
    return {
        ("last_metrics", digest(one.metric), digest(one.variant)): shown(one)
        for one in all_statistics
        if one.ordinal < SHOWN_SERIES
    }


def finite(value: float) -> float | None:
    """A value as JSON can say it."""
    return value if math.isfinite(value) else None
