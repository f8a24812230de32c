"""Storing reports over HTTP: one server process, stored with the default durability.

Batches of 1,000 and 4,000 points of 10 series, a task a connection, in both forms; pieces of a console. The limits
beside it, measured in the same rounds: decoding alone, and the same blocks as pipelines of XADD into a Redis that
writes to its disk before it answers. Reports are made and sent by another process, and no batch is sent twice.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import reporting
from benchmarks.goals import Goals
from benchmarks.reporting import Job, new_task
from control_plane.services import event_batches, event_packing
from control_plane.services.event_batches import Batch
from control_plane.store.blocks import pack_points
from tests.conftest import RunningServer, running_server
from tests.redis_servers import store_url

SERIES = 10
ROUND_S = 2.0
EXPECTED = 500_000
"""Points a second that a round is made for: it lasts longer where fewer are stored."""
GOALS = {"packed": 300_000, "lines": 100_000}
P99_GOAL_MS = 30
BYTES_GOAL = 20
CONSOLE_GOAL_MB = 50
CONSOLE_BATCH = 400_000


@dataclass
class Rounds:
    """What came of the rounds of one case."""

    rates: list[float] = field(default_factory=list)
    """Points, or MB, a second."""
    took_ms: list[float] = field(default_factory=list)
    each_cpu_s: list[float] = field(default_factory=list)
    """Points, or MB, for each second that the server's process worked."""

    @property
    def p99_ms(self) -> float:
        return sorted(self.took_ms)[len(self.took_ms) * 99 // 100]


def measure(server: RunningServer, rounds: Rounds, kind: str, size: int, connections: int, amount: float) -> None:
    """One round: `amount` points, or MB of a console, in batches of `size` points or bytes."""
    is_console = kind.startswith("console")
    batches = max(1, round(amount * (1e6 if is_console else 1) / size / connections))
    job = Job(
        server.api, server.login(), kind, [new_task(server) for _ in range(connections)], batches,
        1 if is_console else SERIES, size if is_console else size // SERIES,
    )  # fmt: skip
    process, _ = reporting.processes(server)
    before = reporting.cpu_s([process])
    result = reporting.sent(job)
    amount = batches * connections * size / (1e6 if is_console else 1)
    rounds.rates.append(amount / result.seconds)
    rounds.took_ms += [one * 1e3 for one in result.took_s]
    rounds.each_cpu_s.append(amount / (reporting.cpu_s([process]) - before))


def decoding(form: str) -> float:
    """Points a second that are decoded and grouped, and nothing else."""
    made = {"packed": reporting.packed, "lines": reporting.lines}[form]
    bodies = [made("t", range(SERIES), number * 400, 400) for number in range(20)]
    began = time.perf_counter()
    for body in bodies:
        batch = Batch("id", 0)
        if form == "packed":
            event_packing.unpack(body, batch, worker="")
        else:
            event_batches.sort(batch, event_batches.decode(body), worker="")
    return 400 * SERIES * len(bodies) / (time.perf_counter() - began)


async def _appending(block: bytes, blocks: int, tasks: int = 8) -> float:
    """Blocks a second that a bare Redis takes, a pipeline a batch of so many, and writes before it answers."""
    import redis.asyncio as aioredis

    with TemporaryDirectory() as folder:
        async with store_url(Path(folder)) as url:
            client = aioredis.from_url(url)
            began, stored = time.perf_counter(), 0
            while time.perf_counter() - began < ROUND_S / 2:

                async def batch(task: int) -> None:
                    pipe = client.pipeline(transaction=False)
                    for _ in range(blocks):
                        pipe.xadd(f"events:{task}", {"b": block})
                    await pipe.execute()

                await asyncio.gather(*map(batch, range(tasks)))
                stored += tasks * blocks
                await client.delete(*(f"events:{task}" for task in range(tasks)))
            seconds = time.perf_counter() - began
            await client.aclose()
    return stored / seconds


async def bytes_a_point(points: int, batch: int) -> float:
    """Memory of a live point in the store, of points reported in batches; its keys' own sizes summed up."""
    import redis.asyncio as aioredis

    with running_server(env={"CLEARML_SERVER_SEAL_PERIOD_S": "0"}) as server:
        task = new_task(server)
        job = Job(server.api, server.login(), "packed", [task], points // batch, SERIES, batch // SERIES)
        await asyncio.to_thread(reporting.sent, job)
        client = aioredis.from_url(f"unix://{server.data_dir}/store/valkey.sock")
        total = 0
        async for key in client.scan_iter(match=f"*{task}*"):
            total += await client.memory_usage(key, samples=0) or 0
        await client.aclose()
    return total / points


def run(title: str, *, rounds: int) -> None:
    """Print the table."""
    cases = [(form, size, 8) for form in GOALS for size in (1000, 4000)] + [(form, 1000, 4) for form in GOALS]
    consoles = ["console pieces", "console lines"]
    found = {case: Rounds() for case in cases}
    texts = {kind: Rounds() for kind in consoles}
    decoded: dict[str, list[float]] = {form: [] for form in GOALS}
    xadd: list[float] = []
    xadd_mb: list[float] = []
    each = 4000 // SERIES
    values = reporting.noisy(0, 0, each).tolist()
    block = next(pack_points("metric", "series", "w", "", range(each), range(each), values))
    with running_server() as server:
        for _ in range(rounds):
            for (form, size, connections), one in found.items():
                measure(server, one, form, size, connections, EXPECTED * ROUND_S)
            for kind, one in texts.items():
                measure(server, one, kind, CONSOLE_BATCH, 4, CONSOLE_GOAL_MB * ROUND_S)
            for form, some in decoded.items():
                some.append(decoding(form))
            xadd.append(asyncio.run(_appending(block, SERIES)) * each)
            xadd_mb.append(asyncio.run(_appending(b"x" * CONSOLE_BATCH, 1)) * CONSOLE_BATCH / 1e6)
    goals = Goals(title)
    stored = f"XADD {statistics.median(xadd):,.0f}"
    for (form, size, connections), one in found.items():
        what = f"{form}, {size:,} a batch, {connections} connections"
        limit = f"decoding {statistics.median(decoded[form]):,.0f}, {stored}"
        if connections == 8:
            goals.at_least(what, one.rates, "points/s", GOALS[form], limit)
            goals.note("  a second of the server's processor", one.each_cpu_s, "points")
        else:
            goals.at_most(f"{what}: p99", [one.p99_ms], "ms", P99_GOAL_MS)
            goals.note(f"{what}: each batch", sorted(one.took_ms)[:: max(1, len(one.took_ms) // 99)], "ms")
    for kind, one in texts.items():
        limit = f"XADD {statistics.median(xadd_mb):,.0f}"
        goals.at_least(f"{kind}, 4 connections", one.rates, "MB/s", CONSOLE_GOAL_MB, limit)
        goals.note("  a second of the server's processor", one.each_cpu_s, "MB")
    goals.at_most("memory of a live point, 100 of a series at once", [asyncio.run(bytes_a_point(100_000, 1000))],
                  "bytes", BYTES_GOAL, "16")  # fmt: skip
    goals.show()
