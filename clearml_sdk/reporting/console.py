"""The console of a run: what is written to stdout and stderr is reported too, and still appears where it did.

The streams stay the same objects - only their `write` is put in front - so that whoever took `sys.stderr` before
(logging's handlers do) is heard as well.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import weakref

from clearml_sdk.notices import warn_once
from clearml_sdk.reporting.lines import LineFolder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any, TextIO

    from clearml_sdk.reporting.reporter import Reporter


class Console:
    """Reports stdout (as info) and stderr (as error) until it is stopped. Works in forked children too."""

    def __init__(
        self, reporter: Reporter, *, stdout: bool = True, stderr: bool = True, cr_flush_period_s: float = 10.0
    ) -> None:
        self._taps: list[_Tap] = []
        for wanted, stream, level in ((stdout, sys.stdout, "info"), (stderr, sys.stderr, "error")):
            # None in a windowed program; the same object twice where somebody joined the two.
            if wanted and stream is not None and all(tap.stream is not stream for tap in self._taps):
                self._taps.append(_Tap(reporter, stream, level, cr_flush_period_s))

    def start(self) -> None:
        """Begin to report."""
        for tap in self._taps:
            tap.start()

    def stop(self) -> None:
        """Report what has no newline yet, and give the streams back. Safe to call again."""
        for tap in self._taps:
            tap.stop()


class _Tap:
    """One stream."""

    def __init__(self, reporter: Reporter, stream: TextIO, level: str, period_s: float) -> None:
        self.stream = stream
        self._reporter, self._level = reporter, level
        self._lines = LineFolder(period_s)
        self._is_on = False
        # Re-entrant: a signal handler may print while its thread prints.
        self._lock = threading.RLock()
        self._write: Any = None
        self._before: Any = None
        _taps.add(self)

    def start(self) -> None:
        original: Callable[[str], int] = self.stream.write
        feed = self._feed

        def write(text: str) -> int:
            written = original(text)
            feed(text)
            return written

        write.original = original  # type: ignore[attr-defined]  # for print_uncaptured
        try:
            self._before = vars(self.stream).get("write")
            self.stream.write = write  # type: ignore[method-assign]
        except (AttributeError, TypeError):
            warn_once("console", f"{type(self.stream).__name__} takes no tap: the console is not reported")
            return
        self._write, self._is_on = write, True

    def stop(self) -> None:
        if not self._is_on:
            return
        self._is_on = False
        if vars(self.stream).get("write") is self._write:  # else somebody put theirs over it: ours stays, switched off
            if self._before is None:
                del self.stream.write
            else:
                self.stream.write = self._before  # type: ignore[method-assign]
        with self._lock:
            rest = self._lines.rest()
        if rest.strip():
            self._reporter.log(self._level, rest)

    def begin_anew(self) -> None:
        """In a forked child: another thread of the parent may have held the lock, and a begun line is the parent's."""
        self._lock = threading.RLock()
        self._lines.rest()

    def _feed(self, text: str) -> None:
        if not self._is_on:
            return
        try:
            with self._lock:
                done = self._lines.feed(text, time.monotonic())
                if done:
                    self._reporter.log(self._level, done)
        except Exception as error:  # noqa: BLE001  # whatever goes wrong here must not break the script's print
            self._is_on = False
            warn_once("console", f"the console is not reported any more: {error!r}")


_taps: weakref.WeakSet[_Tap] = weakref.WeakSet()


def _begin_anew() -> None:
    for tap in list(_taps):
        tap.begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


def print_uncaptured(text: str) -> None:
    """Print a line to stdout that is not to be reported (again)."""
    stream = sys.stdout
    if stream is None:
        return
    write = stream.write
    write = getattr(write, "original", write)
    try:
        write(text + "\n")
        stream.flush()
    except (OSError, ValueError) as error:
        warn_once("stdout", f"cannot print: {error}")  # closed: by a pipe's reader, or by the script


class LoggingCapture(logging.Handler):
    """While in its `with`, reports everything that goes through `logging`."""

    def __init__(self, reporter: Reporter) -> None:
        super().__init__()
        self._reporter = reporter
        self.setFormatter(logging.Formatter("%(asctime)s - %(name)s - %(levelname)s - %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self._reporter.log(record.levelname, self.format(record))

    def __enter__(self) -> LoggingCapture:
        logging.getLogger().addHandler(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        logging.getLogger().removeHandler(self)
