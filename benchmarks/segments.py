"""Sealed events at scale, over HTTP: 100 curves of 1,000,000 points in one task, and a console of 1 GB.

The segments are written as sealing writes them, by this process, before the server is asked. Limits beside it: a call
that does nothing, and reading the same bytes of the same files.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from rich.table import Table

from benchmarks.curves import Client
from benchmarks.measure import console, spread, timed
from control_plane.store import Store, keys
from control_plane.store.blocks import Record
from control_plane.store.segments import format as segment
from control_plane.store.segments import index
from control_plane.store.segments.files import open_files
from control_plane.store.segments.format import Contents, Sealed
from tests.conftest import RunningServer, running_server

SERIES, POINTS, SEGMENTS = 100, 1_000_000, 25
LINES, LINE_BYTES, LINES_A_SEGMENT = 4_000_000, 250, 160_000
SAMPLES = 5000
RESIDENT_MIB = 300


async def write(server: RunningServer, task: str, made: Callable[[int], Contents], count: int) -> int:
    """Put segments of a task in their place and into the index; returns their bytes."""
    store = await Store.open(f"unix://{server.data_dir}/store/valkey.sock")
    files = open_files(str(server.data_dir / "segments"))
    size = 0
    try:
        for number in range(count):
            contents = made(number)
            body = segment.encode(task, 0, contents)
            name = segment.name_of(body)
            await files.put(task, 0, name, body)
            counts = {"scalar": sum(len(one.steps) for one in contents.series)}
            counts |= {family: len(records) for family, records in contents.records.items()}
            entry = index.Entry(name, len(body), {k: v for k, v in counts.items() if v}, 0, len(contents.series))
            script_keys = [keys.event_meta(task), keys.event_segments(task, 0)]
            args: list[Any] = [0, number, 0, index.pack(entry)]
            await store.connection.run(
                lambda _, script_keys=script_keys, args=args: store.connection.script("seal_events", script_keys, args),  # type: ignore[misc]
                owner=task,
            )
            size += len(body)
            console.print(f"  segment {number + 1} of {count}: {len(body) / 2**20:.1f} MiB")
    finally:
        await store.close()
    return size


def curves(number: int) -> Contents:
    """A piece of every series: a noisy, falling loss."""
    count = POINTS // SEGMENTS
    steps = np.arange(number * count, (number + 1) * count)
    draw = np.random.default_rng(number)
    times = 1_700_000_000_000 + steps * 50 + draw.integers(0, 9, count)
    return Contents(
        [
            Sealed("loss", f"v{one:03}", steps, times, np.exp(-steps / 2e5) + draw.normal(0, 0.01, count))
            for one in range(SERIES)
        ]
    )


def lines(number: int) -> Contents:
    """A piece of the console."""
    first = number * LINES_A_SEGMENT
    draw = random.Random(number)
    text = "".join(draw.choices("abcdefghijklmnopqrstuvwxyz     0123456789", k=LINE_BYTES))
    records = [
        Record(1_700_000_000_000 + at * 10, 0, "", "", "w", f"{at} {text[at % 100 :]}{text[: at % 100]}\n"[:LINE_BYTES])
        for at in range(first, first + LINES_A_SEGMENT)
    ]
    return Contents(records={"log": records})


def resident_mib(server: RunningServer) -> float:
    """The server and everything that it started, without pages of files."""
    process = psutil.Process(server.process.pid)
    store = [one for one in psutil.process_iter() if "valkey" in one.name()]
    mine = {one.pid: one for one in (process, *process.children(recursive=True))}
    mine |= {one.pid: one for one in store if str(server.data_dir) in " ".join(one.cmdline())}
    return sum(one.memory_info().rss for one in mine.values()) / 2**20


def run(title: str, *, rounds: int) -> None:
    """Print the table."""
    with running_server() as server:
        client = Client(server)
        task = str(server.call("tasks.create", {"name": "curves", "type": "testing"})["id"])
        talker = str(server.call("tasks.create", {"name": "console", "type": "testing"})["id"])
        idle = resident_mib(server)
        console.print(f"writing {SERIES * POINTS:,} points and {LINES * LINE_BYTES / 1e9:g} GB of console")
        points_bytes = asyncio.run(write(server, task, curves, SEGMENTS))
        lines_bytes = asyncio.run(write(server, talker, lines, LINES // LINES_A_SEGMENT))

        def curve(variant: str) -> None:
            names = [{"metric": "loss", "variants": [variant]}]
            found = client.call(
                "events.scalar_metrics_iter_histogram", {"task": task, "samples": SAMPLES, "metrics": names}
            )
            assert len(json.loads(found)["data"]["loss"][variant]["x"]) == SAMPLES

        def everything() -> None:
            client.call("events.scalar_metrics_iter_histogram", {"task": task, "samples": SAMPLES})

        def page(at_ms: int | None) -> None:
            body: dict[str, Any] = {"task": talker, "batch_size": 500}
            found = client.call("events.get_task_log", body if at_ms is None else {**body, "from_timestamp": at_ms})
            assert json.loads(found)["data"]["returned"] == 500

        def files() -> None:
            for path in Path(server.data_dir / "segments").rglob(f"*{task}/*.seg"):
                path.read_bytes()

        curve("v000")  # numpy and the segments' footers are loaded
        page(None)
        draw = random.Random(1)
        figures: dict[str, list[float]] = {
            f"{SAMPLES:,} samples of a curve of {POINTS:,} points": [
                timed(lambda one=one: curve(f"v{one:03}"))  # type: ignore[misc]
                for one in range(1, 1 + 4 * rounds)
            ],
            f"{SAMPLES:,} samples of each of {SERIES} such curves": [timed(everything) for _ in range(rounds)],
            "the newest 500 lines of the console": [timed(lambda: page(None)) for _ in range(4 * rounds)],
            "500 lines from anywhere in it": [
                timed(lambda at=at: page(1_700_000_000_000 + at * 10))  # type: ignore[misc]
                for at in draw.sample(range(10_000, LINES), 10 * rounds)
            ],
            "limit: a call that does nothing": [timed(lambda: client.call("debug.ping", {})) for _ in range(20)],
            "limit: reading the curves' files": [timed(files) for _ in range(rounds)],
        }
        resident = resident_mib(server)
        client.close()
    table = Table("what", "median [min..max]", title=title, title_justify="left")
    for name, seconds in figures.items():
        table.add_row(name, spread(seconds))
    console.print(table)
    console.print(f"bytes a sealed point: {points_bytes / SERIES / POINTS:.2f} (raw: 16, or 24 with the time in ms)")
    console.print(f"bytes of the console: {lines_bytes / LINES / LINE_BYTES:.3f} of its text")
    console.print(
        f"resident: {idle:.0f} MiB before, {resident:.0f} MiB after (bound: {RESIDENT_MIB} MiB with 100 million points)"
    )
