"""When a schedule is due: arithmetic on times in UTC, without I/O and without a clock.

The longest unit that is given is the time between runs, the shorter ones are times inside it: `hour=22, minute=30,
day=1` is every day at 22:30, `hour=1, minute=30` every hour at half past. `minute` alone counts from the start. A year
from 1970 on is that year, once. A day that a month does not have is that month's last.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
FIRST_YEAR = 1970
"""`year` from here on is a year; below, a number of years."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LONG_AGO = timedelta(days=400)
"""Times of day are not counted one by one over more than that."""


@dataclass(frozen=True)
class Timespec:
    """The times of a schedule, as its parameters say them."""

    minute: int | None = None
    hour: int | None = None
    day: int | None = None
    weekdays: tuple[str, ...] = ()
    month: int | None = None
    year: int | None = None

    @property
    def is_empty(self) -> bool:
        """Whether no time is given at all."""
        return not any((self.minute, self.hour, self.day, self.month, self.year))


def check(spec: Timespec) -> None:
    """Raise ValueError saying what is wrong with the times."""
    for name in (field.name for field in fields(spec) if field.name != "weekdays"):
        value = getattr(spec, name)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool):
            if isinstance(value, float) and value.is_integer():
                continue
            raise ValueError(f"{name} of a schedule must be an integer, not {value!r}")
        if value < 0:
            raise ValueError(f"{name} of a schedule must not be negative: {value}")
    unknown = [day for day in spec.weekdays if day not in WEEKDAYS]
    if unknown:
        raise ValueError(f"weekdays of a schedule are a list of {', '.join(WEEKDAYS)}; not {unknown[0]!r}")
    if spec.weekdays and (spec.day or 0) > 1:
        raise ValueError("with weekdays, day must be None, 0 or 1: both say which days")
    if spec.is_empty and not (spec.weekdays and spec.day is not None and (spec.hour, spec.minute) != (None, None)):
        raise ValueError("when is it to run? Give minute, hour, day, month or year")
    _check_inner(spec)


def _check_inner(spec: Timespec) -> None:
    """The units below the longest are times, and have their limits."""
    unit = unit_of(spec)
    limits = [("minute", 59, ("hour", "day", "month", "year")), ("hour", 23, ("day", "month", "year"))]
    limits += [("day", 31, ("month", "year")), ("month", 12, ("year",))]
    for name, highest, outer in limits:
        value = getattr(spec, name)
        if value is not None and unit in outer and value > highest:
            raise ValueError(f"{name} of a schedule that repeats by the {unit} is at most {highest}, not {value}")
    if unit == "year" and (spec.year or 0) >= FIRST_YEAR and (spec.year or 0) > 9999:
        raise ValueError(f"there is no year {spec.year}")


def unit_of(spec: Timespec) -> str:
    """The unit that repeats: the longest that is given."""
    for unit in ("year", "month"):
        if getattr(spec, unit):
            return unit
    if spec.weekdays and spec.day is not None:
        return "day"
    return next((unit for unit in ("day", "hour") if getattr(spec, unit)), "minute")


def first(spec: Timespec, start: datetime) -> datetime | None:
    """The first time that is due after `start`; None for a year that is over."""
    if spec.year and spec.year >= FIRST_YEAR:
        due = _in_month(int(spec.year), int(spec.month or 1), spec)
        return due if due > start else None
    return next(_times(spec, start))


def following(spec: Timespec, last: datetime, now: datetime) -> datetime | None:
    """The first time after `now` of those that follow the due time `last`.

    What was missed meanwhile is not made up for; after long, times are counted from `now`.
    """
    if spec.year and spec.year >= FIRST_YEAR:
        return first(spec, now)
    unit = unit_of(spec)
    if unit == "minute" and now - last > timedelta(minutes=float(spec.minute or 1)):
        last = now
    if unit in ("hour", "day") and now - last > LONG_AGO:
        last = now
    return next(due for due in _times(spec, last) if due > now)


def _times(spec: Timespec, start: datetime) -> Iterator[datetime]:
    """The due times after `start`, without end."""
    unit = unit_of(spec)
    if unit in ("month", "year"):
        return _months(spec, start, 12 * int(spec.year or 0) if unit == "year" else int(spec.month or 0))
    return _days(spec, start) if unit == "day" else _intervals(spec, start, unit)


def _months(spec: Timespec, start: datetime, step: int) -> Iterator[datetime]:
    month = start.year * 12 + start.month - 1
    if spec.year and spec.month:
        month = start.year * 12 + int(spec.month) - 1
    while True:
        due = _in_month(month // 12, month % 12 + 1, spec)
        if due > start:
            yield due
        month += step


def _in_month(year: int, month: int, spec: Timespec) -> datetime:
    day = min(int(spec.day or 1), calendar.monthrange(year, month)[1])
    if spec.weekdays:
        day = next(d for d in range(1, 8) if _is_listed(spec, datetime(year, month, d, tzinfo=UTC)))
    return datetime(year, month, day, int(spec.hour or 0), int(spec.minute or 0), tzinfo=UTC)


def _days(spec: Timespec, start: datetime) -> Iterator[datetime]:
    step = timedelta(days=1 if spec.weekdays else int(spec.day or 1))
    due = start.replace(hour=int(spec.hour or 0), minute=int(spec.minute or 0), second=0, microsecond=0)
    while True:
        if due > start and _is_listed(spec, due):
            yield due
        due += step


def _intervals(spec: Timespec, start: datetime, unit: str) -> Iterator[datetime]:
    """Every so many hours or minutes; with weekdays, counted anew from the midnight after days that are not listed."""
    if unit == "hour":
        step, offset = timedelta(hours=int(spec.hour or 1)), timedelta(minutes=int(spec.minute or 0))
        due = start.replace(minute=int(spec.minute or 0), second=0, microsecond=0)
    else:
        step, offset, due = timedelta(minutes=float(spec.minute or 1)), timedelta(0), start
    if due <= start:
        due += step
    while True:
        if _is_listed(spec, due):
            yield due
            due += step
        else:
            midnight = due.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
            while not _is_listed(spec, midnight):
                midnight += timedelta(days=1)
            due = midnight + step + offset
            if due.date() != midnight.date():  # a step longer than a day: the day's beginning
                due = midnight + offset


def _is_listed(spec: Timespec, day: datetime) -> bool:
    return not spec.weekdays or WEEKDAYS[day.weekday()] in spec.weekdays


def utc(moment: datetime | str | None) -> datetime | None:
    """A time with its zone, UTC where it names none; texts are ISO 8601."""
    if not moment:
        return None
    found = datetime.fromisoformat(moment.replace("Z", "+00:00")) if isinstance(moment, str) else moment
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
