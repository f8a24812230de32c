"""Storing reported points over HTTP: one server process, stored with the default durability.

Batches of 1,000 and 4,000 points of 10 series of 8 tasks, from as many connections, in both forms; latency of batches
of 1,000 from one connection. The limits beside it, measured in the same rounds: decoding alone, and the same blocks
as pipelines of XADD into a Redis that writes to its disk before it answers. A batch is never sent twice: every one
has its own id, iterations and values.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import statistics
import struct
import threading
import time
from array import array
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from rich.table import Table

from benchmarks.measure import console
from control_plane.services import event_batches, event_packing
from control_plane.services.event_batches import Batch
from control_plane.store.blocks import pack_points
from tests.conftest import RunningServer, running_server
from tests.redis_servers import store_url

SERIES = 10
TASKS = 8
ROUND_S = 3.0
AIMS = {"packed": 300_000, "lines": 100_000}
P99_AIM_MS = 30
BYTES_AIM = 20
BEGAN_MS = 1_700_000_000_000


def values(step: int, count: int) -> list[float]:
    """Values that look like measurements: every bit of them is used."""
    return [1.0 / (step + number + 1.7) for number in range(count)]


def lines(task: str, first: int, points: int) -> bytes:
    """A batch as the official SDK writes it."""
    each = points // SERIES
    events = (
        {
            "timestamp": BEGAN_MS + first + number,
            "type": "training_stats_scalar",
            "iter": first + number,
            "task": task,
            "metric": f"metric {series % 3}",
            "variant": f"series {series}",
            "value": value,
        }
        for series in range(SERIES)
        for number, value in enumerate(values(first + series, each))
    )
    return "\n".join(map(json.dumps, events)).encode()


def packed(task: str, first: int, points: int) -> bytes:
    """The same as our SDK sends it."""
    each = points // SERIES
    heads, columns = [], []
    for series in range(SERIES):
        heads.append([f"metric {series % 3}", f"series {series}", "", "", each, BEGAN_MS + first, "i", "I"])
        columns.append(array("i", range(first, first + each)).tobytes())
        columns.append(array("I", range(each)).tobytes())
        columns.append(struct.pack(f"<{each}d", *values(first + series, each)))
    head = json.dumps({"owners": [{"id": task, "series": heads}]}).encode()
    return event_packing.MAGIC + head + b"\n" + b"".join(columns)


FORMS = {"packed": packed, "lines": lines}


@dataclass
class Sent:
    """What one connection did."""

    points: int
    took_s: list[float]


def send(server: RunningServer, token: str, task: str, bodies: list[bytes], points: int, until: float) -> Sent:
    """Send batches over one connection until the time is over or there are no more."""
    connection = http.client.HTTPConnection(urlsplit(server.api).netloc, timeout=60)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-clearml-events"}
    sent = Sent(0, [])
    for body in bodies:
        began = time.perf_counter()
        if began > until:
            break
        connection.request("POST", "/events.add_batch", body, headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise RuntimeError(text[:300].decode())
        sent.took_s.append(time.perf_counter() - began)
        sent.points += points
    connection.close()
    return sent


def new_task(server: RunningServer) -> str:
    return str(server.call("tasks.create", {"name": "ingest", "type": "testing"})["id"])


def round_over_http(server: RunningServer, form: str, points: int, connections: int) -> tuple[float, list[float]]:
    """(points a second, seconds of each batch) of one round, each connection with a task of its own."""
    token, made = server.login(), FORMS[form]
    count = int(ROUND_S * 600_000 / points / connections)
    jobs = []
    for _ in range(connections):
        task = new_task(server)
        # What is sent is made beforehand: making it costs more than storing it.
        jobs.append((task, [made(task, number * (points // SERIES), points) for number in range(count)]))
    results: list[Sent] = []
    began = time.perf_counter()
    threads = [
        threading.Thread(
            target=lambda task=task, bodies=bodies: results.append(
                send(server, token, task, bodies, points, began + ROUND_S)
            )
        )
        for task, bodies in jobs
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    if len(results) != connections:
        raise RuntimeError("a connection failed")
    return sum(sent.points for sent in results) / seconds, [took for sent in results for took in sent.took_s]


def decoding(form: str, points: int) -> float:
    """Points a second that are decoded and grouped, and nothing else."""
    bodies = [FORMS[form]("t", number, points) for number in range(20)]
    began = time.perf_counter()
    for body in bodies:
        batch = Batch("id", 0)
        if form == "packed":
            event_packing.unpack(body, batch, worker="")
        else:
            event_batches.sort(batch, event_batches.decode(body), worker="")
    return points * len(bodies) / (time.perf_counter() - began)


async def _appending(points: int) -> float:
    """Points a second of a bare Redis that takes the same blocks, a pipeline a batch, and writes before it answers."""
    import redis.asyncio as aioredis

    each = points // SERIES
    block = next(pack_points("metric", "series", "w", "", range(each), range(each), values(0, each)))
    with TemporaryDirectory() as folder:
        async with store_url(Path(folder)) as url:
            client = aioredis.from_url(url)
            began, stored = time.perf_counter(), 0
            while time.perf_counter() - began < ROUND_S / 2:

                async def batch(task: int) -> None:
                    pipe = client.pipeline(transaction=False)
                    for _ in range(SERIES):
                        pipe.xadd(f"events:{task}", {"b": block})
                    await pipe.execute()

                await asyncio.gather(*map(batch, range(TASKS)))
                stored += points * TASKS
            seconds = time.perf_counter() - began
            await client.aclose()
    return stored / seconds


async def _bytes_a_point(points: int, batch: int) -> float:
    """Memory of a live point in the store, of points reported in batches; its keys' own sizes summed up."""
    import redis.asyncio as aioredis

    with running_server(env={"CLEARML_SERVER_SEAL_PERIOD_S": "0"}) as server:
        task, token = new_task(server), server.login()
        bodies = [packed(task, number * (batch // SERIES), batch) for number in range(points // batch)]
        await asyncio.to_thread(send, server, token, task, bodies, batch, time.perf_counter() + 60)
        client = aioredis.from_url(f"unix://{server.data_dir}/store/valkey.sock")
        total = 0
        async for key in client.scan_iter(match=f"*{task}*"):
            total += await client.memory_usage(key, samples=0) or 0
        await client.aclose()
    return total / points


def run(title: str, *, rounds: int) -> None:
    table = Table(title=title, title_justify="left")
    for column in ("what", "points/s", "of the limit", "p50", "p99"):
        table.add_column(column, justify="left" if column == "what" else "right")
    limits: dict[str, list[float]] = {}
    found: dict[tuple[str, int, int], list[tuple[float, list[float]]]] = {}
    with running_server() as server:
        cases = [(form, points, TASKS) for form in FORMS for points in (1000, 4000)]
        cases += [(form, 1000, 1) for form in FORMS]
        for _ in range(rounds):
            for case in cases:
                found.setdefault(case, []).append(round_over_http(server, *case))
            for form in FORMS:
                limits.setdefault(f"decoding {form}", []).append(decoding(form, 4000))
            limits.setdefault("XADD, written", []).append(asyncio.run(_appending(4000)))
    floor = statistics.median(limits["XADD, written"])
    for (form, points, connections), results in found.items():
        rate = statistics.median(rate for rate, _ in results)
        took = sorted(one for _, some in results for one in some)
        table.add_row(
            f"{form}, {points:,} a batch, {connections} connections",
            f"{rate:,.0f}",
            f"{rate / floor:.2f}",
            f"{took[len(took) // 2] * 1e3:.1f} ms",
            f"{took[len(took) * 99 // 100] * 1e3:.1f} ms",
        )
    for name, rates in limits.items():
        table.add_row(f"limit: {name}", f"{statistics.median(rates):,.0f}", "", "", "")
    console.print(table)
    size = asyncio.run(_bytes_a_point(100_000, 1000))
    console.print(
        f"aims: {AIMS['packed']:,} points/s packed, {AIMS['lines']:,} in lines, p99 {P99_AIM_MS} ms; "
        f"memory of a live point: {size:.1f} bytes (aim {BYTES_AIM})"
    )
