"""`BaseScheduler`: a task that runs for long, looks what is due, launches it and keeps how far it is."""

from __future__ import annotations

import os
import socket
import threading
from datetime import UTC, datetime

from clearml_sdk.automation.schedules.entry import ExecutedJob
from clearml_sdk.automation.schedules.kept import Kept
from clearml_sdk.automation.schedules.launching import Launcher
from clearml_sdk.config.local_server import is_alive
from clearml_sdk.errors import ClearmlError
from clearml_sdk.last_runs import LastRuns, run_key
from clearml_sdk.notices import announce, say
from clearml_sdk.session import Session
from clearml_sdk.starting import last_runs_file
from clearml_sdk.task import Task
from clearml_sdk.task_types import TaskTypes
from clearml_sdk.web_pages import task_page

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from clearml_sdk.automation.schedules.entry import BaseScheduleJob

AGAIN_S = 5.0
"""After a failure (the server is away) it is tried again so much later."""
SHOWN = 500
"""The tables show so many launches, newest last."""


class BaseScheduler:
    """What schedulers by time and by event share."""

    NAME = "Scheduler"

    def __init__(
        self,
        sync_frequency_minutes: float = 15,
        force_create_task_name: str | None = None,
        force_create_task_project: str | None = None,
        pooling_frequency_minutes: float | None = None,
    ) -> None:
        """Take the task of this process as the scheduler's, or begin one.

        Args:
            sync_frequency_minutes: how often changes that people made to the configuration object are looked for.
            force_create_task_name, force_create_task_project: make the scheduler a task of its own, of this name.
            pooling_frequency_minutes: how often it is looked whether something is due; None: exactly when it is.
        """
        self._sync_s = max(0.0, float(sync_frequency_minutes)) * 60
        self._poll_s = None if pooling_frequency_minutes is None else max(0.0, float(pooling_frequency_minutes)) * 60
        self._task = _task_of(force_create_task_name, force_create_task_project, self.NAME)
        self._kept, self._launcher = Kept(self._task), Launcher(self._task._record.session, self._task.id)
        self._woken, self._is_stopped = threading.Event(), False
        self._lock = threading.RLock()
        self._executed: list[ExecutedJob] = []
        self._shown = ""

    def start(self) -> None:
        """Look after the schedule, here, until the task is stopped."""
        while not self._attempt(self._resume):  # without its state it must not launch anything
            self._woken.wait(AGAIN_S)
            if self._is_stopped:
                return
        next_sync = datetime.now(UTC).timestamp() + self._sync_s
        while not self._is_stopped:
            now = datetime.now(UTC)
            if now.timestamp() >= next_sync:
                self._attempt(self._sync)
                next_sync = now.timestamp() + self._sync_s
            is_well = self._attempt(self._step)
            self._attempt(self._show)
            due = self._next_due()
            until = min(next_sync, due.timestamp() if due else next_sync) if is_well else now.timestamp() + AGAIN_S
            if self._poll_s is not None and is_well:
                until = min(until, now.timestamp() + self._poll_s)
            self._pause(max(0.0, until - datetime.now(UTC).timestamp()))

    def start_remotely(self, queue: str = "services") -> None:
        """Have an agent that serves `queue` look after the schedule: this process ends here.

        In the run by the agent the schedule starts.
        """
        if Task.running_locally():
            self._write_entries()
            self._task.execute_remotely(queue_name=queue, exit_process=True)
        self.start()

    def _stop(self) -> None:
        """Have `start` return."""
        self._is_stopped = True
        self._woken.set()

    def _pause(self, seconds: float) -> None:
        """Wait so long, or until something happens."""
        self._woken.wait(min(seconds, threading.TIMEOUT_MAX))
        self._woken.clear()

    def _attempt(self, act: Callable[[], None]) -> bool:
        """Do it; False, having said why, where the server is away or refuses."""
        try:
            with self._lock:
                act()
        except (ClearmlError, OSError) as error:
            say(f"{self.NAME}: {error}")
            self._launcher.forget()
            return False
        return True

    # What the kinds of scheduler do.

    def _resume(self) -> None:
        """Take over what the last process left, and write the entries."""
        raise NotImplementedError

    def _sync(self) -> None:
        """Take over what people changed."""
        raise NotImplementedError

    def _step(self) -> None:
        """Launch what is due."""
        raise NotImplementedError

    def _show(self) -> None:
        """Report the tables."""
        raise NotImplementedError

    def _write_entries(self) -> None:
        """Store the entries."""
        raise NotImplementedError

    def _save(self) -> None:
        """Store how far it is."""
        raise NotImplementedError

    def _next_due(self) -> datetime | None:
        """When something is due next; None: that is not known."""
        return None

    # What they share.

    def _launch_task(
        self, entry: BaseScheduleJob, occasion: str, parameters: dict[str, Any] | None, tags: Sequence[str] = ()
    ) -> str | None:
        """Launch the entry's task and return its id; None, having said why, where that is impossible."""
        try:
            task = self._launcher.launch(entry, occasion, parameters, tags)
        except ValueError as error:
            say(f"{entry.name} is skipped: {error}")
            return None
        announce(f"{entry.name}: task {task} is in queue {entry.queue}")
        return task

    def _call(self, entry: BaseScheduleJob, executed: ExecutedJob, arguments: Sequence[Any]) -> None:
        """Call the entry's function in a thread. The state is stored before: a function is not called twice."""

        def run() -> None:
            try:
                assert entry.base_function is not None
                entry.base_function(*arguments)
            except Exception as error:  # noqa: BLE001  # the user's function: the scheduler goes on whatever it does
                import traceback

                say(f"{entry.name}: the function failed: {''.join(traceback.format_exception(error)).strip()}")
            with self._lock:
                executed.finished = datetime.now(UTC)
            self._woken.set()

        thread = threading.Thread(target=run, name=f"clearml-{entry.name}", daemon=True)
        executed.thread_id = str(id(thread))
        entry.run(executed.thread_id)
        self._executed = [*self._executed[-SHOWN:], executed]
        self._save()
        announce(f"{entry.name}: the function runs")
        thread.start()

    def _functions_running(self, entry: BaseScheduleJob) -> bool:
        names = {thread.name for thread in threading.enumerate()}
        return f"clearml-{entry.name}" in names

    def _report(self, title: str, rows: Sequence[Sequence[Any]]) -> None:
        self._task.get_logger().report_table(title, " ", 0, table_plot=[list(row) for row in rows])

    def _link(self, task: str | None) -> str:
        if not task:
            return ""
        return f'<a href="{task_page(self._task._record.session, task, None)}">{task}</a>'


