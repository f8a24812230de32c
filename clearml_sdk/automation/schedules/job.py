"""`ScheduleJob`: an entry of a `TaskScheduler`, with its times and when it is due next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from clearml_sdk.automation.schedules import times
from clearml_sdk.automation.schedules.entry import BaseScheduleJob
from clearml_sdk.automation.schedules.times import EPOCH, Timespec, utc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class ScheduleJob(BaseScheduleJob):
    """Launched at given times (UTC)."""

    FIELDS = (
        *BaseScheduleJob.FIELDS,
        "execution_limit_hours",
        "recurring",
        "starting_time",
        "minute",
        "hour",
        "day",
        "weekdays",
        "month",
        "year",
        "_next_run",
        "_execution_timeout",
        "_last_executed",
        "_schedule_counter",
    )
    TIMES = ("starting_time", "_next_run", "_execution_timeout", "_last_executed")

    def __init__(
        self,
        name: str | None = None,
        base_task_id: str | None = None,
        base_function: Callable[..., Any] | None = None,
        queue: str | None = None,
        target_project: str | None = None,
        single_instance: bool = False,
        task_parameters: dict[str, Any] = {},  # noqa: B006  # the surface's default; it is never changed
        task_overrides: dict[str, Any] = {},  # noqa: B006  # as above
        clone_task: bool = True,
        executed_instances: list[str] | None = None,
        execution_limit_hours: float | None = None,
        recurring: bool = True,
        starting_time: str | datetime | None = None,
        minute: float | None = None,
        hour: float | None = None,
        day: Any = None,
        weekdays: Any = None,
        month: float | None = None,
        year: float | None = None,
        next_run: str | datetime | None = None,
        execution_timeout: str | datetime | None = None,
        last_executed: str | datetime | None = None,
        schedule_counter: int = 0,
    ) -> None:
        """See `TaskScheduler.add_task`.

        Args:
            starting_time: times are counted from here; 1970: due at once.
            next_run, execution_timeout, last_executed, schedule_counter: how far it is.
        """
        super().__init__(
            name=name,
            base_task_id=base_task_id,
            base_function=base_function,
            queue=queue,
            target_project=target_project,
            single_instance=single_instance,
            task_parameters=task_parameters,
            task_overrides=task_overrides,
            clone_task=clone_task,
            executed_instances=executed_instances,
        )
        self.execution_limit_hours, self.recurring = execution_limit_hours, recurring
        self.starting_time = utc(starting_time) or datetime.now(UTC)
        self.minute, self.hour, self.day, self.weekdays = minute, hour, day, weekdays
        self.month, self.year = month, year
        self._next_run, self._execution_timeout = utc(next_run), utc(execution_timeout)
        self._last_executed, self._schedule_counter = utc(last_executed), schedule_counter

    @property
    def timespec(self) -> Timespec:
        """The times alone."""
        weekdays = self.weekdays if self.weekdays is not None else ()
        if isinstance(weekdays, str):
            raise ValueError(f"weekdays of a schedule are a list, such as [{weekdays!r}]")
        return Timespec(
            minute=_whole(self.minute),
            hour=_whole(self.hour),
            day=_whole(self.day),
            weekdays=tuple(weekdays),
            month=_whole(self.month),
            year=_whole(self.year),
        )

    def verify(self) -> None:
        """Raise ValueError saying what is missing or wrong."""
        super().verify()
        try:
            times.check(self.timespec)
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None
        limit = self.execution_limit_hours
        if limit is not None and not (isinstance(limit, int | float) and limit > 0):
            raise ValueError(f"{self.name}: limit_execution_time is a number of hours, not {limit!r}")
        if limit and self.base_function:
            raise ValueError(f"{self.name}: a function cannot be stopped, limit_execution_time is for tasks")

    def next_run(self) -> datetime | None:
        """When it is due, as `next` found it; None when never again (or before `next`)."""
        return self._next_run

    def next(self) -> datetime | None:
        """Find out when it is due next, and return that; None when never again.

        A run that is due stays so until it is noted by `run`.
        """
        times.check(self.timespec)
        if not self._schedule_counter:
            if self.starting_time == EPOCH:  # at once
                self._next_run = EPOCH
            else:
                self._next_run = times.first(self.timespec, self.starting_time)
        elif not self.recurring:
            self._next_run = None
        else:
            ran = self._last_executed or datetime.now(UTC)
            due = self._next_run
            if due is None or due <= ran:
                planned = due if due is not None and due != EPOCH else ran
                self._next_run = times.following(self.timespec, planned, ran)
        return self._next_run

    def run(self, task_id: str | None) -> datetime | None:
        """Note that it was launched now; returns when the run is to be stopped, None where it has no limit."""
        super().run(task_id)
        self._last_executed = datetime.now(UTC)
        self._schedule_counter += 1
        limit = self.execution_limit_hours
        self._execution_timeout = self._last_executed + timedelta(hours=limit) if limit and task_id else None
        return self._execution_timeout

    def get_execution_timeout(self) -> datetime | None:
        """When the last run is to be stopped; None where it has no limit."""
        return self._execution_timeout

    @classmethod
    def get_weekday_ord(cls, weekday: int | str) -> int:
        """The number of a day of the week: Monday is 0. Raises ValueError for what is none."""
        if isinstance(weekday, int):
            if not 0 <= weekday <= 6:
                raise ValueError(f"days of the week are 0 to 6, not {weekday}")
            return weekday
        if weekday not in times.WEEKDAYS:
            raise ValueError(f"days of the week are {', '.join(times.WEEKDAYS)}; not {weekday!r}")
        return times.WEEKDAYS.index(weekday)

    def skip(self, now: datetime) -> None:
        """Let this time pass without a launch: the next is after `now`."""
        planned = self._next_run if self._next_run is not None and self._next_run != EPOCH else now
        self._next_run = times.following(self.timespec, planned, now) if self.recurring else None


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value
