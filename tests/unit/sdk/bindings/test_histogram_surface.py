"""Histograms over time as one surface: no value is lost, and the rows stay few."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from clearml_sdk.bindings.histogram_surface import BINS, MAX_ROWS, Surfaces, counts

numbers = st.floats(-1e6, 1e6, width=32)
buckets = st.lists(st.tuples(numbers, numbers, st.integers(0, 1000)).map(lambda one: (*sorted(one[:2]), float(one[2]))))


@given(buckets)
def test_every_value_is_in_some_bin(found: list[Any]) -> None:
    edges = [edge for left, right, _ in found for edge in (left, right)] or [0.0]
    low, width = min(edges), (max(edges) - min(edges)) / BINS or 1.0
    total = sum(count for _, _, count in found)
    assert abs(sum(counts(found, low, width)) - total) <= 1e-6 * max(1.0, total)


def test_a_surface_is_reported_ever_more_rarely_and_at_the_end() -> None:
    reported: list[tuple[int, int]] = []
    surfaces = Surfaces(lambda name, step, figure: reported.append((step, len(figure["data"][0]["z"]))))
    for step in range(100):
        surfaces.add(("title", "series"), step, [(0.0, 1.0, float(step))])
    assert [step for step, _ in reported] == [0, 1, 3, 7, 15, 31, 63]
    surfaces.finish()
    surfaces.finish()
    assert reported[-1][0] == 99 and len(reported) == 8
    assert max(rows for _, rows in reported) <= MAX_ROWS
