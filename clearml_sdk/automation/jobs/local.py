"""`LocalClearmlJob`: a job whose task runs on this machine, as a process of its own in this environment."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import tempfile
import threading

from clearml_sdk.automation.jobs import forking, processes
from clearml_sdk.automation.jobs.base import BaseJob
from clearml_sdk.automation.jobs.cloned import ClearmlJob
from clearml_sdk.automation.jobs.processes import Order, Process, Started
from clearml_sdk.errors import ClearmlError
from clearml_sdk.notices import say, warn_once
from clearml_sdk.process_role import MASTER, STREAMS
from clearml_sdk.record import TaskRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

_NOT_PASSED_ON = (MASTER, STREAMS, "CLEARML_AGENT_RUN", "CLEARML_LOG_TASK_TO_BACKEND")
"""Variables that speak of this process's own task."""

LOCAL_PROCESS = "_local_process"
"""Key of a task's runtime: the name (`processes.name_of`) of the process that runs it and that no agent looks after."""


class LocalClearmlJob(ClearmlJob):
    """As `ClearmlJob`, but `launch` starts a process here.

    The process sets the final status of its task, as nobody but it knows that its work is done should this one die.
    What it left open (its script does not use the SDK, or it was killed) is set here when it has ended.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """As `ClearmlJob`."""
        super().__init__(*args, **kwargs)
        self._start_values()

    def _start_values(self) -> None:
        self._process: Process | None = None
        self._exit_code: int | None = None
        self._folder = ""
        self._waiter: threading.Thread | None = None
        self._is_aborted = False
        self.is_lost = False
        """Its process was another one's, and ended without anybody knowing how."""

    @classmethod
    def of(cls, record: TaskRecord) -> LocalClearmlJob:
        """The job of a task that another process made, and launched if the task's process lives."""
        job = cls.__new__(cls)
        BaseJob.__init__(job)
        job._record, job._local_imports = record, True
        job._start_values()
        return job

    def adopt(self, process_name: object) -> bool:
        """Look after the process that another one started for the task; False when it has ended."""
        pid = processes.pid_of(str(process_name or ""))
        if pid is None:
            return False
        self._look_after(Process(pid))
        return True

    def adopt_or_fail(self, process_name: object) -> str:
        """As `adopt`; the task of a process that ended without a word has failed. Returns the status of the task."""
        if self.adopt(process_name):
            return "in_progress"
        status = self.status(force=True)  # it may have been set a moment ago
        if status == "in_progress":
            self.is_lost, status = True, "failed"
            self._of().call("tasks.failed", {"force": True, "status_reason": "its process is gone"})
        return status

    def launch(self, queue_name: str | None = None) -> bool:
        """Start the process. False when the task is a cached one, or its code is not found here."""
        if self._is_cached_task:
            return False
        record = self._of()
        document = record.reload()
        try:
            order = self._order(document.get("script") or {})
        except (OSError, ValueError) as error:
            say(f"job {record.id} cannot run here: {error}")
            record.call("tasks.failed", {"status_reason": "not found here", "status_message": str(error)[:1000]})
            self._note({"status": "failed"})
            return False
        process = self._start(record, document.get("runtime") or {}, order)
        self.task_started = True
        self._note({"status": "in_progress"})
        self._look_after(process)
        return True

    @staticmethod
    def _start(record: TaskRecord, runtime: Mapping[str, Any], order: Order) -> Process:
        """Have a process begin. Where it can wait the task says first which one it is: who takes over then finds it."""
        forked = forking.fork(order.environment)
        if forked is None:
            record.call("tasks.started", {"force": True})
            started = Started(order)
            record.edit(runtime={**runtime, LOCAL_PROCESS: processes.name_of(started.pid)})
            return started
        try:
            record.edit(runtime={**runtime, LOCAL_PROCESS: processes.name_of(forked.pid)})
            record.call("tasks.started", {"force": True})
        except BaseException:
            forked.dismiss()
            raise
        forked.tell(order)
        return forked

    def _look_after(self, process: Process) -> None:
        self._process = process
        _running.add(self)
        self._waiter = threading.Thread(target=self._finish, name=f"clearml-job-{self.task_id()[:8]}", daemon=True)
        self._waiter.start()

    def wait_for_process(self, timeout: float | None = None) -> int | None:
        """Wait until the process has ended and its task has its final status.

        Returns the exit code; None after `timeout` s, and for a process that another one started.
        """
        if self._waiter is None:
            return None
        self._waiter.join(timeout)
        return self._exit_code

    def abort(self) -> None:
        """End the process; the task is stopped."""
        self._is_aborted = True
        if self._process is None or self._waiter is None:
            super().abort()
        elif self._waiter.is_alive():
            processes.terminate(self._process.pid, self._waiter)
            self._waiter.join()

    def end(self) -> None:
        """As `abort`, but a process whose task has its final status may end by itself."""
        with contextlib.suppress(ClearmlError):  # then nobody knows whether it has
            if self.status(force=True) != "in_progress":
                self.wait_for_process(processes.GRACE_S)
        self.abort()

    def _order(self, script: Mapping[str, Any]) -> Order:
        """What to run: recorded code is written out, that of a repository must be here."""
        entry = str(script.get("entry_point") or "")
        if script.get("repository"):
            folder = os.path.normpath(os.path.join(_working_copy(), str(script.get("working_dir") or ".")))
            environment = self._environment(folder)
            if entry.startswith("-m "):
                _, module, *arguments = entry.split()
                return Order(folder, environment, module=module, arguments=arguments)
            path = os.path.join(folder, entry)
            if not os.path.isfile(path):
                raise ValueError(f"{path} does not exist: start in a working copy of {script['repository']}")
            return Order(folder, environment, path=path, arguments=[])
        code = str(script.get("diff") or "")
        if not code:
            raise ValueError("the task has no code")
        self._folder = tempfile.mkdtemp(prefix="clearml-job-")
        path = os.path.join(self._folder, os.path.basename(entry) or "script.py")
        with open(path, "w", encoding="utf-8") as file:
            file.write(code)
        return Order(os.getcwd(), self._environment(os.getcwd()), path=path, arguments=[])

    def _environment(self, folder: str) -> dict[str, str]:
        environment = {key: value for key, value in os.environ.items() if key not in _NOT_PASSED_ON}
        environment["CLEARML_TASK_ID"] = environment["CLEARML_SIMULATE_REMOTE_TASK"] = self.task_id()
        if self._local_imports:
            places = [folder, *(place or os.getcwd() for place in sys.path), environment.get("PYTHONPATH", "")]
            environment["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(place for place in places if place))
        return environment

    def _finish(self) -> None:
        """Wait for the process, and see to the final status of its task."""
        assert self._process is not None
        code = self._exit_code = self._process.wait()
        _running.discard(self)
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
        try:
            self._set_status(code)
        except ClearmlError as error:
            warn_once(f"local job {self.task_id()}", f"job {self.task_id()} ended with {code}, untold: {error}")
        self._status_at = float("-inf")

    def _set_status(self, code: int | None) -> None:
        record = self._of()
        if record.read_fields("status").get("status") != "in_progress":
            return  # the process has set it
        if self._is_aborted:
            record.call("tasks.stopped", {"force": True, "status_reason": "stopped by its controller"})
        elif code == 0:
            record.call("tasks.completed", {"force": True, "status_reason": "completed"})
        else:
            self.is_lost = code is None
            how = "its process is gone" if code is None else f"exit code {code}"
            if code is not None and code < 0:
                how = f"terminated by {signal.Signals(-code).name}"
            record.call("tasks.failed", {"force": True, "status_reason": how, "status_message": how})


@contextlib.contextmanager
def ended_with_us() -> Iterator[None]:
    """End the processes of local jobs when this process leaves the block while they run."""
    try:
        yield
    finally:
        end_all()


def end_all() -> None:
    """End the processes of all local jobs."""
    forking.retire()
    for job in list(_running):
        job.end()


_running: set[LocalClearmlJob] = set()


def _working_copy() -> str:
    from clearml_sdk.script.repository import GitFailed, git

    try:
        return git(os.getcwd(), "rev-parse", "--show-toplevel").strip()
    except (GitFailed, FileNotFoundError) as error:
        raise ValueError(f"{os.getcwd()} is in no git repository") from error
