"""Leases: this worker's own and those of the claims in its care, renewed by the agent's loop whatever the tasks do."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from clearml_agent.api import Api, call_quietly
from clearml_agent.execution.run import TaskRun
from clearml_sdk.errors import ApiError, BadAnswer, ServerUnreachable

log = logging.getLogger("clearml_agent")

RENEW_S = 10.0
"""The longest time between two renewals; of shorter leases a third."""


class Leases:
    """Args:
    queues: the queues that a worker serves; runs: what is in this process's care.
    lose: called with each claim that is not this agent's any more.
    """

    def __init__(
        self,
        api: Api,
        worker: str,
        *,
        queues: Callable[[str], list[str]],
        runs: Callable[[], Sequence[TaskRun]],
        lose: Callable[[dict[str, Any]], None],
    ) -> None:
        self._api, self._worker = api, worker
        self._queues, self._runs, self._lose = queues, runs, lose

    async def run(self) -> None:
        """Renew again and again; ends only when it is cancelled."""
        while True:
            period_s = await self.renew()
            await asyncio.sleep(period_s)

    async def renew(self, *, is_start: bool = False) -> float:
        """Renew once, also for the workers whose runs this one took over; returns the seconds until the next time.

        Args:
            is_start: entries that this worker took before and does not know return to their queues at once.
        """
        period_s = RENEW_S
        for worker in sorted({self._worker} | {run.record.worker for run in self._runs()}):
            body = self._body(worker)
            if is_start and worker == self._worker:
                body["is_start"] = True
            answer = await call_quietly(self._api, "agents.renew", body)
            for lost in answer.get("lost") or ():
                self._lose({"reason": "fenced", **{name: lost.get(name) for name in ("task", "claim")}})
            if lease_s := answer.get("lease_s"):
                period_s = min(RENEW_S, max(0.2, float(lease_s) / 3))
        return period_s

    async def end(self) -> None:
        """The last time: entries on their way to a broken off `agents.wait` return to their queues at once."""
        body = {**self._body(self._worker), "is_start": True}
        try:
            await self._api.call("agents.renew", body, timeout_s=2, give_up_s=1)
        except (ApiError, BadAnswer, ServerUnreachable) as error:
            log.debug("%s", error)

    def _body(self, worker: str) -> dict[str, Any]:
        runs = [run for run in self._runs() if run.record.worker == worker and run.record.claim]
        claims = [{"task": run.task, "claim": run.record.claim} for run in runs]
        return {"worker": worker, "queues": self._queues(worker), "claims": claims}
