"""What stays of a series that is thinned."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.store.points import SeriesArrays
from control_plane.store.retention import Rule, rule_for
from control_plane.store.segments.thinning import KEPT_AN_INTERVAL, thin


def series(steps: list[int], values: list[float]) -> SeriesArrays:
    return SeriesArrays(np.array(steps, np.int64), np.array(steps, np.int64) * 10, np.array(values, np.float64))


floats = st.one_of(st.floats(-10, 10), st.sampled_from([float("nan"), float("inf"), float("-inf")]))


@given(st.dictionaries(st.integers(-500, 500), floats, min_size=1, max_size=200), st.integers(2, 12))
def test_every_interval_keeps_its_ends_and_extremes(points: dict[int, float], samples: int) -> None:
    steps = sorted(points)
    found = thin(series(steps, [points[step] for step in steps]), samples)
    kept = dict(zip(found.steps.tolist(), found.values.tolist(), strict=True))
    assert found.steps.tolist() == sorted(kept)
    assert found.times_ms.tolist() == [10 * step for step in found.steps.tolist()]
    assert str(kept) == str({step: points[step] for step in kept}), "no point is another one"
    if len(steps) <= KEPT_AN_INTERVAL * samples:
        assert len(kept) == len(steps)
        return
    assert len(kept) <= KEPT_AN_INTERVAL * samples
    interval = -(-(steps[-1] - steps[0] + 1) // samples)
    for number in range(samples):
        span = range(steps[0] + number * interval, steps[0] + (number + 1) * interval)
        inside, left = [step for step in steps if step in span], [step for step in kept if step in span]
        if not inside:
            continue
        assert (left[0], left[-1]) == (inside[0], inside[-1])
        numbers = [points[step] for step in inside if points[step] == points[step]]
        remaining = [points[step] for step in left if points[step] == points[step]]
        if numbers:
            assert (min(remaining), max(remaining)) == (min(numbers), max(numbers))
        nans = [step for step in inside if points[step] != points[step]]
        assert not nans or nans[0] in left
    assert thin(found, samples) is found


@pytest.mark.parametrize(
    ("project", "days"), [("a", 1), ("a/b", 2), ("a/b/c", 2), ("a/x", 1), ("ab", None), ("", None)]
)
def test_the_nearest_rule_above_counts(project: str, days: float | None) -> None:
    rule = rule_for(project, {"a": Rule(1), "a/b": Rule(2)})
    assert (rule.days if rule else None) == days
