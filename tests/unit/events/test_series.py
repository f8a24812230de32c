"""Statistics of a series against a plain dict of its points."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from control_plane.store.points import Merge
from control_plane.store.series import (
    Series,
    Statistics,
    digest,
    from_points,
    last_metrics,
    pack,
    shown,
    unpack,
)

POINTS = st.dictionaries(
    st.integers(-1000, 1000), st.tuples(st.floats(-1e6, 1e6) | st.just(math.nan), st.integers(0, 2**45)), min_size=1
)


def by_step(points: dict[int, tuple[float, int]]) -> Series:
    steps = sorted(points)
    return Series(steps, [points[step][1] for step in steps], [points[step][0] for step in steps])


@given(POINTS)
def test_statistics_are_those_of_the_points(points: dict[int, tuple[float, int]]) -> None:
    found = from_points("loss", "train", 0, by_step(points), "")
    steps = sorted(points)
    numbers = {step: points[step][0] for step in steps if not math.isnan(points[step][0])}
    assert found.count == len(points)
    assert (found.first_iteration, found.iteration) == (steps[0], steps[-1])
    assert found.at_ms == points[steps[-1]][1]
    if numbers:
        assert found.min_value == min(numbers.values())
        assert found.max_value == max(numbers.values())
        assert numbers[found.min_iteration] == found.min_value
        assert numbers[found.max_iteration] == found.max_value
        assert math.isclose(found.mean, sum(numbers.values()) / len(numbers), rel_tol=1e-9, abs_tol=1e-6)
    else:
        assert math.isnan(found.mean)


@given(st.lists(st.lists(st.tuples(st.integers(-9, 9), st.integers(0, 99), st.integers()), max_size=9), max_size=9))
def test_a_merge_keeps_the_last_point_of_each_iteration(batches: list[list[tuple[int, int, int]]]) -> None:
    merge, wanted = Merge(), dict[int, tuple[float, int]]()
    for batch in batches:
        steps, times, values = ([point[i] for point in batch] for i in range(3))
        merge.add(steps, times, [float(value) for value in values])
        wanted.update((step, (float(value), at_ms)) for step, at_ms, value in batch)
    assert merge.arrays().lists() == by_step(wanted)


@given(POINTS)
def test_packing_keeps_statistics(points: dict[int, tuple[float, int]]) -> None:
    found = from_points("a\0b", "ü", 7, by_step(points), "epochs")
    assert repr(unpack(pack(found))) == repr(found)


def test_a_point_at_or_below_the_highest_iteration_is_not_added() -> None:
    series = Statistics("m", "v", 0)
    assert series.can_add(-5)
    series.add(-5, 1.0, 0)
    assert not series.can_add(-5)
    assert not series.can_add(-6)
    assert series.can_add(-4)


def test_last_metrics_show_the_first_series_only_and_null_for_what_json_cannot_say() -> None:
    one, hidden = Statistics("m", "v", 0), Statistics("m", "late", 2000)
    one.add(1, math.inf, 0)
    assert list(last_metrics([one, hidden])) == [("last_metrics", digest("m"), digest("v"))]
    assert shown(one)["value"] is None
    assert shown(one)["mean_value"] is None
    assert digest("loss") == "81513effdf5790b79549208838404407"
