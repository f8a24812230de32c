"""`LocalClearmlJob`: a job whose task runs on this machine, as a process of its own in this environment."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

from clearml_sdk.automation.jobs.base import BaseJob
from clearml_sdk.automation.jobs.cloned import ClearmlJob
from clearml_sdk.config.local_server import is_alive
from clearml_sdk.errors import ClearmlError
from clearml_sdk.notices import say, warn_once
from clearml_sdk.process_role import MASTER, STREAMS
from clearml_sdk.record import TaskRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

GRACE_S = 10.0
"""From SIGTERM to SIGKILL of a process that is to end."""

_NOT_PASSED_ON = (MASTER, STREAMS, "CLEARML_AGENT_RUN", "CLEARML_LOG_TASK_TO_BACKEND", "CLEARML_SIMULATE_REMOTE_TASK")
"""Variables that speak of this process's own task."""

LOCAL_PROCESS = "_local_process"
"""Key of a task's runtime: `host:pid` of the process that runs it and that no agent looks after."""


class LocalClearmlJob(ClearmlJob):
    """As `ClearmlJob`, but `launch` starts a process here; its end sets the task's final status."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """As `ClearmlJob`."""
        super().__init__(*args, **kwargs)
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = ""
        self._waiter: threading.Thread | None = None
        self._is_aborted = False

    @classmethod
    def of(cls, record: TaskRecord) -> LocalClearmlJob:
        """The job of a task that another process made."""
        job = cls.__new__(cls)
        BaseJob.__init__(job)
        job._record, job._local_imports = record, True
        job._process, job._folder, job._waiter, job._is_aborted = None, "", None, False
        return job

    def launch(self, queue_name: str | None = None) -> bool:
        """Start the process. False when the task is a cached one, or its code is not found here."""
        if self._is_cached_task:
            return False
        record = self._of()
        script = record.reload().get("script") or {}
        try:
            folder, command = self._prepare(script)
        except (OSError, ValueError) as error:
            say(f"job {record.id} cannot run here: {error}")
            record.call("tasks.failed", {"status_reason": "not found here", "status_message": str(error)[:1000]})
            self._note({"status": "failed"})
            return False
        record.call("tasks.started", {"force": True})
        self._process = subprocess.Popen(
            command, cwd=folder, env=self._environment(record.id, folder), start_new_session=os.name == "posix"
        )
        self.task_started = True
        self._note({"status": "in_progress"})
        with contextlib.suppress(ClearmlError):  # then a controller that takes over cannot tell that it lives
            record.change("runtime", {LOCAL_PROCESS: f"{_host()}:{self._process.pid}"})
        self._waiter = threading.Thread(target=self._finish, name=f"clearml-job-{record.id[:8]}", daemon=True)
        self._waiter.start()
        _running.add(self)
        return True

    def wait_for_process(self, timeout: int | None = None) -> int | None:
        """Wait until the process has ended and its task has its final status: the exit code, None after `timeout` s."""
        if self._process is None or self._waiter is None:
            return None
        self._waiter.join(timeout)
        return None if self._waiter.is_alive() else self._process.returncode

    def abort(self) -> None:
        """End the process; the task is stopped."""
        self._is_aborted = True
        if self._process is None:
            super().abort()
            return
        _end(self._process)
        self.wait_for_process()

    def _prepare(self, script: Mapping[str, Any]) -> tuple[str, list[str]]:
        """(folder to start in, command line): recorded code is written out, that of a repository must be here."""
        entry = str(script.get("entry_point") or "")
        if script.get("repository"):
            folder = os.path.normpath(os.path.join(_working_copy(), str(script.get("working_dir") or ".")))
            if entry.startswith("-m "):
                return folder, [sys.executable, *entry.split()]
            path = os.path.join(folder, entry)
            if not os.path.isfile(path):
                raise ValueError(f"{path} does not exist: start in a working copy of {script['repository']}")
            return folder, [sys.executable, path]
        code = str(script.get("diff") or "")
        if not code:
            raise ValueError("the task has no code")
        self._folder = tempfile.mkdtemp(prefix="clearml-job-")
        path = os.path.join(self._folder, os.path.basename(entry) or "script.py")
        with open(path, "w", encoding="utf-8") as file:
            file.write(code)
        return os.getcwd(), [sys.executable, path]

    def _environment(self, task: str, folder: str) -> dict[str, str]:
        environment = {key: value for key, value in os.environ.items() if key not in _NOT_PASSED_ON}
        environment["CLEARML_TASK_ID"] = task
        if self._local_imports:
            places = [folder, *(place or os.getcwd() for place in sys.path), environment.get("PYTHONPATH", "")]
            environment["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(place for place in places if place))
        return environment

    def _finish(self) -> None:
        """Wait for the process, and set the final status of its task."""
        assert self._process is not None
        code = self._process.wait()
        _running.discard(self)
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
        try:
            self._set_status(code)
        except ClearmlError as error:
            warn_once(f"local job {self.task_id()}", f"job {self.task_id()} ended with {code}, untold: {error}")
        self._status_at = float("-inf")

    def _set_status(self, code: int) -> None:
        record = self._of()
        if record.read_fields("status").get("status") != "in_progress":
            return  # the script has set it
        if self._is_aborted:
            record.call("tasks.stopped", {"force": True, "status_reason": "stopped by its controller"})
        elif code == 0:
            record.call("tasks.completed", {"force": True, "status_reason": "completed"})
        else:
            how = f"terminated by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            record.call("tasks.failed", {"force": True, "status_reason": how, "status_message": how})


def runs_here(local_process: str) -> bool | None:
    """Whether the process of `LOCAL_PROCESS` lives; None when it is another machine's."""
    host, _, pid = local_process.rpartition(":")
    if host != _host() or not pid.isdigit():
        return None
    return is_alive(int(pid))


@contextlib.contextmanager
def ended_with_us() -> Iterator[None]:
    """End the processes of local jobs when this process leaves the block while they run."""
    try:
        yield
    finally:
        end_all()


def end_all() -> None:
    """End the processes of all local jobs."""
    for job in list(_running):
        job.abort()


_running: set[LocalClearmlJob] = set()


def _end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, then SIGKILL to the process and what it has started."""
    _signal(process, signal.SIGTERM)
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        pass  # it does not listen
    _signal(process, getattr(signal, "SIGKILL", signal.SIGTERM))


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.name == "posix":
            os.killpg(process.pid, number)
        else:
            process.terminate()


def _working_copy() -> str:
    from clearml_sdk.script.repository import GitFailed, git

    try:
        return git(os.getcwd(), "rev-parse", "--show-toplevel").strip()
    except (GitFailed, FileNotFoundError) as error:
        raise ValueError(f"{os.getcwd()} is in no git repository") from error


def _host() -> str:
    import socket

    return socket.gethostname()
