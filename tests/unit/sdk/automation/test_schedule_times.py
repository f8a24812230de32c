"""When schedules are due: pure arithmetic, held against a clock that is moved minute by minute."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearml_sdk.automation.schedules.job import ScheduleJob
from clearml_sdk.automation.schedules.times import EPOCH, WEEKDAYS, Timespec, check, first, following, utc

moments = st.datetimes(datetime(2023, 1, 1), datetime(2033, 1, 1), timezones=st.just(UTC))
weekdays = st.lists(st.sampled_from(WEEKDAYS), min_size=1, max_size=7, unique=True).map(tuple)
minutes, hours = st.integers(0, 59), st.integers(0, 23)


def at(text: str) -> datetime:
    found = utc(text)
    assert found is not None
    return found


START = at("2024-01-30T10:11:12")


@pytest.mark.parametrize(
    ("spec", "due"),
    [
        (Timespec(minute=15), "2024-01-30T10:26:12"),
        (Timespec(hour=1), "2024-01-30T11:00:00"),
        (Timespec(hour=1, minute=30), "2024-01-30T10:30:00"),
        (Timespec(hour=1, minute=5), "2024-01-30T11:05:00"),
        (Timespec(day=1, hour=22, minute=30), "2024-01-30T22:30:00"),
        (Timespec(day=2, hour=7, minute=30), "2024-02-01T07:30:00"),
        (Timespec(day=3), "2024-02-02T00:00:00"),
        (Timespec(day=0, hour=8, minute=30, weekdays=("saturday", "monday")), "2024-02-03T08:30:00"),
        (Timespec(hour=2, weekdays=("saturday", "sunday")), "2024-02-03T02:00:00"),
        (Timespec(minute=5, weekdays=("monday",)), "2024-02-05T00:05:00"),
        (Timespec(hour=30, minute=5, weekdays=("monday",)), "2024-02-05T00:05:00"),
        (Timespec(month=1), "2024-02-01T00:00:00"),
        (Timespec(month=1, day=31), "2024-01-31T00:00:00"),
        (Timespec(month=1, day=30, hour=1), "2024-02-29T01:00:00"),
        (Timespec(month=3, day=4, hour=8, minute=30), "2024-04-04T08:30:00"),
        (Timespec(month=1, weekdays=("friday",), hour=3), "2024-02-02T03:00:00"),
        (Timespec(year=1, month=2, day=29), "2024-02-29T00:00:00"),
        (Timespec(year=2030, month=3, day=4, hour=8), "2030-03-04T08:00:00"),
    ],
)
def test_the_first_time_is_as_documented(spec: Timespec, due: str) -> None:
    check(spec)
    assert first(spec, START) == at(due)


def test_the_last_day_of_every_month_is_found_in_leap_years_too() -> None:
    spec, due, found = Timespec(month=1, day=31, hour=6), at("2023-12-31T06:00:00"), []
    for _ in range(14):
        due = following(spec, due, due) or EPOCH
        found.append(due)
    assert [moment.day for moment in found] == [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 31, 28]


def test_a_year_is_due_once_and_a_past_one_never() -> None:
    assert first(Timespec(year=2020), START) is None
    due = first(Timespec(year=2030), START)
    assert due == at("2030-01-01")
    assert following(Timespec(year=2030), due, due) is None


def test_missed_times_are_not_made_up_for() -> None:
    daily = Timespec(day=1, hour=8)
    assert following(daily, at("2024-01-01T08:00:00"), at("2024-01-20T12:00:00")) == at("2024-01-21T08:00:00")
    often = Timespec(minute=10)
    assert following(often, at("2024-01-01T08:00:00"), at("2024-01-01T08:00:03")) == at("2024-01-01T08:10:00")
    assert following(often, at("2024-01-01T08:00:00"), at("2024-01-01T09:03:00")) == at("2024-01-01T09:13:00")


@given(moments, minutes, hours, weekdays)
def test_times_on_days_of_the_week_are_those_of_a_clock(
    start: datetime, minute: int, hour: int, days: tuple[str, ...]
) -> None:
    due = first(Timespec(day=0, hour=hour, minute=minute, weekdays=days), start)
    clock = start.replace(hour=hour, minute=minute, second=0, microsecond=0)
    while clock <= start or WEEKDAYS[clock.weekday()] not in days:
        clock += timedelta(days=1)
    assert due == clock


@given(moments, st.integers(1, 36), minutes)
def test_hours_are_regular(start: datetime, step: int, minute: int) -> None:
    spec = Timespec(hour=step, minute=minute)
    due = first(spec, start)
    assert due is not None and start < due <= start + timedelta(hours=step)
    assert following(spec, due, due) == due + timedelta(hours=step)


@given(moments, st.integers(1, 13), st.integers(1, 31), st.integers(1, 30))
def test_months_keep_their_day_as_far_as_they_have_it(start: datetime, step: int, day: int, times: int) -> None:
    spec = Timespec(month=step, day=day)
    due = first(spec, start)
    assert due is not None and due > start
    number = due.year * 12 + due.month
    for _ in range(times):
        due = following(spec, due, due)
        assert due is not None
        number += step
        assert due.year * 12 + due.month == number
        assert due.day == min(day, calendar.monthrange(due.year, due.month)[1])


specs = st.one_of(
    st.builds(Timespec, minute=st.integers(1, 5000)),
    st.builds(Timespec, hour=st.integers(1, 100), minute=minutes),
    st.builds(Timespec, day=st.integers(1, 40), hour=hours, minute=minutes),
    st.builds(Timespec, hour=st.integers(1, 30), weekdays=weekdays),
    st.builds(Timespec, minute=st.integers(1, 300), weekdays=weekdays),
    st.builds(Timespec, month=st.integers(1, 12), day=st.integers(1, 31), hour=hours),
    st.builds(Timespec, year=st.integers(1, 5), month=st.integers(1, 12), day=st.integers(1, 31)),
)


@given(specs, moments, st.timedeltas(timedelta(0), timedelta(days=900)))
def test_what_follows_is_later_than_now_and_than_the_run(spec: Timespec, start: datetime, late: timedelta) -> None:
    check(spec)
    due = first(spec, start)
    assert due is not None and due > start
    now = due + late
    after = following(spec, due, now)
    assert after is not None and after > now
    assert not spec.weekdays or WEEKDAYS[after.weekday()] in spec.weekdays
    assert following(spec, due, now) == after  # the same whenever it is asked


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "when is it to run"),
        ({"weekdays": ["sunday"]}, "when is it to run"),
        ({"minute": 0.5}, "minute of a schedule must be an integer"),
        ({"hour": -1}, "must not be negative"),
        ({"hour": 24, "day": 1}, "hour of a schedule that repeats by the day is at most 23"),
        ({"minute": 75, "hour": 1}, "minute of a schedule that repeats by the hour is at most 59"),
        ({"weekdays": ["someday"], "hour": 3}, "weekdays of a schedule are a list of monday"),
        ({"weekdays": "monday", "hour": 3}, "weekdays of a schedule are a list"),
        ({"weekdays": ["sunday"], "day": 2, "hour": 3}, "with weekdays, day must be"),
        ({"minute": 1, "execution_limit_hours": 0}, "limit_execution_time is a number of hours"),
        ({"minute": 1, "queue": None}, "in which queue"),
        ({"minute": 1, "base_task_id": None}, "what is to run"),
        ({"minute": 1, "task_parameters": ["x"]}, "task_parameters is a dictionary"),
    ],
)
def test_an_impossible_entry_says_what_is_wrong(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ScheduleJob(**{"name": "n", "base_task_id": "t", "queue": "q", **values}).verify()


def test_an_entry_goes_on_from_what_was_stored() -> None:
    job = ScheduleJob(name="n", base_task_id="t", queue="q", minute=5, starting_time=EPOCH)
    assert job.next() == EPOCH  # at once
    job.run("first")
    due = job.next()
    assert due is not None and due > datetime.now(UTC)
    again = ScheduleJob().update(job.to_dict(full=True))
    assert again == job and again != ScheduleJob(name="n")
    assert again.next() == due
    assert again.get_last_executed_task_id() == "first"
    assert "_last_executed" not in job.to_dict()


def test_an_entry_that_does_not_recur_runs_once() -> None:
    job = ScheduleJob(name="n", base_task_id="t", queue="q", minute=5, recurring=False, execution_limit_hours=1)
    assert job.next() is not None
    until = job.run("task")
    assert until is not None and until == job.get_execution_timeout()
    assert job.next() is None


@pytest.mark.parametrize("day", range(7))
def test_days_of_the_week_have_numbers(day: int) -> None:
    assert ScheduleJob.get_weekday_ord(WEEKDAYS[day]) == ScheduleJob.get_weekday_ord(day) == day


def test_what_is_no_day_of_the_week_is_refused() -> None:
    for wrong in ("someday", 7):
        with pytest.raises(ValueError, match="days of the week are"):
            ScheduleJob.get_weekday_ord(wrong)
