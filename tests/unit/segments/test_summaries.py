"""Summaries against the points themselves."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.store.segments.summaries import (
    Summary,
    Summed,
    interval_of,
    pack_summary,
    summarize,
    unpack_summary,
)

VALUES = st.sampled_from((0.0, -1.5, 2.25, 1e300, math.nan, math.inf, -math.inf)) | st.integers(-99, 99).map(float)


@st.composite
def series(draw: st.DrawFn) -> tuple[list[int], list[float]]:
    """Ascending iterations with gaps, and values."""
    gaps = draw(st.lists(st.sampled_from((1, 1, 1, 2, 7, 900)), min_size=40, max_size=300))
    first = draw(st.integers(-(2**40), 2**40))
    steps = [first + sum(gaps[:place]) for place in range(len(gaps))]
    return steps, draw(st.lists(VALUES, min_size=len(steps), max_size=len(steps)))


def cut(steps: list[int], values: list[float], ends: list[int]) -> list[Summary]:
    edges = sorted({0, len(steps), *(end % len(steps) for end in ends)})
    return [summarize(np.array(steps[a:b]), np.array(values[a:b])) for a, b in pairwise(edges)]


@given(series(), st.lists(st.integers(0, 300), max_size=4), st.integers(1, 12))
def test_intervals_are_as_exact_as_from_the_points(
    points: tuple[list[int], list[float]], ends: list[int], samples: int
) -> None:
    steps, values = points
    summaries = [unpack_summary(pack_summary(one)) for one in cut(steps, values, ends)]
    summed = Summed(len(steps), steps[0], steps[-1], summaries)
    interval = interval_of(steps[0], steps[-1], samples, max(one.shift for one in summaries))
    if interval is None:
        with pytest.raises(ValueError, match="too many"):
            summed.buckets(samples)
        return
    expected: dict[int, list[float]] = {}
    for step, value in zip(steps, values, strict=True):
        expected.setdefault(step // interval * interval, []).append(value)
    found = summed.buckets(samples)
    assert found.starts.tolist() == list(expected)
    assert len(expected) <= samples + 1
    finite = [[value for value in some if math.isfinite(value)] for some in expected.values()]
    for place, some in enumerate(finite):
        low, high, mean = found.lows[place], found.highs[place], found.means[place]
        if not some:
            assert math.isnan(low) and math.isnan(high) and math.isnan(mean)
            continue
        assert (low, high) == (min(some), max(some))
        assert mean == pytest.approx(math.fsum(some) / len(some), rel=1e-9, abs=1e-9 * max(map(abs, some)))


def test_a_row_is_some_dozens_of_points() -> None:
    for stride, count in ((1, 5000), (10, 1024), (1000, 100_000)):
        summary = summarize(np.arange(count) * stride, np.zeros(count))
        assert count // 64 <= len(summary) <= count // 32 + 1
        assert summary.counts.sum() == count
    assert len(pack_summary(summary)) < 1000


def test_the_ends_of_the_scale() -> None:
    steps = np.array([-(2**63), 0, 2**63 - 1])
    summary = unpack_summary(pack_summary(summarize(steps, np.array([1.0, 2.0, 3.0]))))
    assert summary.counts.sum() == 3 and summary.lows.min() == 1.0 and summary.highs.max() == 3.0


def test_damage_is_not_taken_for_numbers() -> None:
    raw = pack_summary(summarize(np.arange(2000), np.arange(2000.0)))
    for damaged in (raw[:-3], raw[:20], raw[:14] + b"x" + raw[15:]):
        with pytest.raises(ValueError):
            unpack_summary(damaged)