def shown(value: Any) -> str:
    """A value in a table's cell."""
    if value is None or value is False or value == {} or value == []:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return str(value)


def function_name(entry: BaseScheduleJob) -> str:
    """The entry's function by its name; "" for none."""
    function = entry.base_function
    if function is None:
        return ""
    return f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', repr(function))}"


def task_id(task: Any) -> str:
    """The id of a task given as itself or by its id."""
    return task.strip() if isinstance(task, str) else str(task.id)


def _task_of(name: str | None, project: str | None, kind: str) -> Task:
    current = Task.current_task()
    if current is not None and not (name or project):
        return current
    project, name = project or "DevOps", name or kind
    if current is None:
        # The one of these names goes on where its last process ended - if it has.
        proceed = not _is_in_use(project, name)
        return Task.init(
            project,
            name,
            TaskTypes.service,
            reuse_last_task_id=False,
            continue_last_task=proceed,
            auto_connect_frameworks=False,
        )
    made = Task.create(project, name, TaskTypes.service.value)
    made.mark_started(force=True)
    return made


def _is_in_use(project: str, name: str) -> bool:
    """Whether another process of this machine has the task of these names now."""
    if not Task.running_locally():
        return False
    last = LastRuns(last_runs_file()).get(run_key(Session.default().settings.api_server, project, name))
    if last is None or last.get("host") != socket.gethostname() or not is_alive(last.get("pid")):
        return False
    if last["pid"] == os.getpid():
        return False
    say(f"process {last['pid']} runs {project}/{name} already: this is another scheduler, with a task of its own")
    return True
