"""`AsyncResult`: what work in the background gives, as scripts know it from `multiprocessing.pool`."""

from __future__ import annotations

import threading
import weakref
from multiprocessing import TimeoutError as NotReady

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class AsyncResult:
    """Work in a thread of its own, begun at once. callback: called with what it gave, when it gave something."""

    def __init__(self, work: Callable[[], Any], callback: Callable[[Any], object] | None = None) -> None:
        self._work, self._callback = work, callback
        self._value: Any = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="clearml-async", daemon=True)
        self._thread.start()
        _all.add(self)

    @staticmethod
    def wait_for_all(timeout: float | None) -> None:
        """Wait for all of this process, at most `timeout` seconds for each."""
        for one in list(_all):
            one.wait(timeout)

    def ready(self) -> bool:
        """Whether it is over."""
        return not self._thread.is_alive()

    def successful(self) -> bool:
        """Whether it gave something. Raises ValueError while it is not over."""
        if not self.ready():
            raise ValueError("it is not over yet: wait() for it")
        return self._error is None

    def wait(self, timeout: float | None = None) -> None:
        """Wait until it is over, at most `timeout` seconds."""
        self._thread.join(timeout)

    def get(self, timeout: float | None = None) -> Any:
        """What it gave. Raises what it raised, `multiprocessing.TimeoutError` after `timeout` seconds."""
        self.wait(timeout)
        if not self.ready():
            raise NotReady
        if self._error is not None:
            raise self._error
        return self._value

    def _run(self) -> None:
        try:
            self._value = self._work()
            if self._callback is not None:
                self._callback(self._value)
        except BaseException as error:  # noqa: BLE001  # handed to whoever asks for the result
            self._error = error


_all: weakref.WeakSet[AsyncResult] = weakref.WeakSet()
