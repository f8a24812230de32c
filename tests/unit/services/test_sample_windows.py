"""Paging through debug samples."""

from __future__ import annotations

import pytest

from control_plane.services.sample_windows import next_steps, read_scroll, write_scroll


def test_every_iteration_is_shown_once_on_the_way_back_and_then_no_more() -> None:
    shown, window = [], None
    while steps := next_steps(range(10), window, 4, earlier=True):
        shown.append(steps)
        window = (steps[-1], steps[0])
    assert shown == [[9, 8, 7, 6], [5, 4, 3, 2], [1, 0]]


def test_going_forward_shows_what_is_next_to_the_window() -> None:
    assert next_steps(range(10), (2, 3), 3, earlier=False) == [6, 5, 4]
    assert next_steps(range(10), (8, 9), 3, earlier=False) == []


def test_a_scroll_id_keeps_its_windows() -> None:
    assert read_scroll(write_scroll({"t": (1, 2)})) == {"t": (1, 2)}
    assert read_scroll(None) == read_scroll("0") == {}


@pytest.mark.parametrize("scroll", ["x", "[1]", '{"t": 1}', '{"t": ["a", "b"]}'])
def test_what_is_no_scroll_id_is_refused(scroll: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        read_scroll(scroll)
