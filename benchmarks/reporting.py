"""Reports to send: batches as our SDK and as official clients make them, and what sends them.

Run as a process of its own (`python -m benchmarks.reporting`, a `Job` as JSON on standard input, a `Result` as JSON on
standard output), so that making reports takes no time of whoever measures. No batch is sent twice.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import math
import random
import subprocess
import sys
import threading
import time
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt
import psutil

from control_plane.services.event_packing import MAGIC
from tests.conftest import RunningServer

Floats = npt.NDArray[np.float64]

BEGAN_MS = 1_700_000_000_000
STEP_MS = 50
POOL = 1 << 20
"""So many random numbers are drawn; batches take pieces of them."""
TAILS = 20_000
"""So many lines of a console end differently."""


@dataclass(frozen=True)
class Job:
    """What to send over one server's API, and how."""

    api: str
    token: str
    kind: str
    """A name in `KINDS`."""
    tasks: list[str]
    """A connection each; the same task may come several times: each connection has series of its own."""
    batches: int
    """Of each connection."""
    series: int
    """In each batch."""
    size: int
    """Points of a series in a batch; bytes of the console in one."""
    first: int = 0
    """The step of the first points."""
    prepared: bool = True
    """Whether batches are made before the first is sent."""


@dataclass(frozen=True)
class Result:
    """What came of it."""

    seconds: float
    took_s: list[float] = field(default_factory=list)


def noisy(name: int, first: int, count: int) -> Floats:
    """A falling loss with noise in every bit."""
    at = (name * 7919 + first) % POOL
    noise = _noise()[at : at + count]
    if len(noise) < count:
        noise = np.concatenate((noise, _noise()[: count - len(noise)]))
    values: Floats = np.exp(-np.arange(first, first + count) / 2e5) + noise
    return values


def smooth(name: int, first: int, count: int) -> Floats:
    """A learning rate: a cosine that starts high and ends low."""
    return 1e-3 * (1 + np.cos(np.arange(first, first + count) * (math.pi / 1e6) + name))


@functools.cache
def _noise() -> Floats:
    noise: Floats = np.random.default_rng(1).normal(0, 0.01, POOL)
    return noise


@functools.cache
def _tails() -> list[str]:
    draw = random.Random(1)
    says = ("ok", "slow batch", "saved checkpoint", "skipped nan")
    return [
        f"loss {draw.random():.6f} grad_norm {draw.random() * 9:.4f} lr {draw.random() * 1e-3:.3e} {draw.choice(says)}"
        for _ in range(TAILS)
    ]


def packed(
    task: str,
    names: Iterable[int],
    first: int,
    count: int,
    values: Callable[[int, int, int], Floats] = noisy,
) -> bytes:
    """A batch as our SDK sends it."""
    heads, columns = [], []
    steps = array("i", range(first, first + count)).tobytes()
    for name in names:
        heads.append([f"metric {name % 3}", f"v{name:03}", "", "", count, BEGAN_MS + first * STEP_MS, "i", "I"])
        jitter = np.abs(noisy(name + 1, first, count) * 300).astype(np.int64) % 9
        times = (np.arange(count) * STEP_MS + jitter).astype("<u4").tobytes()
        columns += [steps, times, values(name, first, count).astype("<f8").tobytes()]
    head = json.dumps({"owners": [{"id": task, "series": heads}]}).encode()
    return b"".join((MAGIC, head, b"\n", *columns))


def lines(task: str, names: Iterable[int], first: int, count: int) -> bytes:
    """The same as the official SDK writes it."""
    events = (
        {
            "timestamp": BEGAN_MS + (first + number) * STEP_MS,
            "type": "training_stats_scalar",
            "iter": first + number,
            "task": task,
            "metric": f"metric {name % 3}",
            "variant": f"v{name:03}",
            "value": value,
        }
        for name in names
        for number, value in enumerate(noisy(name, first, count).tolist())
    )
    return "\n".join(map(json.dumps, events)).encode()


def text(size: int) -> Iterator[str]:
    """Lines of a training log of about `size` bytes in all, without a character that JSON would escape."""
    tails, number = _tails(), 0
    while size > 0:
        number += 1
        line = (
            f"2026-11-21 12:{number // 60 % 60:02}:{number % 60:02},{number * 37 % 1000:03} INFO trainer.py:214 "
            f"epoch {number // 1000} step {number} {tails[number * 7919 % TAILS]}"
        )
        size -= len(line) + 1
        yield line


def console_lines(task: str, first: int, size: int) -> bytes:
    """A piece of a console, an event a line."""
    return _at(_lines(task, size), first)


