"""From `tasks.enqueue` to its receipt by one of many idle agents that wait on the same queue, over HTTP.

The agents are simulated: long calls of one process, on another core than the server where there are two. Goals with
1,000 of them: p50 5 ms, p99 50 ms. The official agent asks every 5 s: 2.5 s on average.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import psutil
from rich.table import Table

from benchmarks.measure import console
from tests.conftest import RunningServer, start_server

AGENTS = (1, 100, 1000)
TASKS_A_ROUND = 40
GOALS = {"p50": 5.0, "p99": 50.0}
SETTLE_S = 0.02
"""Between a receipt and the next enqueue: what follows a receipt is not what is measured."""


class Idle:
    """Agents that wait for tasks, take them, and end them at once."""

    def __init__(self, http: aiohttp.ClientSession, server: RunningServer, queue: str) -> None:
        self._http, self._server, self._queue = http, server, queue
        self._waiting = 0
        self.received: asyncio.Queue[tuple[str, float]] = asyncio.Queue()

    async def call(self, endpoint: str, body: dict[str, Any], token: str | None = None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self._http.post(f"{self._server.api}/{endpoint}", json=body, headers=headers) as answer:
            found = await answer.json()
            assert answer.status == 200, found["meta"]
            return dict(found["data"])

    async def serve(self) -> None:
        worker = f"simulated:{uuid4().hex[:8]}"
        body = {"worker": worker, "queues": [self._queue], "slots": 1, "timeout_s": 25}
        while True:
            self._waiting += 1
            try:
                answer = await self.call("agents.wait", body)
            finally:
                self._waiting -= 1
            at = time.perf_counter()
            for entry in answer["entries"]:
                await self.call("tasks.started", {"task": entry["task"], "force": True}, entry["token"])
                await self.call("tasks.completed", {"task": entry["task"]}, entry["token"])
                self.received.put_nowait((entry["task"], at))

    async def all_wait(self, count: int) -> None:
        while self._waiting < count:  # noqa: ASYNC110 - a thousand calls come in one after the other
            await asyncio.sleep(0.01)
        await asyncio.sleep(SETTLE_S)


async def measure(server: RunningServer, agents: int, tasks: int) -> tuple[list[float], list[float]]:
    """Seconds from enqueue to receipt of each task, and of as many bare calls."""
    connector = aiohttp.TCPConnector(limit=0)
    own = {"Authorization": f"Bearer {server.login()}"}
    async with aiohttp.ClientSession(connector=connector, headers=own) as http:
        queue = server.call("queues.create", {"name": f"bench {uuid4().hex}"})["id"]
        idle = Idle(http, server, queue)
        took, bare = [], []
        jobs = [asyncio.ensure_future(idle.serve()) for _ in range(agents)]
        try:
            await idle.all_wait(agents)
            for _ in range(tasks):
                made = await idle.call("tasks.create", {"name": "bench", "type": "training"})
                await idle.all_wait(agents)
                began = time.perf_counter()
                await idle.call("debug.ping", {})
                bare.append(time.perf_counter() - began)
                began = time.perf_counter()
                await idle.call("tasks.enqueue", {"task": made["id"], "queue": queue})
                task, at = await asyncio.wait_for(idle.received.get(), 30)
                assert task == made["id"]
                took.append(at - began)
        finally:
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)
    return took, bare


def run(title: str, *, rounds: int) -> None:
    import uvloop  # for cost: only this benchmark needs it

    folder = Path(tempfile.mkdtemp(prefix="cl-"))
    table = Table(title=title, title_justify="left")
    for column in ("idle agents", "p50 ms", "p99 ms", "goal", "bare call p50 ms"):
        table.add_column(column, justify="right")
    server = start_server(folder / "data", folder / "run")
    try:
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) > 1:
            for process in (main := psutil.Process(server.process.pid), *main.children(recursive=True)):
                process.cpu_affinity(cores[:1])
            os.sched_setaffinity(0, cores[1:])
        for agents in AGENTS:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                took, bare = runner.run(measure(server, agents, TASKS_A_ROUND * rounds))
            ms = sorted(seconds * 1e3 for seconds in took)
            p50, p99 = statistics.median(ms), ms[min(len(ms) - 1, len(ms) * 99 // 100)]
            holds = "holds" if p50 <= GOALS["p50"] and p99 <= GOALS["p99"] else "no"
            table.add_row(str(agents), f"{p50:.2f}", f"{p99:.2f}", holds, f"{statistics.median(bare) * 1e3:.2f}")
    finally:
        os.sched_setaffinity(0, cores)
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    console.print(table)
