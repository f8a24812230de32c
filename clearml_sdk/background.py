"""Jobs behind the script's back: a few threads, gone when idle; the results can be waited for."""

from __future__ import annotations

import os
import threading
import time
from collections import deque

from clearml_sdk.notices import warn_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


QUIET_S = 5.0
"""The end of a run waits no longer for uploads of which nothing moves, when the journal has them all."""
LOOK_S = 0.25


class Job:
    """Work in the background; `wait` for what it returned (or raised).

    is_kept: a later process does it, if need be. where: gives the URL that it uploads to, or what that begins with.
    """

    def __init__(
        self, work: Callable[[], bool], key: str, *, is_kept: bool, where: Callable[[], str] | None = None
    ) -> None:
        self.work, self.key, self.is_kept, self.where = work, key, is_kept, where
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
        self._running: dict[str, Job] = {}
        self._threads = 0
        self._moved_at = 0.0
        self._changed = threading.Condition()

    def run(
        self, work: Callable[[], bool], *, key: str, is_kept: bool = False, where: Callable[[], str] | None = None
    ) -> Job:
        """Have `work` done; at the end of the process (no thread can start any more) it is done here."""
        if self._pid != os.getpid():  # the parent's threads do the parent's jobs
            self._pid = os.getpid()
            self._reset()
        job = Job(work, key, is_kept=is_kept, where=where)
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

    def moved(self, count: int) -> None:
        """Say that something of a job got through."""
        self._moved_at = time.monotonic()

    def flush_or_leave(self, timeout_s: float | None, *, is_vain: Callable[[], bool]) -> bool:
        """As `flush`, but leave to a later process what the journal has and does not move, or where it `is_vain`."""
        started = time.monotonic()
        while not self.flush(LOOK_S):
            now = time.monotonic()
            if timeout_s is not None and now - started > timeout_s:
                return False
            is_quiet = now - max(started, self._moved_at) > QUIET_S
            if self._is_kept() and (is_quiet or self._is_refused() or is_vain()):
                return False
        return True

    def _is_refused(self) -> bool:
        """Whether nobody listens where the jobs of all threads upload to."""
        from clearml_sdk.storage import http_files, urls

        with self._changed:
            jobs = list(self._running.values())
        places = [job.where() if job.where is not None else "" for job in jobs]
        return bool(places) and all(
            urls.scheme_of(place) in ("http", "https") and http_files.is_down(place) for place in places
        )

    def _is_kept(self) -> bool:
        """Whether nothing on its way would be lost with the process."""
        with self._changed:
            return all(job.is_kept for job in (*self._waiting, *self._running.values()))

    def _work(self) -> None:
        while True:
            with self._changed:
                job = next((job for job in self._waiting if job.key not in self._running), None)
                if job is None:
                    self._threads -= 1
                    self._changed.notify_all()
                    return
                self._waiting.remove(job)
                self._running[job.key] = job
            job.run()
            job.fail_unseen()
            with self._changed:
                self._running.pop(job.key, None)
                self._changed.notify_all()