def console_pieces(task: str, first: int, size: int) -> bytes:
    """The same as our SDK sends it: lines that follow each other are one event of up to 64 KiB."""
    return _at(_pieces(task, size), first)


def _at(said: bytes, first: int) -> bytes:
    """What is said, from a line on. Cheap, as not the one who sends is measured: only the times are new."""
    begins = BEGAN_MS + first * STEP_MS
    return said % tuple(range(begins, begins + said.count(b"%d") * STEP_MS, STEP_MS))


@functools.cache
def _lines(task: str, size: int) -> bytes:
    return "\n".join(_event(task, line) for line in text(size)).encode()


@functools.cache
def _pieces(task: str, size: int) -> bytes:
    pieces, together, length = [], list[str](), 0
    for line in text(size):
        together.append(line)
        length += len(line)
        if length > 1 << 16:
            pieces.append("\\n".join(together))
            together, length = [], 0
    if together:
        pieces.append("\\n".join(together))
    return "\n".join(_event(task, piece) for piece in pieces).encode()


def _event(task: str, message: str) -> str:
    """Of a console, as a format of its time."""
    return f'{{"type":"log","task":"{task}","timestamp":%d,"level":"info","worker":"machine:gpu0","msg":"{message}"}}'


def body(job: Job, connection: int, number: int) -> bytes:
    """Batch `number` of one connection."""
    task, names = job.tasks[connection], range(connection * job.series, (connection + 1) * job.series)
    first = job.first + number * job.size
    if job.kind == "packed":
        return packed(task, names, first, job.size)
    if job.kind == "smooth":
        return packed(task, names, first, job.size, smooth)
    if job.kind == "lines":
        return lines(task, names, first, job.size)
    made = {"console lines": console_lines, "console pieces": console_pieces}[job.kind]
    return made(task, (number * len(job.tasks) + connection) * job.size, job.size)


def send(job: Job) -> Result:
    """Send it all, from as many connections as there are tasks."""
    took: list[float] = []
    failures: list[str] = []
    ready = threading.Barrier(len(job.tasks) + 1)

    def work(connection: int) -> None:
        try:
            say(connection)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is said below
            failures.append(repr(error))
            ready.abort()  # nobody waits for one that is gone

    def say(connection: int) -> None:
        http_connection = http.client.HTTPConnection(urlsplit(job.api).netloc, timeout=120)
        headers = {"Authorization": f"Bearer {job.token}", "Content-Type": "application/x-clearml-events"}
        made: Iterable[bytes] = (body(job, connection, number) for number in range(job.batches))
        if job.prepared:
            made = list(made)
        ready.wait()
        for one in made:
            while True:
                began = time.perf_counter()
                http_connection.request("POST", "/events.add_batch", one, headers)
                answer = http_connection.getresponse()
                said = answer.read()
                if answer.status != 429:
                    break
                time.sleep(float(answer.headers["Retry-After"]))  # what the server asks for
            if answer.status != 200:
                failures.append(said[:300].decode())
                break
            took.append(time.perf_counter() - began)
        http_connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(job.tasks))]
    for thread in threads:
        thread.start()
    with contextlib.suppress(threading.BrokenBarrierError):
        ready.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError(failures[0])
    return Result(time.perf_counter() - began, took)


def sent(job: Job) -> Result:
    """The same in a process of its own. Raises RuntimeError when it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.reporting"],
        input=json.dumps(asdict(job)),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return Result(**json.loads(done.stdout))


def new_task(server: RunningServer, name: str = "reports") -> str:
    return str(server.call("tasks.create", {"name": name, "type": "testing"})["id"])


def processes(server: RunningServer) -> tuple[psutil.Process, list[psutil.Process]]:
    """(the server, its store), to measure what they use."""
    found = []
    for one in psutil.process_iter():
        try:
            if one.pid != server.process.pid and str(server.data_dir) in " ".join(one.cmdline()):
                found.append(one)
        except psutil.Error:
            continue  # it ended meanwhile, or is somebody else's
    return psutil.Process(server.process.pid), found


def cpu_s(some: Iterable[psutil.Process]) -> float:
    """Seconds of a processor that they have used."""
    return sum(sum(one.cpu_times()[:2]) for one in some)


def resident_mb(server: RunningServer) -> float:
    """Memory of the server and its store, with the code that they share with others."""
    one, store = processes(server)
    return sum(each.memory_info().rss for each in (one, *store)) / 1e6


def main() -> None:
    print(json.dumps(asdict(send(Job(**json.load(sys.stdin))))))


if __name__ == "__main__":
    main()
