"""How far a long command is: a line that moves on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType

LINE_EVERY_S = 5.0


class Progress:
    """Told what is being done and how far it is; writes to standard error."""

    def __init__(self) -> None:
        self._what = ""
        self._said_at = 0.0
        self._status = None
        if sys.stderr.isatty():
            from rich.console import Console  # for cost: only on a terminal

            self._status = Console(stderr=True).status("")

    def __enter__(self) -> Progress:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def __call__(self, what: str, done: int) -> None:
        """`done` of `what`: bytes, keys, documents or files."""
        text = f"{what}: {done:,}"
        if self._status is not None:
            self._status.update(text)
        elif what != self._what or time.monotonic() - self._said_at > LINE_EVERY_S:
            print(text, file=sys.stderr, flush=True)
            self._said_at = time.monotonic()
        self._what = what
