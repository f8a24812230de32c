"""How many calls one server process answers, and how long each takes: 32 connections, authentication on, every
acknowledged write on disk.

Server and store share one core, the load generator has the other (where there are two). Measured in the same rounds:
what aiohttp's bare server and the bare store do there. The goals are those of a machine whose bare aiohttp answers
29,500 requests/s; where it answers fewer, they are scaled by as much. "a CPU second" is requests by processor time of
server and store together: what a core does when nobody else wants it.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import hiredis
import psutil
from rich.table import Table

from benchmarks.load import Job, Result, generate
from benchmarks.measure import console
from control_plane.store import EmbeddedStore
from tests.conftest import RunningServer, running_server

REFERENCE_ECHO = 29_500
"""Requests/s of aiohttp's bare server on the machine for which the goals were set."""
P99_GOAL_MS = 10.0
CLAIMS = 2_000
"""Tasks claimed in each round."""
SECONDS = 2.0


@dataclass
class Row:
    """What was measured of one call."""

    name: str
    goal: int = 0
    results: list[Result] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)


def cores() -> tuple[set[int], int]:
    """Where the server runs, and the core of the load generator (-1: any)."""
    try:
        available = sorted(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return set(), -1
    return ({available[0]}, available[1]) if len(available) > 1 else (set(available), -1)


@contextmanager
def on_core(core: set[int]) -> Iterator[None]:
    """Processes started inside run there."""
    if not core:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, core)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_s(pid: int) -> float:
    """Processor time of a process and its children."""
    process = psutil.Process(pid)
    times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def measure(row: Row, pid: int, job: Job) -> None:
    """One round of one row."""
    before = cpu_s(pid)
    result = generate(job)
    row.cpu_s.append((cpu_s(pid) - before) / result.answers)
    row.results.append(result)
    if result.failures:
        raise RuntimeError(f"{row.name}: {result.failures} of {result.answers} calls failed")


