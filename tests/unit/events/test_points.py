"""Pages of points and who reported them, against plain lists and dicts."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from control_plane.services import series_pages
from control_plane.services.curves import stretch
from control_plane.services.series_pages import Position
from control_plane.store.point_workers import Workers
from control_plane.store.points import Pieces, SeriesArrays

STEPS = st.sets(st.integers(-20, 60), min_size=1, max_size=40).map(sorted)


def in_pieces(steps: list[int], times: list[int], ends: Iterable[int]) -> Pieces:
    columns = (np.array(steps), np.array(times), np.array(steps, np.float64) / 2)
    edges = sorted({0, len(steps), *(end % len(steps) for end in ends)})
    return Pieces([SeriesArrays(*(one[low:high] for one in columns)) for low, high in pairwise(edges)])


@given(STEPS, st.lists(st.integers(0, 40), max_size=3), st.integers(1, 9), st.booleans())
def test_pages_by_iteration_visit_everything_once(
    steps: list[int], ends: list[int], size: int, descending: bool
) -> None:
    series, seen, after = in_pieces(steps, steps, ends), list[int](), None
    while page := series.page(after, size, descending=descending).steps:
        assert len(page) <= size
        seen += page[::-1] if descending else page
        after = seen[-1]
    assert seen == sorted(steps, reverse=descending)


@given(
    st.dictionaries(st.sampled_from("abc"), STEPS, min_size=1),
    st.lists(st.integers(0, 40), max_size=3),
    st.integers(1, 9),
    st.sampled_from([1, 5]),
    st.none() | st.integers(-25, 65),
    st.none() | st.integers(-25, 65),
)
def test_stretches_along_time_are_pages_of_a_plain_list(
    series: dict[str, list[int]], ends: list[int], size: int, width: int, begin: int | None, end: int | None
) -> None:
    """Several points may be of one time: `width` is how many."""
    times = {name: [step // width for step in steps] for name, steps in series.items()}
    expected = sorted(
        (at, name, step / 2)
        for name, steps in series.items()
        for step, at in zip(steps, times[name], strict=True)
        if (begin is None or at >= begin) and (end is None or at <= end)
    )
    seen: list[tuple[int, str, float]] = []
    after: Position | None = None
    while True:
        along = {
            name: stretch(
                in_pieces(steps, times[name], ends), "timestamp", after and after[0], size, begin=begin, end=end
            )
            for name, steps in series.items()
        }
        assert sum(one.total for one in along.values()) == len(expected)
        xs = {name: one.xs for name, one in along.items()}
        page = series_pages.page(xs, after, size)
        if not page:
            break
        some = [(xs[name][i], name, along[name].ys[i]) for name, (low, high) in page.items() for i in range(low, high)]
        assert len(some) <= size
        seen += sorted(some)
        after = series_pages.end(xs, page)
    assert seen == expected


@given(st.lists(st.tuples(st.sampled_from(["w1", "w2", ""]), st.lists(st.integers(0, 15), min_size=1)), max_size=9))
def test_the_last_worker_of_an_iteration_is_named(batches: list[tuple[str, list[int]]]) -> None:
    workers, expected = Workers(), dict[int, str]()
    for worker, steps in batches:
        workers.add(worker, len(steps))
        expected |= dict.fromkeys(steps, worker)
    if workers.are_several:
        workers.steps = np.array([step for _, steps in batches for step in steps], np.int64)
    asked = sorted(expected)
    assert workers.of(asked) == [expected[step] for step in asked]
    if workers.are_several:
        assert workers.of([-1, 99]) == ["", ""]
