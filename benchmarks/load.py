"""A lean load generator: N connections, each sending its next request when the last was answered.

Run as a process of its own (`python -m benchmarks.load`, a job as JSON on standard input, the result as JSON on
standard output), on another core than the server where there are two. It does no more than HTTP needs: requests are
prepared bytes, and of an answer only the length, the status and one optional mark are looked at.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Job:
    """What to send: each of `bodies` in turn, from the first again after the last."""

    url: str
    bodies: list[str]
    token: str = ""
    connections: int = 32
    seconds: float = 2.0
    """How long; with `total` the longest it may take."""
    total: int = 0
    """So many requests and no more; 0: as many as fit into `seconds`."""
    mark: str = ""
    core: int = -1
    """Core to run on; -1: any."""


@dataclass(frozen=True)
class Result:
    """What came back."""

    answers: int
    failures: int
    """Answers with a status other than 200."""
    per_second: float
    p50_ms: float
    p99_ms: float
    marked: int = 0
    """Answers whose body holds the job's mark."""


class _Client(asyncio.Protocol):
    """One connection, which is one worker."""

    def __init__(self, run: _Run, number: int) -> None:
        self._run, self._buffer, self._need, self._sent_at = run, b"", 0, 0.0
        self._requests = run.requests(number)
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._next()

    def _next(self) -> None:
        request = self._run.take(self._requests)
        if request is None:
            self._transport.close()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        if not self._need:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._buffer[:end].lower()
            self._need = end + 4 + int(head.partition(b"content-length:")[2].partition(b"\r")[0])
        if len(self._buffer) >= self._need:
            self._run.note(time.perf_counter() - self._sent_at, answer=self._buffer)
            self._buffer, self._need = self._buffer[self._need :], 0
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._run.ended()


class _Run:
    def __init__(self, job: Job) -> None:
        self._job = job
        self._limit = job.total or sys.maxsize
        self._sent = 0
        self._open = job.connections
        self._until = 0.0
        self.took: list[float] = []
        self.failures = self.marked = 0
        self._mark = job.mark.encode()
        self.done = asyncio.Event()

    def begin(self, seconds: float) -> None:
        self._until = time.perf_counter() + seconds

    def requests(self, number: int) -> list[bytes]:
        """What connection `number` sends."""
        parts = urlsplit(self._job.url)
        head = (
            f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
            f"Accept-Encoding: gzip, deflate\r\nX-ClearML-Worker: load-{number}\r\n"
            f"Authorization: Bearer {self._job.token}\r\nContent-Length: "
        )
        return [f"{head}{len(body.encode())}\r\n\r\n{body}".encode() for body in self._job.bodies]

    def take(self, requests: list[bytes]) -> bytes | None:
        if self._sent >= self._limit or time.perf_counter() > self._until:
            return None
        request = requests[self._sent % len(requests)]
        self._sent += 1
        return request

    def note(self, took_s: float, *, answer: bytes) -> None:
        self.took.append(took_s)
        self.failures += not answer.startswith(b"HTTP/1.1 200")
        self.marked += bool(self._mark) and self._mark in answer

    def ended(self) -> None:
        self._open -= 1
        if not self._open:
            self.done.set()


async def _generate(job: Job) -> Result:
    loop = asyncio.get_running_loop()
    run = _Run(job)
    parts = urlsplit(job.url)
    run.begin(job.seconds)
    began = time.perf_counter()
    await asyncio.gather(
        *(
            loop.create_connection(partial(_Client, run, number), parts.hostname, parts.port)
            for number in range(job.connections)
        )
    )
    async with asyncio.timeout(TIMEOUT_S):
        await run.done.wait()
    seconds = time.perf_counter() - began
    took = sorted(run.took)
    return Result(
        answers=len(took),
        failures=run.failures,
        marked=run.marked,
        per_second=len(took) / seconds,
        p50_ms=took[len(took) // 2] * 1e3 if took else 0.0,
        p99_ms=took[min(len(took) - 1, len(took) * 99 // 100)] * 1e3 if took else 0.0,
    )


def generate(job: Job) -> Result:
    """Run one job in a process of its own; raise RuntimeError when it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load"],
        input=json.dumps(asdict(job)),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S + 30,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return Result(**json.loads(done.stdout))


def main() -> None:
    job = Job(**json.load(sys.stdin))
    if job.core >= 0:
        os.sched_setaffinity(0, {job.core})
    import uvloop  # for cost: only this process needs it

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(asdict(runner.run(_generate(job)))))


if __name__ == "__main__":
    main()
