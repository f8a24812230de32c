"""Walking one sample at a time against a sorted list."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.services.sample_cursor import Cursor, Unit, beside, bounds, decode, encode, newest

UNITS = st.sets(st.tuples(st.integers(0, 5), st.sampled_from("ab"), st.sampled_from("xy")), max_size=20)


@given(UNITS, st.sampled_from("ab"), st.booleans(), st.integers(0, 6) | st.none())
def test_a_walk_visits_every_visible_unit_once(units: set[Unit], metric: str, stays: bool, ceiling: int | None) -> None:
    cursor = Cursor("t", metric, "x", None, stays, ceiling)
    cursor.iteration = newest(units, cursor, None)
    own = [step for step, m, v in units if (m, v) == (metric, "x") and (ceiling is None or step <= ceiling)]
    assert bounds(units, cursor) == (min(own, default=None), max(own, default=None))
    assert cursor.iteration == max(own, default=None)
    if cursor.iteration is None:
        assert beside(units, cursor, earlier=True, other_iteration=False) is None
        return
    here = (cursor.iteration, metric, "x")
    visible = sorted(u for u in units if (ceiling is None or u[0] <= ceiling) and (not stays or u[1] == metric))
    visited = [here]
    while (unit := beside(units, cursor, earlier=True, other_iteration=False)) is not None:
        visited.append(unit)
        cursor.iteration, cursor.metric, cursor.variant = unit
    assert visited == [unit for unit in reversed(visible) if unit <= here]


def test_a_cursor_survives_its_scroll_id() -> None:
    cursor = Cursor("t", 'm"', "ü", None, True, 7)
    assert decode(encode(cursor)) == cursor
    for wrong in ("", "[]", "{}", "after:1"):
        with pytest.raises(ValueError, match=r"^"):
            decode(wrong)
