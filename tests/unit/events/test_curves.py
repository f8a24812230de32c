"""Thinning against a naive mean of intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise
from typing import Literal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from control_plane.services.curves import SINGLE_VALUE_STEP, curve
from control_plane.store.points import Pieces, SeriesArrays

POINTS = st.dictionaries(st.integers(-500, 5000), st.integers(-100, 100), min_size=1, max_size=60)


def arrays(steps: list[int], times_ms: list[int], values: list[float], ends: Iterable[int] = ()) -> Pieces:
    """A series, cut in pieces behind some places."""
    columns = (np.array(steps), np.array(times_ms), np.array(values, np.float64))
    edges = sorted({0, len(steps), *(end % len(steps) for end in ends)})
    return Pieces([SeriesArrays(*(one[low:high] for one in columns)) for low, high in pairwise(edges)])


@given(POINTS, st.integers(1, 70), st.lists(st.integers(0, 60), max_size=4))
def test_a_thinned_curve_has_the_means_of_equal_intervals(
    points: dict[int, int], samples: int, ends: list[int]
) -> None:
    steps = sorted(points)
    values = [float(points[step]) for step in steps]
    found = curve(arrays(steps, [step * 7 for step in steps], values, ends), "iter", samples, extremes=True)
    if len(steps) < samples:
        assert found == {"x": steps, "y": values, "min": values, "max": values}
        return
    width = max(1, math.ceil((steps[-1] - steps[0] + 1) / samples))
    buckets: dict[int, list[float]] = {}
    for step, value in zip(steps, values, strict=True):
        buckets.setdefault(step // width * width, []).append(value)
    assert found["x"] == list(buckets)
    assert found["y"] == [sum(values) / len(values) for values in buckets.values()]
    assert found["min"] == [min(values) for values in buckets.values()]
    assert found["max"] == [max(values) for values in buckets.values()]
    assert len(found["x"]) <= samples + 1


@given(
    st.lists(st.floats(), min_size=1, max_size=80),
    st.integers(1, 40),
    st.lists(st.integers(0, 80), max_size=5),
    st.sampled_from(("iter", "timestamp")),
)
def test_a_curve_is_the_same_in_however_many_pieces(
    values: list[float], samples: int, ends: list[int], key: Literal["iter", "timestamp"]
) -> None:
    steps, times = list(range(2**63 - len(values), 2**63)), [place // 3 for place in range(len(values))]
    whole = curve(arrays(steps, times, values), key, samples, extremes=True)
    assert repr(curve(arrays(steps, times, values, ends), key, samples, extremes=True)) == repr(whole)


@given(POINTS)
def test_a_single_value_is_in_no_curve(points: dict[int, int]) -> None:
    steps = [SINGLE_VALUE_STEP, *sorted(points)]
    found = curve(arrays(steps, [0] * len(steps), [1.0] * len(steps)), "timestamp", 6000)
    assert len(found["x"]) == len(points)


def test_what_is_no_number_counts_for_nothing() -> None:
    values = [1.0, math.nan, 3.0, math.inf, math.nan, math.nan]
    found = curve(arrays([0, 1, 2, 3, 10, 11], [0] * 6, values), "iter", 3, extremes=True)
    assert found["x"] == [0, 8]
    assert found["y"][0] == 2.0 and math.isnan(found["y"][1])
    assert (found["min"][0], found["max"][0]) == (1.0, 3.0) and math.isnan(found["max"][1])


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30))
def test_along_time_points_come_in_its_order(times: list[int]) -> None:
    found = curve(arrays(list(range(len(times))), times, [float(at) for at in times]), "timestamp", 6000)
    assert found == {"x": sorted(times), "y": sorted(times)}
