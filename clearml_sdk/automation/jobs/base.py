"""A task that another one looks after: its status, values and end."""

from __future__ import annotations

import time

from clearml_sdk import queueing, reading
from clearml_sdk.errors import ApiError, ClearmlError, NotFound
from clearml_sdk.notices import say
from clearml_sdk.paging import tasks_by_id
from clearml_sdk.record import TaskRecord
from clearml_sdk.session import Session
from clearml_sdk.status_watch import TERMINAL, TOLD, changed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from clearml_sdk.task import Task

FRESH_S = 1.0
"""A status that was read so long ago is read anew."""


class BaseJob:
    """The job is a task; `launch` has it run."""

    _hashing_callback: Callable[[dict[str, Any]], dict[str, Any]] | None = None

    def __init__(self) -> None:
        self._record: TaskRecord | None = None
        self._task_object: Task | None = None
        self._is_cached_task = False
        self._status: dict[str, Any] = {}
        self._status_at = float("-inf")
        self._worker = ""
        self.task_parameter_override: dict[str, Any] | None = None
        self.task_started = False

    @property
    def task(self) -> Task:
        """The job's task."""
        from clearml_sdk.task import Task

        if self._task_object is None:
            self._task_object = Task._from_record(self._of())
        return self._task_object

    def _of(self) -> TaskRecord:
        if self._record is None:
            raise ValueError("this job has no task")
        return self._record

    @classmethod
    def register_hashing_callback(cls, a_function: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Have a function change what tells jobs apart: it gets and returns a dictionary that describes the task."""
        if not callable(a_function):
            raise ValueError("a hashing callback is a function from a dictionary to a dictionary")
        BaseJob._hashing_callback = staticmethod(a_function)

    # Launching and ending.

    def launch(self, queue_name: str | None = None) -> bool:
        """Put the task into a queue, named or by id. False when it is no draft (a cached one never is)."""
        if self._is_cached_task:
            return False
        session = self._of().session
        try:
            queue = queueing.queue_id(session, queue_name)
            queueing.enqueue(session, self.task_id(), queue=queue, force=False)
        except ApiError as error:
            say(f"job {self.task_id()} was not enqueued: {error.message}")
            return False
        self.task_started = True
        self._note({"status": "queued"})
        return True

    def abort(self) -> None:
        """Stop the task; one in a queue leaves it."""
        if self._is_cached_task:
            return
        try:
            if self.status(force=True) == "queued":
                self._of().call("tasks.dequeue")
            self._of().call("tasks.stopped" if self.is_pending() else "tasks.stop", {"force": True})
        except ClearmlError as error:
            say(f"job {self.task_id()} was not stopped: {error}")
        self._status_at = float("-inf")

    def delete(self) -> bool:
        """Delete the task. False when that could not be done, or it is another job's that stands for this one."""
        if self._is_cached_task:
            return False
        try:
            self._of().call("tasks.delete", {"force": True})
        except ClearmlError as error:
            say(f"job {self.task_id()} was not deleted: {error}")
            return False
        return True

    def wait(
        self, timeout: float | None = None, pool_period: float = 30.0, aborted_nonresponsive_as_running: bool = False
    ) -> bool:
        """Wait until the task has ended; False when `timeout` minutes pass before.

        pool_period: seconds between questions to a server that does not tell by itself.
        """
        deadline = None if timeout is None else time.monotonic() + timeout * 60
        while not self.is_stopped(aborted_nonresponsive_as_running):
            remaining_s = pool_period if deadline is None else min(pool_period, deadline - time.monotonic())
            if remaining_s <= 0:
                return False
            told = changed(self._of().session, {self.task_id(): str(self._status.get("status") or "")}, remaining_s)
            if self.task_id() in told:
                self._note(told[self.task_id()])
        return True

    # What is known about it.

    def task_id(self) -> str:
        """The id of the task."""
        return self._of().id

    def status(self, force: bool = False) -> str:
        """The status of the task, at most a second old; with `force` read now."""
        if force or time.monotonic() - self._status_at > FRESH_S:
            try:
                self._note(self._of().read_fields(*TOLD[1:]))
            except NotFound:
                self._note({"status": "unknown"})
        return str(self._status.get("status") or "unknown")

    def status_message(self) -> str:
        """The message of the last change of status."""
        self.status()
        return str(self._status.get("status_message") or "")

    def _note(self, found: dict[str, Any]) -> None:
        self._status, self._status_at = found, time.monotonic()

    @classmethod
    def update_status_batch(cls, jobs: Sequence[BaseJob]) -> None:
        """Read the statuses of many jobs at once."""
        by_id: dict[str, list[BaseJob]] = {}
        for job in jobs:
            if job._record is not None:
                by_id.setdefault(job.task_id(), []).append(job)
        if not by_id:
            return
        session = next(iter(by_id.values()))[0]._of().session
        for task_id, task in tasks_by_id(session, by_id, TOLD).items():
            for job in by_id[task_id]:
                job._note(task)

    def is_running(self) -> bool:
        """Whether somebody runs the task."""
        return self.status() == "in_progress"

    def is_stopped(self, aborted_nonresponsive_as_running: bool = False) -> bool:
        """Whether the task has ended, however.

        aborted_nonresponsive_as_running: a task that was ended because nothing was heard of it may be heard of again.
        """
        status = self.status()
        if aborted_nonresponsive_as_running and status == "stopped":
            return "forced stop (non-responsive)" not in str(self._status.get("status_message") or "").lower()
        return status in TERMINAL

    def is_failed(self) -> bool:
        """Whether the task failed."""
        return self.status() == "failed"

    def is_completed(self) -> bool:
        """Whether the task completed, or was published."""
        return self.status() in ("completed", "published")

    def is_aborted(self) -> bool:
        """Whether the task was stopped from outside."""
        return self.status() == "stopped"

    def is_pending(self) -> bool:
        """Whether the task has not begun."""
        return self.status() in ("queued", "created")

    def started(self) -> bool:
        """Whether the task has been launched by this job."""
        return self.task_started or self._is_cached_task

    def is_cached_task(self) -> bool:
        """Whether the task is one that ran before, with the same code and inputs."""
        return self._is_cached_task

    def elapsed(self) -> float:
        """Seconds from the start of the task until now, or its end; -1 before it has started."""
        found = self._of().read_fields("started", "completed", "status")
        started, ended = _seconds(found.get("started")), _seconds(found.get("completed"))
        if started is None:
            return -1.0
        return (ended if ended is not None and found.get("status") in TERMINAL else time.time()) - started

    def iterations(self) -> int:
        """The last iteration that was reported; -1 before the first."""
        found = self._of().read_fields("last_iteration", "started")
        return int(found.get("last_iteration") or 0) if found.get("started") else -1

    def worker(self) -> str | None:
        """The worker that runs, or ran, the task; None before."""
        self._worker = self._worker or str(self._of().read_fields("last_worker").get("last_worker") or "")
        return self._worker or None

    def get_console_output(self, number_of_reports: int = 1) -> Sequence[str]:
        """The last reports of the console."""
        return reading.console(self._of(), number_of_reports)

    def get_metric(self, title: str, series: str) -> tuple[float | None, float | None, float | None]:
        """(lowest, highest, last) value of a scalar; None for each that there is not."""
        fields, title_hash, series_hash, names = self.get_metric_req_params(title, series)
        found = self._of().read_fields(*fields).get("last_metrics") or {}
        values = (found.get(title_hash) or {}).get(series_hash) or {}
        return values.get(names[0]), values.get(names[1]), values.get(names[2])

    @staticmethod
    def get_metric_req_params(title: str, series: str) -> tuple[list[str], str, str, list[str]]:
        """(fields to ask the server for, key of the title, key of the series, names of the values there)."""
        title_hash, series_hash = reading.metric_path(title, series)
        names = ["min_value", "max_value", "value"]
        return [f"last_metrics.{title_hash}.{series_hash}.{name}" for name in names], title_hash, series_hash, names


class RunningJob(BaseJob):
    """A job over a task that exists already."""

    def __init__(self, existing_task: Task | str) -> None:
        super().__init__()
        if isinstance(existing_task, str):
            self._record = TaskRecord(Session.default(), existing_task)
        else:
            self._task_object, self._record = existing_task, existing_task._record
        self.task_started = True

    def force_set_is_cached(self, cached: bool) -> None:
        """Say whether the task stands for one that was to run."""
        self._is_cached_task = cached


def _seconds(moment: Any) -> float | None:
    """An ISO time as seconds since the epoch; None for none."""
    if not moment:
        return None
    from datetime import UTC, datetime

    try:
        found = datetime.fromisoformat(str(moment).replace("Z", "+00:00"))
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
