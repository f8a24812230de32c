"""The run of this process: its task, and everything that records it until it ends. One a process."""

from __future__ import annotations

import os
import tempfile
import threading
import time

from clearml_sdk import parameters, process_role
from clearml_sdk.ending import Ending, ExitHooks
from clearml_sdk.errors import ApiError, ServerUnreachable
from clearml_sdk.fork_lock import ForkLock
from clearml_sdk.machine import PROGRESS, runtime_facts
from clearml_sdk.notices import harmless, say
from clearml_sdk.offline import fallback
from clearml_sdk.outbox import Outbox
from clearml_sdk.script.capture import capture_script
from clearml_sdk.script.entry_point import EntryPoint, find_entry_point

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from clearml_sdk.config import Config
    from clearml_sdk.record import TaskRecord
    from clearml_sdk.script.notebook import Cells
    from clearml_sdk.session import Session
    from clearml_sdk.task import Task
    from clearml_sdk.watching import Watcher

CAPTURE_LIMIT_S = 120.0
CLOSE_LIMIT_S = 60.0
"""How long the end of a script waits for changes of the task that are not sent yet."""
STATUS_LIMIT_S = 15.0
"""How long it tries to set the final status of the task, while the server cannot be reached."""


class CaptureWishes:
    """What the script said before `Task.init` about how it is to be recorded."""

    def __init__(self) -> None:
        self.standalone = False
        self.freeze = False
        self.requirements_file: str | None = None
        self.added: dict[str, str | None] = {}
        self.ignored: list[str] = []


