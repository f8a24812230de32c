"""Notes about queues: minutes, hours and intervals tell the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from control_plane.store.queue_minutes import HOUR_S, Span, joined, spans

NOTE = st.tuples(st.integers(0, 50), st.integers(0, 9), st.integers(0, 10**6), st.integers(0, 10**6))


def text(note: tuple[int, int, int, int]) -> str:
    return " ".join(map(str, note))


@given(st.dictionaries(st.integers(0, 300), NOTE), st.sampled_from([60, 90, 600, HOUR_S]))
def test_an_interval_is_what_its_minutes_were(minutes: dict[int, tuple[int, int, int, int]], interval_s: int) -> None:
    known = spans({f"m{minute}": text(note) for minute, note in minutes.items()})
    assert [span.at_s for span in known] == [minute * 60 for minute in sorted(minutes)]
    found = joined(known, interval_s)
    wanted: dict[int, list[tuple[int, int, int, int]]] = {}
    for minute, note in sorted(minutes.items()):
        wanted.setdefault(minute * 60 // interval_s * interval_s, []).append(note)
    assert list(found) == sorted(wanted)
    for at_s, notes in wanted.items():
        longest, taken, waited, age = zip(*notes, strict=True)
        assert found[at_s] == Span(at_s, max(longest), sum(taken), sum(waited), max(age))


def test_an_hour_stands_in_only_where_no_minute_of_it_is_kept() -> None:
    known = spans({"h0": "9 9 9 9", "h1": "5 4 3 2", "m3": "1 1 1 1"})
    assert known == [Span(180, 1, 1, 1, 1), Span(HOUR_S, 5, 4, 3, 2)]


def test_the_wait_is_that_of_the_taken_or_of_those_still_waiting() -> None:
    assert Span(0).wait_s == 0
    assert Span(0, taken=4, waited_ms=8000, age_ms=1000).wait_s == 2
    assert Span(0, taken=4, waited_ms=8000, age_ms=5000).wait_s == 5
