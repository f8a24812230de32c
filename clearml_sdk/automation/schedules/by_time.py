"""`TaskScheduler`: launches tasks and calls functions at given times."""

from __future__ import annotations

from datetime import UTC, datetime

from clearml_sdk.automation.schedules.entry import ExecutedJob
from clearml_sdk.automation.schedules.job import ScheduleJob
from clearml_sdk.automation.schedules.service import SHOWN, BaseScheduler, function_name, shown
from clearml_sdk.automation.schedules.service import task_id as id_of
from clearml_sdk.automation.schedules.times import EPOCH, utc
from clearml_sdk.notices import say
from clearml_sdk.paging import tasks_by_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from clearml_sdk.task import Task

CONFIGURATION, DESCRIPTION = "schedule", "schedule tasks configuration"
COLUMNS = (
    *("base_task_id", "base_function", "next_run", "target_project", "queue"),
    *("minute", "hour", "day", "weekdays", "month", "year"),
    *("starting_time", "execution_limit_hours", "recurring", "single_instance"),
    *("task_parameters", "task_overrides", "clone_task"),
)


class TaskScheduler(BaseScheduler):
    """Launches tasks at given times. All times are UTC.

    The schedule is the configuration object `schedule` of the scheduler's task, and can be edited there while it runs.
    """

    NAME = "Task Scheduler"

    def __init__(
        self,
        sync_frequency_minutes: float = 15,
        force_create_task_name: str | None = None,
        force_create_task_project: str | None = None,
    ) -> None:
        """See `BaseScheduler`."""
        super().__init__(sync_frequency_minutes, force_create_task_name, force_create_task_project)
        self._jobs: list[ScheduleJob] = []
        self._timeouts: dict[str, datetime] = {}
        """Launched task -> when it is to be stopped."""

    def add_task(
        self,
        schedule_task_id: str | Task | None = None,
        schedule_function: Callable[[], Any] | None = None,
        queue: str | None = None,
        name: str | None = None,
        target_project: str | None = None,
        minute: int | None = None,
        hour: int | None = None,
        day: int | None = None,
        weekdays: list[str] | None = None,
        month: int | None = None,
        year: int | None = None,
        limit_execution_time: float | None = None,
        single_instance: bool = False,
        recurring: bool = True,
        execute_immediately: bool = False,
        reuse_task: bool = False,
        task_parameters: dict[str, Any] | None = None,
        task_overrides: dict[str, Any] | None = None,
    ) -> bool:
        """Add a task to launch, or a function to call in this process.

        The longest unit given is the time between runs, shorter ones are times inside it: `minute=15` is every 15
        minutes, `hour=1, minute=30` every hour at half past, `hour=22, minute=30, day=1` every day at 22:30, `day=31,
        month=1` the last day of every month, `hour=2, weekdays=["saturday", "sunday"]` every two hours of the weekend,
        `day=0, hour=8, weekdays=["monday"]` Mondays at 8, `year=2030, month=3, day=4` that day, once.

        Args:
            schedule_task_id: a copy of this task is launched.
            queue: name or id; of a task.
            name: of the entry; None: the task's id or the function's name.
            target_project: of the copies, `${date}` and `${time}` in it replaced; None: the task's.
            limit_execution_time: hours after which a run is stopped.
            single_instance: let a time pass while the last run goes on.
            recurring: False: once.
            execute_immediately: also at the start.
            reuse_task: run the task itself, reset, instead of copies.
            task_parameters: `Section/name` -> value. task_overrides: dotted path -> value, such as `script.branch`.

        False, having said why, when there is one of this name already or its time is over. Raises ValueError when the
        entry is not possible.
        """
        base = id_of(schedule_task_id) if schedule_task_id else None
        job = ScheduleJob(
            name=name or base or getattr(schedule_function, "__name__", None),
            base_task_id=base,
            base_function=schedule_function,
            queue=queue,
            target_project=target_project,
            single_instance=bool(single_instance),
            task_parameters=task_parameters or {},
            task_overrides=task_overrides or {},
            clone_task=not reuse_task,
            execution_limit_hours=limit_execution_time,
            recurring=bool(recurring),
            starting_time=EPOCH if execute_immediately else None,
            minute=minute,
            hour=hour,
            day=day,
            weekdays=weekdays,
            month=month,
            year=year,
        )
        with self._lock:
            if not name:
                job.name = _free_name(str(job.name), {str(known.name) for known in self._jobs})
            return self._add(job)

    def _add(self, job: ScheduleJob) -> bool:
        job.verify()
        reason = "its time is over" if job.next() is None else ""
        if any(known.name == job.name for known in self._jobs):
            reason = "there is such an entry already"
        if reason:
            say(f"not scheduled: {job.name}: {reason}")
            return False
        self._jobs.append(job)
        self._woken.set()
        return True

    def get_scheduled_tasks(self) -> list[ScheduleJob]:
        """The entries."""
        with self._lock:
            return list(self._jobs)

    def remove_task(self, task_id: str | Task | Callable[..., Any]) -> bool:
        """Remove the entries of a task (or its id, or the entry's name), or of a function. False when there is none."""
        with self._lock:
            wanted = task_id if callable(task_id) else id_of(task_id)
            kept = [job for job in self._jobs if wanted not in (job.base_task_id, job.base_function, job.name)]
            is_found, self._jobs = len(kept) < len(self._jobs), kept
            self._woken.set()
            return is_found

    def start(self) -> None:
        """Look after the schedule, here, until the task is stopped."""
        super().start()

    def start_remotely(self, queue: str = "services") -> None:
        """Have an agent that serves `queue` look after the schedule: this process ends here."""
        super().start_remotely(queue)

    # As the base has it.

    def _resume(self) -> None:
        state = self._kept.load()
        stored = {str(values.get("name")): values for values in state.get("scheduled_jobs") or []}
        edited = self._kept.edited(CONFIGURATION)
        if edited is not None:
            self._take_over(edited)
        for job in self._jobs:
            values = {key: value for key, value in stored.get(str(job.name), {}).items() if key.startswith("_")}
            job.update(values)
            if stored.get(str(job.name), {}).get("starting_time") and job.starting_time != EPOCH:
                job.starting_time = utc(stored[str(job.name)]["starting_time"]) or job.starting_time
        self._executed = [ExecutedJob(**values) for values in state.get("executed_jobs") or []]
        self._timeouts = {
            task: moment for task, text in (state.get("timeout_jobs") or {}).items() if (moment := utc(text))
        }
        self._catch_up()
        self._write_entries()
        self._save()

    def _catch_up(self) -> None:
        """Note what the last process launched without having noted it."""
        for (name, occasion), task in self._launcher.launched().items():
            job = next((job for job in self._jobs if job.name == name), None)
            if job is None or task.get("status") == "created" or task["id"] in (job._executed_instances or []):
                continue
            due = utc(occasion)
            if job._last_executed is None or (due is not None and due > job._last_executed):
                job._next_run = due
                self._note(job, str(task["id"]))
                job.next()

    def _sync(self) -> None:
        edited = self._kept.edited(CONFIGURATION)
        if edited is not None:
            self._take_over(edited)
            self._save()
        elif not self._is_written():
            self._write_entries()

    def _is_written(self) -> bool:
        from clearml_sdk.automation.schedules.kept import encoded

        return self._kept._written.get(CONFIGURATION) == encoded([job.to_dict() for job in self._jobs])

    def _take_over(self, edited: list[dict[str, Any]]) -> None:
        """Make the entries what somebody has made of them; one that is not possible stays as it was."""
        before = {str(job.name): job for job in self._jobs}
        after: list[ScheduleJob] = []
        for values in edited:
            old = before.get(str(values.get("name")))
            job = ScheduleJob().update(old or {}).update(values)
            job.base_task_id = job.base_task_id or None
            try:
                job.verify()
                if old is None or _when(old) != _when(job):
                    job._next_run = None
                    job.skip(datetime.now(UTC)) if job._schedule_counter else job.next()
            except ValueError as error:
                say(f"the entry in the configuration object {CONFIGURATION} is not possible: {error}")
                if old is None:
                    continue
                job = old
            after.append(job)
        self._jobs = after

    def _step(self) -> None:
        now = datetime.now(UTC)
        for job in list(self._jobs):
            due = job.next_run() or (job.next() if not job._schedule_counter else None)
            if due is not None and due <= now:
                self._run(job, due, now)
        for task, moment in list(self._timeouts.items()):
            if moment <= now:
                self._launcher.stop(task, "the schedule's limit of execution time")
                del self._timeouts[task]
                self._save()
        self._note_ends()

    def _run(self, job: ScheduleJob, due: datetime, now: datetime) -> None:
        occasion = due.isoformat()
        if job.base_function is not None:
            if job.single_instance and self._functions_running(job):
                job.skip(now)
                return
            self._call(job, ExecutedJob(str(job.name), started=now), ())
            return
        if job.single_instance and self._launcher.is_running(job.get_last_executed_task_id()):
            say(f"{job.name}: its last run goes on, this time passes")
            job.skip(now)
        else:
            task = self._launch_task(job, occasion, job.task_parameters)
            if task is None:
                job.skip(now) if job._schedule_counter else self._note(job, None)
            else:
                self._note(job, task)
            job.next()
        self._save()

    def _note(self, job: ScheduleJob, task: str | None) -> None:
        until = job.run(task)
        if task is None:
            return
        executed = ExecutedJob(str(job.name), started=job._last_executed, task_id=task)
        self._executed = [*self._executed[-SHOWN:], executed]
        if until is not None:
            self._timeouts[task] = until

    def _note_ends(self) -> None:
        """Note which of the launched tasks have ended."""
        open_ = [executed for executed in self._executed[-SHOWN:] if executed.task_id and executed.finished is None]
        if not open_:
            return
        ids = [str(executed.task_id) for executed in open_]
        found = tasks_by_id(self._task._record.session, ids, ["id", "status", "completed"])
        for executed in open_:
            task = found.get(str(executed.task_id), {})  # {}: it was deleted
            if task.get("status") not in ("created", "queued", "in_progress"):
                executed.finished = utc(task.get("completed")) or datetime.now(UTC)
                self._timeouts.pop(str(executed.task_id), None)

    def _next_due(self) -> datetime | None:
        with self._lock:
            moments = [job.next_run() for job in self._jobs] + list(self._timeouts.values())
            return min((moment for moment in moments if moment is not None), default=None)

    def _write_entries(self) -> None:
        self._kept.write(CONFIGURATION, self._jobs, DESCRIPTION)

    def _save(self) -> None:
        self._kept.save(
            {
                "scheduled_jobs": [job.to_dict(full=True) for job in self._jobs],
                "timeout_jobs": self._timeouts,
                "executed_jobs": [executed.to_dict(full=True) for executed in self._executed[-SHOWN:]],
            }
        )

    def _show(self) -> None:
        rows = [["name", *COLUMNS]]
        for job in self._jobs:
            special = {"base_task_id": self._link(job.base_task_id), "base_function": function_name(job)}
            special["next_run"] = shown(job.next_run())
            rows.append([str(job.name), *(special.get(name, shown(getattr(job, name, None))) for name in COLUMNS)])
        runs = [["name", "task id", "started", "finished"]]
        for run in self._executed[-SHOWN:]:
            place = self._link(run.task_id) if run.task_id else "function"
            runs.append([str(run.name), place, shown(run.started), shown(run.finished)])
        if (text := repr((rows, runs))) != self._shown:
            self._report("Schedule Tasks", rows)
            self._report("Executed Tasks", runs)
            self._kept.show()
            self._shown = text


def _when(job: ScheduleJob) -> tuple[Any, ...]:
    return job.timespec, job.recurring, job.starting_time


def _free_name(name: str, taken: set[str]) -> str:
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name} #{number}"
    return found
