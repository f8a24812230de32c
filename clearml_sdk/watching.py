"""While a run lasts: say that it lives, and notice that somebody stopped it from outside."""

from __future__ import annotations

import os
import signal
import threading
import time

from clearml_sdk.errors import ClearmlError, NotFound
from clearml_sdk.notices import say, warn_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from clearml_sdk.record import TaskRecord

POLL_S = 4.0
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

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop watching; does not wait."""
        self._ended.set()

    def _run(self) -> None:
        pinged_at = time.monotonic()
        while not self._ended.wait(self._poll_s):
            try:
                found = self._record.read_fields("status", "status_message")
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

    def _end_process(self, reason: str) -> None:
        say(f"Task: {reason}; ending this process")
        callback = self.abort_callback
        if callback is not None:
            thread = threading.Thread(target=callback, name="clearml-abort-callback", daemon=True)
            thread.start()
            thread.join(self.abort_timeout_s)
        self._stopping()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE_S)  # the handler finishes the run meanwhile, and the process dies of the signal
        os._exit(128 + signal.SIGTERM)
