"""`TqdmLog`: the progress of a loop as lines of a log."""

from __future__ import annotations

import logging
import time

_WIDTH = 10


class TqdmLog:
    """A line when it begins, at most one in `mininterval` seconds, and one at its end.

    Args:
        total: how many steps there are.
        ascii: draw the bar with `#`.
        logger: None: `clearml.TqdmLog`.
        smoothing: weight of the last interval in the speed that is shown; 0: the mean since the start.
        initial: how many steps were done before.
    """

    def __init__(
        self,
        total: int,
        desc: str = "",
        log_level: int = logging.INFO,
        ascii: bool = False,
        logger: logging.Logger | None = None,
        smoothing: float = 0,
        mininterval: float = 5,
        initial: int = 0,
    ) -> None:
        self._total, self._desc, self._level = total, desc, log_level
        self._full, self._empty = ("#", " ") if ascii else ("█", " ")
        self._logger = logger or logging.getLogger("clearml.TqdmLog")
        self._smoothing, self._interval_s = smoothing, mininterval
        self._initial = self._done = self._said = initial
        self._speed: float | None = None
        self._started_at = self._said_at = time.monotonic()
        self._log()

    def update(self, n: int | None = None) -> None:
        """So many more steps are done; None: one."""
        self._done += 1 if n is None else n
        if time.monotonic() - self._said_at >= self._interval_s:
            self._log()

    def close(self) -> None:
        """Say how far it came."""
        self._log()

    def _log(self) -> None:
        now = time.monotonic()
        passed_s, since_s = now - self._started_at, now - self._said_at
        speed = (self._done - self._initial) / passed_s if passed_s > 0 else 0.0
        if self._smoothing and self._speed is not None and since_s > 0:
            recent = (self._done - self._said) / since_s
            speed = self._smoothing * recent + (1 - self._smoothing) * self._speed
        if self._done > self._initial:
            self._speed = speed
        self._said_at, self._said = now, self._done
        self._logger.log(self._level, "%s", self._line(passed_s, speed))

    def _line(self, passed_s: float, speed: float) -> str:
        share = min(1.0, self._done / self._total) if self._total else 1.0
        bar = (self._full * int(share * _WIDTH)).ljust(_WIDTH, self._empty)
        left = clock((self._total - self._done) / speed) if speed else "?"
        shown = f"{speed:.2f}" if speed else "?"
        name = f"{self._desc}: " if self._desc else ""
        return f"{name}{share:4.0%}|{bar}| {self._done}/{self._total} [{clock(passed_s)}<{left}, {shown}it/s]"


def clock(seconds: float) -> str:
    """`04:05`, `1:04:05`."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"
