"""Send a run's console to the server as it is written, to its last line."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from clearml_agent.api import Api
from clearml_agent.console import AGENT, BATCH_BYTES, ERROR, FINAL, TASK, Console, ConsoleRefused
from clearml_agent.watch import Watcher
from clearml_sdk.errors import ApiError, BadAnswer
from clearml_sdk.session import JSON_LINES

log = logging.getLogger("clearml_agent")

SEND_INTERVAL_S = 0.1
"""Between two batches of console lines, unless more than a batch is waiting."""
PARTIAL_LINE_S = 1.0
"""How long a begun line waits for its end; a progress bar, which is one for hours, is sent as it is then."""
IDLE_S = 60.0
WATCHED = frozenset({AGENT, TASK, ERROR, FINAL})


class Pump:
    """What waits for lines and passes them on; `run` is cancelled with the run it belongs to."""

    def __init__(self, console: Console, *, directory: Path, watcher: Watcher) -> None:
        self._console, self._directory, self._watcher = console, directory, watcher
        self._complete = asyncio.Event()

    def complete(self) -> None:
        """Nothing more will be written: `run` returns when all of it is sent."""
        self._complete.set()

    async def run(self) -> None:
        console = self._console
        watched = self._watcher.watch(self._directory, WATCHED)
        partial_since: float | None = None
        try:
            while not self._complete.is_set():
                begun_at = time.monotonic()
                while await console.send_available():
                    partial_since = None
                    if console.waiting() < BATCH_BYTES:
                        break
                if partial_since is not None and time.monotonic() >= partial_since + PARTIAL_LINE_S:
                    await console.send_available(whole=True)
                    partial_since = None
                if not console.waiting():
                    partial_since = None
                elif partial_since is None:
                    partial_since = time.monotonic()
                due_s = IDLE_S if partial_since is None else partial_since + PARTIAL_LINE_S - time.monotonic()
                await self._more(watched.changed(max(due_s, 0.0)))
                if (pause_s := SEND_INTERVAL_S - (time.monotonic() - begun_at)) > 0:
                    await self._more(asyncio.sleep(pause_s, True))
            while await console.send_available(whole=True):
                pass
        finally:
            watched.close()

    async def _more(self, wait: Coroutine[Any, Any, bool]) -> bool:
        """The answer of `wait`; True at once when the console is complete."""
        waiting, complete = asyncio.ensure_future(wait), asyncio.ensure_future(self._complete.wait())
        try:
            await asyncio.wait((waiting, complete), return_when=asyncio.FIRST_COMPLETED)
            return waiting.result() if waiting.done() else True
        finally:
            waiting.cancel()
            complete.cancel()
            await asyncio.wait((waiting, complete))


async def send_events(api: Api, body: bytes, batch: str) -> None:
    """Deliver one batch, however long the server is away. Raises ConsoleRefused when it takes no more of this task."""
    while True:
        try:
            await api.call("events.add_batch", body, content_type=JSON_LINES, headers={"X-ClearML-Batch": batch})
        except (ApiError, BadAnswer) as error:
            if isinstance(error, ApiError) and error.code < 500:
                raise ConsoleRefused(str(error)) from error
            log.warning("%s", error)
            await asyncio.sleep(5.0)  # a fault of the server, or something else answers at its address
            continue
        return
