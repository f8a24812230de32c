"""Changes that are sent behind the script's back: in order, one thread, the newest state of each thing only."""

from __future__ import annotations

import os
import threading
import time

from clearml_sdk.notices import harmless, warn_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Outbox:
    """A thread that runs what `put` gives it; started with the first, alone in each forked process."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._reset()

    def _reset(self) -> None:
        self._waiting: dict[str, Callable[[], None]] = {}
        self._running = False
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()

    def put(self, doing: str, send: Callable[[], None]) -> None:
        """Have `send` called soon; it replaces one with the same `doing` (a text for warnings) that still waits."""
        self._after_fork()
        with self._changed:
            self._waiting[doing] = send
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="clearml-outbox", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self, timeout_s: float) -> bool:
        """Wait until nothing waits or runs; False when that takes longer than `timeout_s`."""
        self._after_fork()
        if threading.current_thread() is self._thread:
            return True
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while self._waiting or self._running:
                if not self._changed.wait(deadline - time.monotonic()) and time.monotonic() >= deadline:
                    return False
        return True

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
                doing = next(iter(self._waiting))
                send = self._waiting.pop(doing)
                self._running = True
            try:
                with harmless(doing):
                    send()
            except Exception as error:  # noqa: BLE001  # a defect of ours must not stop what is sent after it
                warn_once(f"outbox: {type(error).__name__}", f"{doing} failed: {error!r}")
            finally:
                with self._changed:
                    self._running = False
                    self._changed.notify_all()

    def _after_fork(self) -> None:
        if self._pid != os.getpid():  # the parent's thread is not here, and it sends what waited
            self._pid = os.getpid()
            self._reset()
