"""From `tasks.enqueue` to its receipt by one of many idle agents that wait on the same queue, over HTTP.

The agents are simulated: long calls of one process, on another core than the server where there are two. Goals with
1,000 of them: p50 5 ms, p99 50 ms. The official agent asks every 5 s: 2.5 s on average. Raw limits: a bare call, and
what the disk takes for the two commits on the way (the task is queued, and claimed), each safe on disk when it is told.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import psutil

from benchmarks.goals import Goals
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
        over: list[str] = []
        body = {"worker": worker, "queues": [self._queue], "slots": 1, "timeout_s": 25, "known_stops": over}
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
                over.append(entry["task"])
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


def two_fsyncs(folder: Path, count: int) -> list[float]:
    """Seconds for two small appends that are on the disk."""
    took = []
    with (folder / "probe").open("ab", buffering=0) as file:
        for _ in range(count):
            began = time.perf_counter()
            for _ in range(2):
                file.write(b"x" * 500)
                os.fdatasync(file.fileno())
            took.append(time.perf_counter() - began)
    return took


def percentile(seconds: Sequence[float], share: float) -> float:
    """In ms."""
    return sorted(seconds)[min(len(seconds) - 1, int(len(seconds) * share))] * 1e3


def run(title: str, *, rounds: int) -> None:
    import uvloop  # for cost: only this benchmark needs it

    folder = Path(tempfile.mkdtemp(prefix="cl-"))
    goals = Goals(title)
    server = start_server(folder / "data", folder / "run")
    cores = sorted(os.sched_getaffinity(0))
    try:
        if len(cores) > 1:
            for process in (main := psutil.Process(server.process.pid), *main.children(recursive=True)):
                process.cpu_affinity(cores[:1])
            os.sched_setaffinity(0, cores[1:])
        for agents in AGENTS:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                took, bare = runner.run(measure(server, agents, TASKS_A_ROUND * rounds))
            fsyncs = two_fsyncs(folder, len(took))
            for name, share in (("p50", 0.5), ("p99", 0.99)):
                limit = f"call {percentile(bare, share):.2g}, fsyncs {percentile(fsyncs, share):.2g}"
                what = f"{agents:,} idle: {name}"
                goals.at_most(what, [percentile(took, share)], "ms", GOALS[name], limit)
    finally:
        os.sched_setaffinity(0, cores)
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    goals.show()
