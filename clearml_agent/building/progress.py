"""What a build does, for whoever waits for it: steps that stay, and on a terminal the line that is said just now."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from rich.console import Console
from rich.status import Status
from rich.text import Text


class Progress:
    """Use as a context manager; `say` takes the lines of the tools that work, `step` frames a stage."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False, soft_wrap=True)
        self._status: Status | None = None
        self._step = ""

    def say(self, text: str) -> None:
        """One or more lines of a tool."""
        for line in text.splitlines():
            if self._status is not None:
                self._status.update(Text(f"{self._step}  {line}"[: max(20, self._console.width - 4)]))
            else:
                self._console.print(Text(line))

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Name a stage while it runs, and how long it took when it is over."""
        self._step = name
        began = time.monotonic()
        if self._console.is_terminal:
            with self._console.status(Text(name)) as self._status:
                try:
                    yield
                finally:
                    self._status = None
        else:
            self._console.print(Text(f"{name} ..."))
            yield
        self._console.print(Text(f"{name}: {time.monotonic() - began:.1f} s"))
