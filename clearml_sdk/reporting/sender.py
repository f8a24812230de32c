"""The background thread that brings one lane of a live journal to the server."""

from __future__ import annotations

import threading
import time

from clearml_sdk.journal.posting import Outcome
from clearml_sdk.notices import warn_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from clearml_sdk.journal.lane import Lane
    from clearml_sdk.journal.posting import Courier

MAX_DELAY_S = 30.0
LOOK_S = 0.25


class Sender:
    """Delivers what is in `lane`, every `period_s` seconds or when woken.

    Args:
        pause: called between two steps of what holds the interpreter.
        delay_s: how long to wait before attempt n + 1; see `SessionCore.retry_delay_s`.
    """

    def __init__(
        self,
        lane: Lane,
        courier: Courier,
        *,
        name: str,
        period_s: float,
        delay_s: Callable[[int], float],
        pause: Callable[[], object] = lambda: None,
    ) -> None:
        self._lane, self._courier, self.period_s, self._delay_s = lane, courier, period_s, delay_s
        self._pause = pause
        self._wake = threading.Event()
        self._changed = threading.Condition()
        self._is_stopping = False
        self._waiters = 0
        self._progress = 0
        self._attempts = 0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def is_awaited(self) -> bool:
        """Whether somebody waits in `flush`."""
        return self._waiters > 0

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Come now instead of at the end of the period."""
        self._wake.set()

    def flush(
        self,
        timeout_s: float | None,
        *,
        give_up_s: float | None = None,
        is_vain: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Wait until everything appended before this call is delivered; whether it was.

        Args:
            timeout_s: wait so long at most; None: as long as it takes.
            give_up_s: stop waiting when nothing at all got through for so long; None: do not.
            is_vain: stop waiting when this is so after another attempt.
        """
        target = self._lane.position()
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        with self._changed:
            self._waiters += 1
            self._wake.set()
            try:
                attempts = self._attempts
                progress, quiet_until = self._progress, None if give_up_s is None else time.monotonic() + give_up_s
                while self._lane.delivered_position() < target:
                    if not self.is_alive:
                        return False
                    now = time.monotonic()
                    if self._progress != progress and give_up_s is not None:
                        progress, quiet_until = self._progress, now + give_up_s
                    limits = [limit for limit in (deadline, quiet_until) if limit is not None]
                    if limits and min(limits) <= now:
                        return False
                    if self._attempts > attempts and is_vain():
                        return False
                    self._changed.wait(min([*(limit - now for limit in limits), LOOK_S]))
                    if self._attempts > attempts:
                        self._wake.set()  # while somebody waits it is tried more often
            finally:
                self._waiters -= 1
        return True

    def stop(self, timeout_s: float) -> bool:
        """End the thread (what is not delivered stays in the journal) and wait for it; whether it has ended."""
        self._is_stopping = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        attempt = 0
        while not self._is_stopping:
            self._lane.prepare(self._pause)
            segment = self._lane.first()
            if segment is None:
                attempt = 0
                self._notify()
                self._wake.wait(self.period_s)
                self._wake.clear()
                continue
            try:
                outcome = self._courier.deliver(segment)
            except Exception as error:  # noqa: BLE001  # a defect of ours: the reports stay in the journal, this goes on
                warn_once(f"sender {type(error).__name__}", f"reports wait in the journal: {error!r}")
                outcome = Outcome.LATER
            self._attempts += 1
            if outcome is not Outcome.LATER:
                attempt = 0
                self._progress += 1
                if self._waiters:
                    self._notify()
                continue
            attempt += 1
            self._notify()
            self._wake.wait(min(self._delay_s(attempt), MAX_DELAY_S))  # a flush tries again at once
            self._wake.clear()

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()
