"""Thinning against a naive mean of intervals."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from control_plane.services.curves import SINGLE_VALUE_STEP, curve
from control_plane.store.series import Series

POINTS = st.dictionaries(st.integers(-500, 5000), st.integers(-100, 100), min_size=1, max_size=60)


@given(POINTS, st.integers(1, 70))
def test_a_thinned_curve_has_the_means_of_equal_intervals(points: dict[int, int], samples: int) -> None:
    steps = sorted(points)
    series = Series(steps, [step * 7 for step in steps], [float(points[step]) for step in steps])
    found = curve(series, "iter", samples)
    if len(steps) < samples:
        assert found == {"x": steps, "y": series.values}
        return
    width = max(1, math.ceil((steps[-1] - steps[0] + 1) / samples))
    buckets: dict[int, list[float]] = {}
    for step, value in zip(steps, series.values, strict=True):
        buckets.setdefault(step // width * width, []).append(value)
    assert found["x"] == list(buckets)
    assert found["y"] == [sum(values) / len(values) for values in buckets.values()]
    assert len(found["x"]) <= samples + 1


@given(POINTS)
def test_a_single_value_is_in_no_curve(points: dict[int, int]) -> None:
    steps = [SINGLE_VALUE_STEP, *sorted(points)]
    found = curve(Series(steps, [0] * len(steps), [1.0] * len(steps)), "timestamp", 6000)
    assert len(found["x"]) == len(points)
