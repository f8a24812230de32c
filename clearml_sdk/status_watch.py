"""Waiting for tasks to change their status: one long call for all of them, where the server has it (`tasks.wait`).

Of a server that does not, the statuses are read again and again.
"""

from __future__ import annotations

import threading
import time

from clearml_sdk.errors import ApiError, ClearmlError
from clearml_sdk.paging import tasks_by_id
from clearml_sdk.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

LONG_S, SHORT_S = 25.0, 0.5
POLL_S = 1.0
"""How often a server without the long call is asked."""
AWAY_S = 1.0
"""Pause after a call that failed for good; the call itself has tried for long."""

TERMINAL = frozenset({"completed", "failed", "stopped", "closed", "published", "publishing"})
"""Statuses in which nobody runs the task."""
GONE = "gone"
"""Told in place of a status: the task was deleted."""

_UNKNOWN_ENDPOINT = 404
TOLD = ["id", "status", "status_message", "status_reason"]
"""What is told of a task."""


def changed(session: Session, known: Mapping[str, str], timeout_s: float) -> dict[str, dict[str, Any]]:
    """Those of the tasks (id -> status that is known) whose status is another one; waits up to `timeout_s` for one.

    Of each `status` (`GONE` for a deleted one), `status_message` and `status_reason`. Raises ClearmlError.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        remaining_s = max(0.0, deadline - time.monotonic())
        if session.lacks_wait:
            found = _look(session, known)
        else:
            try:
                body = {"known": dict(known), "timeout_s": min(remaining_s, LONG_S)}
                answer = session.call("tasks.wait", body, timeout_s=LONG_S + session.settings.read_timeout_s)
                found = {str(task["id"]): task for task in answer.get("tasks") or []}
            except ApiError as error:
                if error.code != _UNKNOWN_ENDPOINT:
                    raise
                session.lacks_wait = True
                continue
        if found or time.monotonic() >= deadline:
            return {task: {**told, "status": told.get("status") or GONE} for task, told in found.items()}
        if session.lacks_wait:
            time.sleep(min(POLL_S, remaining_s))


def _look(session: Session, known: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    found = tasks_by_id(session, known, TOLD)
    gone = {task: {"id": task, "status": None} for task in known}
    return {task: told for task, told in {**gone, **found}.items() if told.get("status") != known[task]}


class StatusWatch:
    """Tells of changes of the tasks that are added to it. Safe in threads; `close` it.

    Two threads wait: one for long, the other, meanwhile, for what was added since the first began.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._changed = threading.Condition()
        self._known: dict[str, str] = {}
        self._news: dict[str, dict[str, Any]] = {}
        self._covered: list[set[str]] = [set(), set()]
        self._first_waits = self._is_woken = self._is_closed = False
        self._threads: list[threading.Thread] = []

    def add(self, task: str, status: str) -> None:
        """Tell of `task` once its status is not `status`."""
        with self._changed:
            self._known[task] = status
            while len(self._threads) < 2:
                number = len(self._threads)
                thread = threading.Thread(target=self._run, args=(number,), name="clearml-statuses", daemon=True)
                self._threads.append(thread)
                thread.start()
            self._changed.notify_all()

    def forget(self, task: str) -> None:
        """Tell of `task` no more."""
        with self._changed:
            self._known.pop(task, None)
            self._news.pop(task, None)

    def wake(self) -> None:
        """Have `wait` return."""
        with self._changed:
            self._is_woken = True
            self._changed.notify_all()

    def wait(self, timeout_s: float | None = None) -> dict[str, dict[str, Any]]:
        """What changed since the last call; empty when `wake` was called or the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._news or self._is_woken or self._is_closed, timeout_s)
            found, self._news, self._is_woken = self._news, {}, False
            return found

    def close(self) -> None:
        """Stop; calls under way end by themselves."""
        with self._changed:
            self._is_closed = True
            self._known.clear()
            self._changed.notify_all()

    def _run(self, number: int) -> None:
        while True:
            with self._changed:
                self._first_waits = self._first_waits or number == 0
                self._changed.wait_for(lambda: self._is_closed or self._may_begin(number))
                if self._is_closed:
                    return
                if number == 0:
                    self._first_waits = False
                known = {task: status for task, status in self._known.items() if task not in self._covered[1 - number]}
                self._covered[number] = set(known)
                self._changed.notify_all()  # what is added from now on is the other's
            try:
                found = changed(self._session, known, SHORT_S if number else LONG_S)
            except (ClearmlError, OSError):
                found = {}  # the server is away: the call has tried for long, and said so
                time.sleep(AWAY_S)
            with self._changed:
                self._covered[number] = set()
                for task, told in found.items():
                    if task in self._known:
                        self._known[task] = str(told["status"])
                        self._news[task] = told
                        if self._known[task] in TERMINAL or self._known[task] == GONE:
                            del self._known[task]
                self._changed.notify_all()

    def _may_begin(self, number: int) -> bool:
        if number == 0:
            return bool(self._known) and not self._covered[1]
        return bool(self._covered[0]) and not self._first_waits and bool(self._known.keys() - self._covered[0])
