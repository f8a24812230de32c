"""Worker status reports: at once when a task begins or ends, and every 30 s with the machine's statistics."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clearml_agent.api import Api
from clearml_agent.config import AgentConfig
from clearml_agent.gpus.devices import Reader
from clearml_agent.gpus.packing import Allocation
from clearml_agent.monitor import SAMPLE_S, Monitor, of_gpus
from clearml_sdk.errors import ApiError, BadAnswer, ServerUnreachable

log = logging.getLogger("clearml_agent")

FIRST_S = 3.0
LAST_S = 5.0
"""How long an agent that leaves waits for its last report."""


@dataclass(frozen=True)
class Working:
    """What one worker does now; `task` and `queue` are empty when it waits. `gpus`: it is told of these alone."""

    worker: str
    queues: Sequence[str]
    task: str = ""
    queue: str = ""
    gpus: Allocation | None = None


class StatusReports:
    """Args:
    working: tells what the workers of this process do now.
    is_daemon: False for a single `execute`.
    """

    def __init__(
        self, *, config: AgentConfig, api: Api, working: Callable[[], Sequence[Working]], is_daemon: bool = True
    ) -> None:
        self.config, self.api = config, api
        self._working, self._is_daemon = working, is_daemon
        self._changed = asyncio.Event()
        self._reported: dict[str, Working | None] = {}
        """Worker -> what the server knows of it by these reports; None: perhaps not what is so."""

    def changed(self) -> None:
        """Report at once: what `working` says is different now."""
        self._changed.set()

    async def run(self) -> None:
        """Report until cancelled."""
        gpus = Reader(self.config.gpus)
        await asyncio.to_thread(gpus.open)
        disk = self.config.config.get("agent.resource_monitoring.disk_use_path", None)
        monitor = Monitor(
            disk_path=Path(os.path.expandvars(str(disk))).expanduser() if disk else Path.home(),
            gpus=gpus,
            default_gpu_usage=self.config.config.number("agent.resource_monitoring.default_gpu_utilization", 100.0),
        )
        due_at = time.monotonic() + min(FIRST_S, self.config.report_s)
        try:
            while True:
                try:
                    async with asyncio.timeout(SAMPLE_S):
                        await self._changed.wait()
                    self._changed.clear()
                    await self._report(None)
                except TimeoutError:
                    monitor.sample()
                if time.monotonic() >= due_at:
                    due_at = time.monotonic() + self.config.report_s
                    await self._report(monitor.take(), monitor.gpu_uuids)
        finally:
            gpus.close()

    async def _report(self, statistics: dict[str, Any] | None, gpu_uuids: Sequence[str] = ()) -> None:
        """Tell of every worker; without statistics only of those that do something else now."""
        current = self._working()
        for working in current:
            if statistics is None and self._reported.get(working.worker) == working:
                continue
            own = statistics
            if working.gpus is not None and statistics is not None:
                own = of_gpus(statistics, gpu_uuids, working.gpus.uuids)
            body: dict[str, Any] = {
                "worker": working.worker,
                "timestamp": int(time.time() * 1000),
                "queues": list(working.queues),
                "tags": list(self.config.tags) or None,
                "is_daemon": self._is_daemon,
                "machine_stats": own,
            }
            if working.task:
                body["task"] = working.task
                if working.queue:
                    body["queue"] = working.queue
            self._reported[working.worker] = None
            if await self._try("workers.status_report", body):
                self._reported[working.worker] = working
        await self._unregister(set(self._reported) - {working.worker for working in current})

    async def leave(self) -> None:
        """Unregister every worker that was reported; call it when `run` has ended."""
        await self._unregister(set(self._reported) | {working.worker for working in self._working()})

    async def _unregister(self, workers: set[str]) -> None:
        for worker in sorted(workers):
            known = self._reported.pop(worker, None)
            await self._try("workers.unregister", {"worker": worker, "queues": list(known.queues) if known else []})

    async def _try(self, endpoint: str, body: dict[str, Any]) -> bool:
        """Make one call; whether it was answered. A call that is on its way ends before what comes after it begins:
        a report that overtook the end of its worker would bring the worker back.
        """
        # The next report says it better than a late one.
        call = asyncio.ensure_future(self.api.call(endpoint, body, timeout_s=10.0, give_up_s=1.0))
        try:
            await asyncio.shield(call)
        except asyncio.CancelledError:
            done, late = await asyncio.wait((call,), timeout=LAST_S)
            for one in late:
                one.cancel()
            for one in done:
                one.exception()  # seen: nobody is left who would do something about it
            raise
        except (ApiError, BadAnswer, ServerUnreachable) as error:
            log.debug("%s", error)
            return False
        return True
