"""When a worker takes tasks."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from clearml_agent.errors import UsageError
from clearml_agent.schedule import Schedule, schedule

SUNDAY = datetime(2024, 9, 1)


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """day: 0 is a Sunday."""
    return SUNDAY + timedelta(days=day, hours=hour, minutes=minute)


def made(*uptime: str) -> Schedule:
    found = schedule(uptime, ())
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("entry", "on", "off"),
    [
        ("17-20 SUN,TUE", [(0, 17), (0, 19), (2, 18)], [(0, 20), (0, 16), (1, 18)]),
        ("9 MON", [(1, 9), (1, 23)], [(1, 8), (2, 9)]),
        ("20-0 MON", [(1, 20), (1, 23)], [(2, 0), (1, 19)]),
        ("0-5 WED", [(3, 0), (3, 4)], [(3, 5), (4, 0)]),
        ("22-3 SAT", [(6, 22), (7, 0), (7, 2)], [(7, 3), (6, 21), (7, 22), (6, 0)]),
        ("8-10,14-15 FRI-SUN", [(5, 8), (6, 14), (7, 9)], [(1, 8), (4, 8), (5, 10), (5, 15)]),
        ("8-10 fri-mon", [(5, 8), (6, 8), (0, 8), (1, 8)], [(2, 8), (4, 8)]),
        ("12-13", [(day, 12) for day in range(7)], [(0, 11), (6, 13)]),
    ],
)
def test_entries_name_hours_of_the_week(entry: str, on: list[tuple[int, int]], off: list[tuple[int, int]]) -> None:
    up, down = made(entry), schedule((), [entry])
    assert down is not None
    for moment in on:
        assert up.is_on(at(*moment, 59))
        assert not down.is_on(at(*moment, 59))
    for moment in off:
        assert not up.is_on(at(*moment))
        assert down.is_on(at(*moment))


def test_the_next_change_is_known() -> None:
    assert made("9-17 MON-FRI").seconds_to_change(at(1, 16, 30)) == 1800
    assert made("9-17 MON-FRI").seconds_to_change(at(5, 17)) == (7 + 24 + 24 + 9) * 3600
    assert made("0-24").seconds_to_change(at(0, 0)) is None


def test_without_any_it_is_always_on() -> None:
    assert schedule((), ()) is None


@pytest.mark.parametrize("entry", ["25 MON", "9-26", "9-17 MONDAY", "", "nine MON", "9 - 17 MON", "9- MON", "9 MON-"])
def test_what_cannot_be_read_is_said(entry: str) -> None:
    with pytest.raises(UsageError):
        schedule([entry], ())


def test_both_at_once_are_refused() -> None:
    with pytest.raises(UsageError, match="exclude each other"):
        schedule(["9-17"], ["9-17"])
