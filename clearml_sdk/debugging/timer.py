"""`Timer`: how long a part of a program takes, once and on average."""

from __future__ import annotations

import time


class Timer:
    """A stopwatch: `tic`, `toc`, `tic`, `toc`; times in seconds."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything, the last `tic` too."""
        self._started_at = 0.0
        self.reset_average()

    def reset_average(self) -> None:
        """Forget what was measured; what runs since the last `tic` goes on."""
        self._last_s = self._total_s = 0.0
        self._calls = 0

    @property
    def total_time(self) -> float:
        """The sum of what was measured."""
        return self._total_s

    @property
    def average_time(self) -> float:
        """The mean of what was measured; 0 before the first `toc`."""
        return self._total_s / self._calls if self._calls else 0.0

    def tic(self) -> None:
        """Start to measure."""
        self._started_at = time.perf_counter()

    def toc(self, average: bool = True) -> float:
        """The mean of all measurements with this one; with `average` false, the time since the last `tic`."""
        self._last_s = time.perf_counter() - self._started_at
        self._total_s += self._last_s
        self._calls += 1
        return self.average_time if average else self._last_s

    def toc_with_reset(self, average: bool = True, reset_if_calls: int = 1000) -> float:
        """`toc`, and forget what was measured once that has been so many times: a mean of the recent ones."""
        found = self.toc(average)
        if self._calls > reset_if_calls:
            self.reset_average()
        return found
