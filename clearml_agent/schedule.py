"""When a worker takes tasks: `--uptime` or `--downtime`, each a list of `"<hours> <days>"`, in local time. Pure.

    hours  `17-20` from 17:00 until 20:00; `22-3` over midnight, of the day on which it begins; `9` from 9:00 until
           midnight; an end of `0` or `24` is midnight; lists with commas
    days   `SUN` to `SAT`, ranges (`FRI-SUN` too) and lists with commas; none: every day

Source: contract/agent_behaviour.md 2, with its ranges over midnight and over the week's end repaired.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from clearml_agent.errors import UsageError

DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
DAY_HOURS = 24
FORM = '"<hours> <days>", such as "9-17 MON-FRI" or "22-3"'


@dataclass(frozen=True)
class Schedule:
    """hours: of the week, Sunday 0:00 being 0, in which tasks are taken."""

    hours: frozenset[int]

    def is_on(self, at: datetime) -> bool:
        """Whether tasks are taken at that local time."""
        return hour_of_week(at) in self.hours

    def seconds_to_change(self, at: datetime) -> float | None:
        """Until taking tasks begins or ends; None: never."""
        now = self.is_on(at)
        hour = at.replace(minute=0, second=0, microsecond=0)
        for ahead in range(1, len(DAYS) * DAY_HOURS + 1):
            moment = hour + timedelta(hours=ahead)
            if self.is_on(moment) != now:
                return (moment - at).total_seconds()
        return None


def schedule(uptime: Sequence[str], downtime: Sequence[str]) -> Schedule | None:
    """What `uptime` or `downtime` ask for; None: always. Raises UsageError for both, or for what cannot be read."""
    if uptime and downtime:
        raise UsageError("--uptime (agent.uptime) and --downtime (agent.downtime) exclude each other: give one of them")
    if uptime:
        return Schedule(hours_of(uptime))
    every = frozenset(range(len(DAYS) * DAY_HOURS))
    return Schedule(every - hours_of(downtime)) if downtime else None


def entries(value: object) -> list[str]:
    """A configured timetable: a list, one entry as text, or nothing."""
    if isinstance(value, str):
        return [value] if value.strip() else []
    return [str(entry) for entry in value] if isinstance(value, Sequence) else []


def hours_of(entries: Sequence[str]) -> frozenset[int]:
    """The hours of the week that entries name."""
    found: set[int] = set()
    for entry in entries:
        words = str(entry).split()
        if not 1 <= len(words) <= 2:
            raise UsageError(f"a time is {FORM}, not {entry!r}")
        for day in _days(words[1], entry) if len(words) == 2 else range(len(DAYS)):
            for hour in _hours(words[0], entry):
                found.add((day * DAY_HOURS + hour) % (len(DAYS) * DAY_HOURS))
    return frozenset(found)


def hour_of_week(at: datetime) -> int:
    return at.isoweekday() % len(DAYS) * DAY_HOURS + at.hour


def _hours(text: str, entry: str) -> set[int]:
    """Hours from the day's beginning; 24 and more are of the next day."""
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if not first.isdigit() or (dash and not last.isdigit()) or int(first) > 23 or (dash and int(last) > DAY_HOURS):
            raise UsageError(f"{part!r} in {entry!r} are no hours: a time is {FORM}")
        begin, end = int(first), (int(last) or DAY_HOURS) if dash else DAY_HOURS
        found |= set(range(begin, end if end > begin else end + DAY_HOURS))
    return found


def _days(text: str, entry: str) -> set[int]:
    found: set[int] = set()
    for part in text.upper().split(","):
        first, dash, last = part.partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            raise UsageError(f"{part!r} in {entry!r} are no days: they are {', '.join(DAYS)}")
        begin, end = DAYS.index(first), DAYS.index(last or first)
        found |= {day % len(DAYS) for day in range(begin, end + 1 if end >= begin else end + len(DAYS) + 1)}
    return found