class Run:
    """A task in progress in this process.

    role: "local" (a person's process), "remote" (an agent's) or "child" (of a process that has the task).
    """

    def __init__(self, session: Session, config: Config, record: TaskRecord, role: str) -> None:
        self.session, self.config, self.record, self.role = session, config, record, role
        self.pid = os.getpid()
        self.entry: EntryPoint = find_entry_point()
        self.outbox = Outbox()
        self.task: Task | None = None
        self.hooks: ExitHooks | None = None
        self.watcher: Watcher | None = None
        self.monitor: Any = None
        self.parts: list[tuple[str, Callable[[float | None], object]]] = []
        """(what closing it does, close(limit_s)) of what records this run, in the order in which it is closed."""
        self.publish_when_completed = False
        self.aborted: str | None = None
        self.is_closed = False
        self._capture: threading.Thread | None = None
        self._close_lock = ForkLock()

    @property
    def is_remote(self) -> bool:
        return self.role == "remote"

    def install_hooks(self) -> None:
        """Learn of the process's end from now on."""
        # A child's reports are in its journal: whoever has the task delivers them.
        is_child = self.role == "child"
        self.hooks = ExitHooks(lambda ending, limit_s: self.close(ending, limit_s=limit_s), signals=not is_child)
        self.hooks.install()

    def start_watching(self) -> None:
        """Notice a stop from outside, unless the configuration says not to (`sdk.development.support_stopping`)."""
        from clearml_sdk.watching import Watcher

        if not self.config.flag("sdk.development.support_stopping", True):
            return
        ping_s = self.config.number("sdk.development.worker.ping_period_sec", 30.0)
        self.watcher = Watcher(self.record, ping_s=ping_s, stopping=self._note_abort)
        self.watcher.start()

    def start_capture(self, wishes: CaptureWishes, *, detect_repository: bool) -> None:
        """Record code, packages and machine in a thread; `finish_capture` waits for it."""

        def capture() -> None:
            self._know_project()
            with harmless("recording the machine"):
                self.record.change("runtime", {**runtime_facts(), PROGRESS: "0"})
            with harmless("recording the code"):
                self._record_code(wishes, detect_repository)

        with harmless("recording the environment"):
            self._record_environment()  # at once: the script may read its parameters
        self._capture = threading.Thread(target=capture, name="clearml-capture", daemon=True)
        self._capture.start()
        if self.entry.cells is not None:
            self._follow(self.entry.cells, wishes)

    def _follow(self, cells: Cells, wishes: CaptureWishes) -> None:
        """Record a notebook anew after each cell, and at the end with the cell that ends the task."""

        def again() -> None:
            self._record_code(wishes, detect_repository=False)

        def end(limit_s: float | None) -> None:
            cells.leave()
            with harmless("recording the notebook"):
                again()

        with harmless("watching the notebook"):
            cells.follow(lambda: self.outbox.put("recording the notebook", again))
            self.parts.append(("recording the notebook", end))

    def start_runtime_note(self) -> None:
        """Record the machine alone (a remote run: its code came from the task)."""

        def note() -> None:
            self._know_project()
            with harmless("recording the machine"):
                self.record.change("runtime", runtime_facts())

        self._capture = threading.Thread(target=note, name="clearml-capture", daemon=True)
        self._capture.start()

    def _know_project(self) -> None:
        """Have the name of the task's project at hand, which is part of where its files go."""
        with harmless("reading the project"):
            if project := self.record.get("project"):
                self.session.call("projects.get_by_id", {"project": project})

    def finish_capture(self, timeout_s: float = CAPTURE_LIMIT_S) -> bool:
        """Wait until code and packages are recorded; False when that takes longer."""
        if self._capture is None or self._capture is threading.current_thread():
            return True
        self._capture.join(timeout_s)
        return not self._capture.is_alive()

    def settle(self, timeout_s: float = CAPTURE_LIMIT_S) -> bool:
        """Wait until everything that was changed so far is on the server."""
        deadline = time.monotonic() + timeout_s
        is_captured = self.finish_capture(timeout_s)
        return self.outbox.flush(max(0.1, deadline - time.monotonic())) and is_captured

    def close(self, ending: Ending | None, *, limit_s: float | None = None) -> None:
        """Send what is left, set the final status, and let go of the process. Only the first call does anything.

        Args:
            ending: the final status; None leaves it as it is (another one was set already, or others decide).
            limit_s: for all of it; None: `CLOSE_LIMIT_S`.
        """
        with self._close_lock:
            if self.is_closed or self.pid != os.getpid():
                return
            self.is_closed = True
        deadline = time.monotonic() + (CLOSE_LIMIT_S if limit_s is None else limit_s)
        if self.watcher is not None:
            self.watcher.stop()
        failed = ending is not None and ending.status == "failed"
        self.settle(max(0.1, min(10.0 if failed else CAPTURE_LIMIT_S, deadline - time.monotonic())))
        self.close_parts(None if limit_s is None else deadline)
        if ending is not None and (self.role == "local" or (self.is_remote and process_role.is_simulated())):
            with harmless("setting the task's final status"):
                limit_s = STATUS_LIMIT_S if limit_s is None else deadline - time.monotonic()
                self._set_status(ending, give_up_s=0.0 if self.session.is_down else max(1.0, limit_s))
        if self.session.is_offline and self.role != "child":
            from clearml_sdk.offline.session import OfflineSession

            assert isinstance(self.session, OfflineSession)
            self.session.finish(self.record.id)
            fallback.end()
        self.session.outage = None
        if self.hooks is not None:
            self.hooks.remove()
        process_role.resign(self.record.id)

    def close_parts(self, deadline: float | None = None) -> None:
        """End the console, the resource monitor and the reporter, in this order; what they hold is sent.

        Without a deadline that takes as long as something still gets through.
        """
        while self.parts:
            doing, part = self.parts.pop(0)
            with harmless(doing):
                part(None if deadline is None else max(0.1, deadline - time.monotonic()))

    def _set_status(self, ending: Ending, *, give_up_s: float) -> None:
        if self.aborted:
            ending = Ending("stopped", self.aborted)
        body: dict[str, Any] = {"status_reason": ending.reason}
        if ending.status == "completed" and self.publish_when_completed:
            body["publish"] = True
        if ending.status == "failed":
            body["status_message"] = ending.reason
        endpoint = f"tasks.{ending.status}"
        try:
            found = self.record.read_fields("status", "runtime", give_up_s=give_up_s)
            if found.get("status") == "in_progress":  # else somebody decided already: stopped, enqueued or marked it
                if ending.status == "completed":
                    whole = {"force": True, "runtime": {**(found.get("runtime") or {}), PROGRESS: "100"}}
                    self.record.call("tasks.edit", whole, give_up_s=give_up_s)
                self.record.call(endpoint, body, give_up_s=give_up_s)
        except ServerUnreachable:
            from clearml_sdk import unsent

            unsent.keep(self.session, self.record.id, endpoint, body)
            say(f"Task: the server is away: that it is {ending.status} is set by the next start, or by `clearml sync`")
        except ApiError as error:
            say(f"Task: the server did not accept the status {ending.status}: {error.message}")

    def _note_abort(self) -> None:
        self.aborted = "stopped by the user"

    def _record_code(self, wishes: CaptureWishes, detect_repository: bool) -> None:
        """Record the script, and the packages that it imports."""
        root = self._record_script(wishes, detect_repository)
        if self.entry.cells is None:
            self._record_packages(wishes, root, self.entry.path)
            return
        with tempfile.NamedTemporaryFile("w", suffix=".py", encoding="utf-8", delete=False) as file:
            file.write(self.entry.cells.code())
        try:
            self._record_packages(wishes, self.entry.directory, file.name)
        finally:
            os.unlink(file.name)

    def _record_script(self, wishes: CaptureWishes, detect_repository: bool) -> str:
        captured = capture_script(
            self.entry,
            detect_repository=detect_repository,
            standalone=wishes.standalone,
            store_diff=self.config.flag("sdk.development.store_uncommitted_code_diff", True),
        )
        for notice in captured.notices:
            say(f"Task: {notice}")
        self.record.edit(script=captured.section)
        return captured.root

    def _record_environment(self) -> None:
        """Record the variables that the configuration names (`sdk.development.log_os_environments`) as parameters."""
        named = self.config.get("sdk.development.log_os_environments") or []
        patterns = named.split(",") if isinstance(named, str) else [str(name) for name in named]
        chosen = parameters.environment_items(os.environ, patterns)
        if chosen:
            parameters.write(self.record, chosen)

    def _record_packages(self, wishes: CaptureWishes, root: str, entry: str | None) -> None:
        from clearml_sdk.script.packages import read_requirements, record_requirements

        if wishes.requirements_file:
            requirements = read_requirements(wishes.requirements_file)
        else:
            freeze = wishes.freeze or self.config.flag("sdk.development.detect_with_pip_freeze", False)
            requirements = record_requirements(entry, root, added=wishes.added, ignored=wishes.ignored, freeze=freeze)
        self.record.call("tasks.set_requirements", {"requirements": requirements})
        self.record.forget()


_current: Run | None = None
_current_lock = ForkLock()


def current() -> Run | None:
    """The open run of this process (a forked child inherits it, and reports to it); None when there is none."""
    return _current if _current is not None and not _current.is_closed else None


def set_current(run: Run | None) -> None:
    """Make `run` this process's run."""
    global _current
    _current = run


def exclusively() -> ForkLock:
    """The lock under which a run is started: two threads that call `Task.init` get one task."""
    return _current_lock