@contextmanager
def echo_server(core: set[int]) -> Iterator[subprocess.Popen[str]]:
    """aiohttp's bare server; its port is the first line it prints."""
    with on_core(core):
        process = subprocess.Popen([sys.executable, "-m", "benchmarks.echo"], stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()


async def store_limits(core: set[int], client_core: int) -> dict[str, float]:
    """Commands/s of the bare store, every write on disk: 32 in flight, as many connections would have."""
    with tempfile.TemporaryDirectory(prefix="cl-") as folder, on_core(core):
        async with EmbeddedStore(Path(folder) / "store") as store:
            with on_core({client_core} if client_core >= 0 else set()):
                reader, writer = await asyncio.open_unix_connection(store.url.removeprefix("unix://"))
                script = "redis.call('HINCRBY',KEYS[1],'n',1) return redis.call('ZADD',KEYS[2],1,ARGV[1])"
                pack: Callable[..., bytes] = hiredis.pack_command
                writer.write(pack(("SCRIPT", "LOAD", script)))
                sha = (await reader.readline(), (await reader.readline()).strip())[1]
                commands = {
                    "bare store, EVALSHA of two writes": pack(("EVALSHA", sha, 2, "h", "z", "m")),
                    "bare store, XADD of 5 fields": pack(("XADD", "s", "*", *"a1b2c3d4e5")),
                }
                found = {name: await _pipelined(reader, writer, command) for name, command in commands.items()}
                writer.close()
                await writer.wait_closed()
    return found


async def _pipelined(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, command: bytes) -> float:
    parser = hiredis.Reader()
    began, answered = time.perf_counter(), 0
    while (passed := time.perf_counter() - began) < 1.0:
        writer.write(command * 32)
        missing = 32
        while missing:
            if (reply := parser.gets()) is False:
                parser.feed(await reader.read(65536))
            elif isinstance(reply, hiredis.ReplyError):
                raise RuntimeError(str(reply))
            else:
                missing -= 1
        answered += 32
    return answered / passed


def prepared(server: RunningServer) -> tuple[dict[str, str], list[str]]:
    """(path -> body) of the calls to measure, and the tasks to claim."""
    project = server.call("projects.create", {"name": "benchmarks"})["id"]
    params = {f"p{i}": {"section": "Args", "name": f"p{i}", "value": str(i), "type": "int"} for i in range(20)}
    script = {
        "binary": "python3",
        "entry_point": "train.py",
        "repository": "https://git.example/x.git",
        "diff": "x" * 500,
    }
    made = {"name": "benchmark", "type": "training", "project": project}
    task = server.call("tasks.create", {**made, "hyperparams": {"Args": params}, "script": script})["id"]
    empty = server.call("queues.create", {"name": "empty"})["id"]
    claimed = [server.call("tasks.create", {**made, "name": f"claimed {i}"})["id"] for i in range(CLAIMS)]
    edit = {"task": task, "force": True, "comment": "an edit", "runtime": {"progress": "50"}}
    return {
        "debug.ping": "{}",
        "debug.ping_auth": "{}",
        "tasks.get_by_id": json.dumps({"task": task}),
        "tasks.edit": json.dumps(edit),
        "queues.get_next_task": json.dumps({"queue": empty}),
    }, claimed


GOALS = {"debug.ping": 10_000, "tasks.get_by_id": 5_000, "tasks.edit": 5_000, "queues.get_next_task": 5_000}
CLAIM = "queues.get_next_task, a task each"
ECHO = "limit: aiohttp's bare server"


def run(title: str, *, rounds: int) -> None:
    server_core, load_core = cores()
    rows = {name: Row(name, goal) for name, goal in GOALS.items()}
    rows = {"debug.ping": rows.pop("debug.ping"), "debug.ping_auth": Row("debug.ping_auth"), **rows}
    claims, echo = Row(CLAIM, 4_000), Row(ECHO)
    limits: dict[str, list[float]] = {}
    with on_core(server_core):
        context = running_server()
        server = context.__enter__()
    try:
        with echo_server(server_core) as bare:
            assert bare.stdout is not None
            port = int(bare.stdout.readline())
            bodies, claimed = prepared(server)
            token = server.login()
            for turn in range(rounds):
                url = f"http://127.0.0.1:{port}/echo"
                measure(echo, bare.pid, Job(url, ['{"a":1}'], seconds=SECONDS, core=load_core))
                for name, body in bodies.items():
                    job = Job(f"{server.api}/{name}", [body], token, seconds=SECONDS, core=load_core)
                    measure(rows[name], server.process.pid, job)
                queue = server.call("queues.create", {"name": f"full {turn}"})["id"]
                for first in range(0, len(claimed), 500):
                    server.call("tasks.enqueue_many", {"ids": claimed[first : first + 500], "queue": queue})
                claim(claims, server, queue, token, load_core)
                server.call("tasks.dequeue_many", {"ids": claimed})
                for limit, rate in asyncio.run(store_limits(server_core, load_core)).items():
                    limits.setdefault(limit, []).append(rate)
    finally:
        context.__exit__(None, None, None)
    show(title, [*rows.values(), claims, echo], limits, echo)


def claim(row: Row, server: RunningServer, queue: str, token: str, core: int) -> None:
    """Claim every task of a queue; each must come once."""
    waiting = server.call("queues.get_num_entries", {"queue": queue})["num"]
    url = f"{server.api}/queues.get_next_task"
    body = json.dumps({"queue": queue})
    job = Job(url, [body], token, seconds=60.0, total=waiting, mark='"entry"', core=core)
    measure(row, server.process.pid, job)
    if waiting != CLAIMS or row.results[-1].marked != waiting:
        raise RuntimeError(f"{row.results[-1].marked} of {waiting} tasks came out, of {CLAIMS} put in")


def show(title: str, rows: Sequence[Row], limits: dict[str, list[float]], echo: Row) -> None:
    """The table. A goal is scaled by what aiohttp's bare server does here."""
    scale = min(1.0, statistics.median(result.per_second for result in echo.results) / REFERENCE_ECHO)
    table = Table(title=f"{title}; goals scaled by {scale:.2f}", title_justify="left")
    for column in ("what", "requests/s", "p50 ms", "p99 ms", "a CPU second", "goal", ""):
        table.add_column(column, justify="left" if column == "what" else "right")
    for row in rows:
        rates = [result.per_second for result in row.results]
        p99 = statistics.median(result.p99_ms for result in row.results)
        goal = row.goal * scale
        holds = "" if not goal else "holds" if statistics.median(rates) >= goal and p99 <= P99_GOAL_MS / scale else "no"
        table.add_row(
            row.name,
            f"{statistics.median(rates):,.0f} [{min(rates):,.0f}..{max(rates):,.0f}]",
            f"{statistics.median(result.p50_ms for result in row.results):.1f}",
            f"{p99:.1f}",
            f"{1 / statistics.median(row.cpu_s):,.0f}",
            f"{goal:,.0f}" if goal else "",
            holds,
        )
    for name, values in limits.items():
        table.add_row(f"limit: {name}", f"{statistics.median(values):,.0f} [{min(values):,.0f}..{max(values):,.0f}]")
    console.print(table)
