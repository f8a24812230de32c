"""While a run lasts: say that it lives, and notice that somebody stopped it from outside."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress

from clearml_sdk.errors import ClearmlError, NotFound
from clearml_sdk.notices import say, warn_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from clearml_sdk.record import TaskRecord

POLL_S = 4.0
SIGN, SIGN_S = "stopping", 0.2
"""File that our agent puts into the run's directory when somebody stops the task, and how often it is looked for."""
GRACE_S = 10.0
"""From the stop signal to the kill of a process that does not end."""


def stop_reason(status: str, message: str) -> str | None:
    """Why a process whose task is in `status` should end; None while it should go on.

    Source: contract/wire.md 9, "Polling reactions of the SDK process".
    """
    if status == "in_progress":
        return "stopped by the user" if "stopping" in message.lower() else None
    if status in ("created", "queued"):
        return None  # enqueued or reset: whoever did that ends this process or lets it run on
    return None if "worker" in message.lower() else f"status changed to {status}"


class Watcher:
    """Polls the task's status; when it was stopped from outside, calls the abort callback and ends the process."""

    def __init__(
        self, record: TaskRecord, *, ping_s: float, stopping: Callable[[], None], poll_s: float = POLL_S
    ) -> None:
        self._record, self._ping_s, self._poll_s, self._stopping = record, ping_s, poll_s, stopping
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="clearml-watcher", daemon=True)
        self.abort_callback: Callable[[], object] | None = None
        self.abort_timeout_s = 30.0

    def register_callback(self, callback: Callable[[], object] | None, timeout_s: float) -> None:
        """Have `callback` called before an abort ends this process, and the agent wait for it.

        Source: contract/agent_behaviour.md 13, "Abort callback".
        """
        self.abort_callback, self.abort_timeout_s = callback, timeout_s
        waits = {"_abort_callback_timeout": timeout_s, "_abort_poll_freq": self._poll_s} if callback else {}
        gone = {"_abort_callback_timeout", "_abort_poll_freq", "_abort_callback_completed"} - set(waits)
        self._record.change("runtime", waits, removed=gone)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop watching; does not wait."""
        self._ended.set()

    def _run(self) -> None:
        pinged_at = time.monotonic()
        while not self._wait():
            try:
                found = self._record.read_fields("status", "status_message", give_up_s=0)
                if time.monotonic() - pinged_at >= self._ping_s:
                    self._record.call("tasks.ping", give_up_s=0)
                    pinged_at = time.monotonic()
            except NotFound:
                warn_once("task gone", "the task was deleted on the server; the script goes on unrecorded")
                return
            except (ClearmlError, OSError):
                continue  # an outage: reports are kept, and whoever sends them says so
            reason = stop_reason(str(found.get("status")), str(found.get("status_message") or ""))
            if reason and not self._ended.is_set():
                self._end_process(reason)
                return

    def _wait(self) -> bool:
        """Until the next look at the server, or the agent's sign that the task is stopped; True: watching is over."""
        run = os.environ.get("CLEARML_AGENT_RUN")
        if self.abort_callback is None or not run:
            return self._ended.wait(self._poll_s)
        until = time.monotonic() + self._poll_s
        while time.monotonic() < until and not os.path.exists(os.path.join(run, SIGN)):
            if self._ended.wait(SIGN_S):
                return True
        return False

    def _end_process(self, reason: str) -> None:
        say(f"Task: {reason}; ending this process")
        callback = self.abort_callback
        if callback is not None:
            thread = threading.Thread(target=callback, name="clearml-abort-callback", daemon=True)
            thread.start()
            thread.join(self.abort_timeout_s)
            with suppress(ClearmlError, OSError):  # then the agent waits for the time that was registered
                self._record.change("runtime", {"_abort_callback_completed": 1})
        self._stopping()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE_S)  # the handler finishes the run meanwhile, and the process dies of the signal
        os._exit(128 + signal.SIGTERM)
