"""Bars of work on many files: shown on a terminal only, and only when it takes longer than a second."""

from __future__ import annotations

import contextlib
import sys
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WIDTH = 24
QUIET_S = 1.0
STEP_S = 0.1


class _Bar:
    def __init__(self, doing: str, total: int, unit: str) -> None:
        self._doing, self._total, self._unit = doing, total, unit
        self._done, self._started, self._shown_at = 0, time.monotonic(), 0.0
        self._lock = threading.Lock()

    def advance(self, count: int = 1) -> None:
        with self._lock:
            self._done += count
            now = time.monotonic()
            if now - self._started < QUIET_S or now - self._shown_at < STEP_S:
                return
            self._shown_at = now
            self._write("\r" + line(self._doing, self._done, self._total, self._unit, now - self._started))

    def close(self) -> None:
        if self._shown_at:
            self._write(
                "\r" + line(self._doing, self._done, self._total, self._unit, time.monotonic() - self._started) + "\n"
            )

    @staticmethod
    def _write(text: str) -> None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except (OSError, ValueError, AttributeError):
            return  # closed, or there is none: nobody looks


@contextlib.contextmanager
def counting(doing: str, total: int, unit: str, *, show: bool = True) -> Iterator[Callable[[int], object] | None]:
    """Yields what each step tells of how many are done; None where nobody would see it."""
    try:
        is_seen = show and total > 1 and sys.stderr.isatty()
    except (OSError, ValueError, AttributeError):
        is_seen = False
    if not is_seen:
        yield None
        return
    bar = _Bar(doing, total, unit)
    try:
        yield bar.advance
    finally:
        bar.close()


def line(doing: str, done: int, total: int, unit: str, elapsed_s: float) -> str:
    """`hash |####....| 120 of 300 files, 41/s`."""
    filled = min(WIDTH, WIDTH * done // max(total, 1))
    rate = done / max(elapsed_s, 1e-3)
    return f"{doing} |{'#' * filled}{'.' * (WIDTH - filled)}| {done:,} of {total:,} {unit}, {rate:,.0f}/s "
