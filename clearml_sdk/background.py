"""Jobs behind the script's back: a few threads, gone when idle; the results can be waited for."""

from __future__ import annotations

import os
import threading
from collections import deque

from clearml_sdk.notices import warn_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Job:
    """Work in the background; `wait` for what it returned (or raised)."""

    def __init__(self, work: Callable[[], bool], key: str) -> None:
        self.work, self.key = work, key
        self._done = threading.Event()
        self._result = False
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._result = self.work()
        except BaseException as error:  # noqa: BLE001  # handed to whoever waits
            self._error = error
        self._done.set()

    def wait(self) -> bool:
        self._done.wait()
        if self._error is not None:
            raise self._error
        return self._result

    def fail_unseen(self) -> None:
        """Say it when the job failed and nobody waits for it."""
        if self._error is not None:
            warn_once(f"background {self.key}", f"storing {self.key!r} failed: {self._error!r}")


class Background:
    """A few threads for uploads, started when needed and gone when idle; jobs with one key run in their order."""

    def __init__(self, name: str, threads: int) -> None:
        self._name, self._limit = name, threads
        self._pid = os.getpid()
        self._reset()

    def _reset(self) -> None:
        self._waiting: deque[Job] = deque()
        self._running: set[str] = set()
        self._threads = 0
        self._changed = threading.Condition()

    def run(self, work: Callable[[], bool], *, key: str) -> Job:
        """Have `work` done; at the end of the process (no thread can start any more) it is done here."""
        if self._pid != os.getpid():  # the parent's threads do the parent's jobs
            self._pid = os.getpid()
            self._reset()
        job = Job(work, key)
        with self._changed:
            self._waiting.append(job)
            if self._threads < self._limit:
                try:
                    threading.Thread(target=self._work, name=self._name, daemon=True).start()
                    self._threads += 1
                except RuntimeError:
                    self._waiting.remove(job)
                    job.run()
            self._changed.notify()
        return job

    def flush(self, timeout_s: float | None = None) -> bool:
        """Wait until nothing waits or runs."""
        if self._pid != os.getpid():
            return True
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._running, timeout_s)

    def _work(self) -> None:
        while True:
            with self._changed:
                job = next((job for job in self._waiting if job.key not in self._running), None)
                if job is None:
                    self._threads -= 1
                    self._changed.notify_all()
                    return
                self._waiting.remove(job)
                self._running.add(job.key)
            job.run()
            job.fail_unseen()
            with self._changed:
                self._running.discard(job.key)
                self._changed.notify_all()
