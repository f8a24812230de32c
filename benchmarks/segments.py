"""Sealed events at scale, over HTTP: 100 curves of 1,000,000 points in one task, and two consoles of 1 GB.

One console comes as our SDK sends it, one an event a line.

Everything comes in as reports, and the server seals it by itself while they come. `python -m benchmarks.segments
--points N --console-mb N` for other sizes. Reads are cold: the server was started anew and has read nothing of it. The
files may be in the memory of the system, as just after they were written; from the disk itself stands beside. The
limits: a call that does nothing, and reading the same bytes of the same files.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import json
import os
import random
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks import reporting
from benchmarks.curves import Client
from benchmarks.goals import Goals, console
from benchmarks.ingest import Rounds, measure
from benchmarks.measure import timed
from benchmarks.reporting import BEGAN_MS, Job, new_task
from control_plane.store import Store
from control_plane.store.segments import index
from control_plane.store.segments.index import Entry
from tests.conftest import RunningServer, running_server

CONNECTIONS, SERIES_EACH, POINTS_EACH = 4, 25, 200
"""A batch is 200 points of 25 series: as much as a busy training reports in some seconds."""
SERIES = CONNECTIONS * SERIES_EACH
CONSOLE_BATCH = 400_000
SAMPLES = 5000
PAGES = 1, 500
"""So many events are 500 lines: as our SDK sends them, and an event each."""
NOISY_GOAL, SMOOTH_GOAL = 9, 2
ONE_GOAL_MS, ALL_GOAL_S, PAGE_GOAL_MS = 50, 1, 20
RESIDENT_GOAL_MB, RATIO_GOAL, CONSOLE_GOAL_MB = 300, 0.9, 50


class Watch:
    """Looks at the memory of a server and its store, several times a second."""

    def __init__(self, server: RunningServer) -> None:
        self._server = server
        self._over = threading.Event()
        self.peak_mb = 0.0

    @contextmanager
    def watching(self) -> Iterator[None]:
        one, store = reporting.processes(self._server)

        def look() -> None:
            while not self._over.wait(0.2):
                mb = sum(each.memory_info().rss for each in (one, *store)) / 1e6
                self.peak_mb = max(self.peak_mb, mb)

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()


def compact(server: RunningServer, task: str) -> None:
    """Seal what waits still."""
    command = [sys.executable, "-m", "clearml_sdk.cli", "clearml-server", "compact", "--task", task]
    command += ["--data-dir", str(server.data_dir)]
    done = subprocess.run(command, env=server.environment(), check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)


async def _entries(server: RunningServer, task: str) -> list[Entry]:
    store = await Store.open(f"unix://{server.data_dir}/store/valkey.sock")
    try:
        return list((await index.entries(store.connection, task, 0)).values())
    finally:
        await store.close()


def bytes_a_point(server: RunningServer, task: str) -> float:
    """Of what is sealed of a task; all of it has to be."""
    entries = asyncio.run(_entries(server, task))
    return sum(one.size for one in entries) / sum(one.counts["scalar"] for one in entries)


def drop_files(server: RunningServer) -> None:
    """Let the system forget what it keeps of segments in its memory."""
    for path in (server.data_dir / "segments").rglob("*.seg"):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(handle)


def talk(server: RunningServer, task: str, kind: str, mb: int, goals: Goals) -> float:
    """A console that is reported and sealed; returns the MB a second that were taken."""
    one, _ = reporting.processes(server)
    batches = int(mb * 1e6 / CONSOLE_BATCH / CONNECTIONS)
    watch, before = Watch(server), reporting.cpu_s([one])
    with watch.watching():
        job = Job(server.api, server.login(), kind, [task] * CONNECTIONS, batches, 1, CONSOLE_BATCH, prepared=False)
        result = reporting.sent(job)
        worked = reporting.cpu_s([one]) - before
        compact(server, task)
    goals.note(f"{kind}: a second of the server's processor", [mb / worked], "MB")
    goals.note("  resident, server and store: the most meanwhile", [watch.peak_mb], "MB")
    size = sum(entry.size for entry in asyncio.run(_entries(server, task)))
    goals.note("  a sealed byte", [size / mb / 1e6], "bytes")
    return mb / result.seconds


def fill(server: RunningServer, points: int, console_mb: int, goals: Goals) -> tuple[str, dict[str, str]]:
    """A task with curves and one with a console of each kind, all of it sealed."""
    task = new_task(server, "curves")
    talkers = {kind: new_task(server, kind) for kind in ("console pieces", "console lines")}
    one, _ = reporting.processes(server)
    console.print(f"reporting {points:,} points and {console_mb:,} MB of console")
    batches = points // (SERIES * POINTS_EACH)
    watch, before = Watch(server), reporting.cpu_s([one])
    with watch.watching():
        whose = [task] * CONNECTIONS
        job = Job(server.api, server.login(), "packed", whose, batches, SERIES_EACH, POINTS_EACH, prepared=False)
        result = reporting.sent(job)
        goals.note("reporting them, while they are sealed", [points / result.seconds], "points/s")
        goals.note("  a second of the server's processor", [points / (reporting.cpu_s([one]) - before)], "points")
        compact(server, task)
    goals.at_most("resident, server and store: the most meanwhile", [watch.peak_mb], "MB", RESIDENT_GOAL_MB)
    goals.at_most("resident afterwards", [reporting.resident_mb(server)], "MB", RESIDENT_GOAL_MB)
    rates = [talk(server, whose, kind, console_mb, goals) for kind, whose in talkers.items()]
    goals.at_least("reporting a console as our SDK does, while it is sealed", rates[:1], "MB/s", CONSOLE_GOAL_MB)
    goals.note("  line by line", rates[1:], "MB/s")
    goals.at_most("a sealed point of noisy curves", [bytes_a_point(server, task)], "bytes", NOISY_GOAL, "16")
    smooth = new_task(server, "smooth")
    reporting.sent(Job(server.api, server.login(), "smooth", [smooth], 100, 10, 1000))
    compact(server, smooth)
    goals.at_most("a sealed point of smooth curves", [bytes_a_point(server, smooth)], "bytes", SMOOTH_GOAL, "16")
    return task, talkers


def beside_an_empty_one(server: RunningServer, rounds: int, goals: Goals) -> None:
    """Reports to a server with all that, and to a new one, by turns."""
    full, empty = Rounds(), Rounds()
    with running_server() as other:
        for number in range(rounds + 1):
            for one, found in ((server, full), (other, empty)):
                measure(one, found if number else Rounds(), "packed", 1000, CONNECTIONS, 500_000)
    ratios = [one / other for one, other in zip(full.rates, empty.rates, strict=True)]
    goals.at_least("reporting, beside an empty server", [statistics.median(ratios)], "x", RATIO_GOAL)
    worked = [one / other for one, other in zip(full.each_cpu_s, empty.each_cpu_s, strict=True)]
    goals.at_least("  for a second of the processor", [statistics.median(worked)], "x", RATIO_GOAL)


def read(
    server: RunningServer, task: str, talkers: dict[str, str], points: int, console_mb: int, rounds: int, goals: Goals
) -> None:
    """Curves and pages of the console, of a server that has read nothing yet."""
    server.stop()
    server.restart()
    client = Client(server)
    small = new_task(server, "small")
    reporting.sent(Job(server.api, server.login(), "packed", [small], 1, 10, 100))
    client.call("events.scalar_metrics_iter_histogram", {"task": small})  # numpy is loaded

    def curve(name: int) -> None:
        names = [{"metric": f"metric {name % 3}", "variants": [f"v{name:03}"]}]
        body = {"task": task, "samples": SAMPLES, "metrics": names}
        found = json.loads(client.call("events.scalar_metrics_iter_histogram", body))
        assert SAMPLES // 2 < len(found["data"][f"metric {name % 3}"][f"v{name:03}"]["x"]) <= SAMPLES + 1

    def everything() -> None:
        client.call("events.scalar_metrics_iter_histogram", {"task": task, "samples": SAMPLES})

    def page(talker: str, events: int, at_ms: int | None) -> int:
        body: dict[str, Any] = {"task": talker, "batch_size": events}
        found = json.loads(
            client.call("events.get_task_log", body if at_ms is None else {**body, "from_timestamp": at_ms})
        )
        assert found["data"]["returned"] == events
        return int(found["data"]["events"][0]["timestamp"])

    paths = {path.name: path for path in (server.data_dir / "segments").rglob("*.seg")}
    entries = asyncio.run(_entries(server, task))

    def files(share: float) -> None:
        for entry in entries:
            with paths[f"0-{entry.name}.seg"].open("rb") as file:
                file.read(int(entry.size * share))

    ping = statistics.median(timed(lambda: client.call("debug.ping", {})) for _ in range(20)) * 1e3
    first = timed(lambda: curve(0))
    one = [timed(lambda name=name: curve(name)) * 1e3 for name in range(1, min(SERIES, 1 + 4 * rounds))]  # type: ignore[misc]
    raw_one, raw_all = timed(lambda: files(1 / SERIES)) * 1e3, timed(lambda: files(1))
    everything_s = [timed(everything) for _ in range(rounds)]
    drop_files(server)
    from_disk = timed(lambda: curve(SERIES - 1))
    drop_files(server)
    everything_from_disk = timed(everything)
    drop_files(server)
    raw_disk = timed(lambda: files(1))
    each, limit = f"{points // SERIES:,} points", f"files {raw_one:.1f}, ping {ping:.1f}"
    goals.at_most(f"{SAMPLES:,} samples of a curve of {each}", one, "ms", ONE_GOAL_MS, limit)
    goals.note("  the first of the task", [first * 1e3], "ms")
    goals.note("  from the disk", [from_disk * 1e3], "ms")
    limit = f"files {raw_all:.2f}"
    goals.at_most(f"{SAMPLES:,} samples of each of {SERIES} such curves", everything_s, "s", ALL_GOAL_S, limit)
    goals.note("  from the disk", [everything_from_disk], "s", f"files {raw_disk:.2f}")
    for (kind, talker), events in zip(talkers.items(), PAGES, strict=True):
        drop_files(server)
        some = functools.partial(page, talker, events)
        span = some(None) - BEGAN_MS
        newest = [timed(lambda of=some: of(None)) * 1e3 for _ in range(4 * rounds)]  # type: ignore[misc]
        draw = random.Random(1)
        places = [BEGAN_MS + int(span * draw.uniform(0.01, 1)) for _ in range(10 * rounds)]
        anywhere = [timed(lambda of=some, at=at: of(at)) * 1e3 for at in places]  # type: ignore[misc]
        limit = f"ping {ping:.1f}"
        goals.at_most(f"{kind}: the newest 500 of {console_mb:,} MB", newest, "ms", PAGE_GOAL_MS, limit)
        goals.at_most("  500 lines from anywhere in it", anywhere, "ms", PAGE_GOAL_MS, limit)
    client.close()
    goals.at_most("resident after all that was read", [reporting.resident_mb(server)], "MB", RESIDENT_GOAL_MB)


def run(title: str, *, rounds: int, points: int = 100_000_000, console_mb: int = 1000) -> None:
    """Print the table."""
    goals = Goals(title)
    with running_server() as server:
        task, talkers = fill(server, points, console_mb, goals)
        beside_an_empty_one(server, rounds, goals)
        read(server, task, talkers, points, console_mb, rounds, goals)
    goals.show()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.segments", description=__doc__)
    parser.add_argument("--points", type=int, default=100_000_000)
    parser.add_argument("--console-mb", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    run("sealed events", rounds=arguments.rounds, points=arguments.points, console_mb=arguments.console_mb)


if __name__ == "__main__":
    main()
