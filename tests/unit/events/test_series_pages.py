"""Pages through several series against one sorted list of everything."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from control_plane.services.series_pages import end, page, spans

SERIES = st.dictionaries(st.sampled_from("abcd"), st.lists(st.integers(0, 12), max_size=12).map(sorted))


@given(SERIES, st.integers(1, 6))
def test_pages_by_place_visit_everything_once_in_order(series: dict[str, list[int]], size: int) -> None:
    everything = sorted((x, name, i) for name, xs in series.items() for i, x in enumerate(xs))
    visited: list[tuple[int, str, int]] = []
    position = None
    while found := page(series, position, size):
        some = sorted((series[name][i], name, i) for name, (low, high) in found.items() for i in range(low, high))
        assert len(some) == min(size, len(everything) - len(visited))
        visited += some
        position = end(series, found)
    assert visited == everything


@given(SERIES, st.integers(1, 6), st.booleans())
def test_pages_by_x_hold_their_last_x_whole(series: dict[str, list[int]], size: int, descending: bool) -> None:
    rows = list(series.values())
    everything = sorted((x for xs in rows for x in xs), reverse=descending)
    visited: list[int] = []
    while True:
        found = spans(rows, visited[-1] if visited else None, size, descending=descending)
        some = sorted(
            (x for xs, (low, high) in zip(rows, found, strict=True) for x in xs[low:high]), reverse=descending
        )
        if not some:
            break
        assert len(some) >= min(size, len(everything) - len(visited))
        assert len([x for x in some if x != some[-1]]) < size
        visited += some
    assert visited == everything
