"""Store and server are killed again and again while four clients report and everything is sealed all the time: each
acknowledged point, line and plot is there exactly once, through the API."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import RunningServer, start_server
from tests.faults import RetryingClient
from tests.integration.events.reports import BEGAN_MS, line, new_task, plot, scalar
from tests.integration.segments.operating import always_due, command, restart
from tests.integration.segments.workload import Reported, turn
from tests.redis_servers import until

pytestmark = [pytest.mark.embedded, pytest.mark.one_server]

ENV = {"CLEARML_SERVER_SEAL_PERIOD_S": "0.02"}
PROJECT = Path(__file__).resolve().parents[3]
END_S = 300.0
ALWAYS_TRIES = 10_000


class OfficialForm(threading.Thread):
    """A client that sends what official ones do: NDJSON in a GET, the same bytes until it is answered.

    It reports to a task of its own, and to one that others report to as well.
    """

    def __init__(self, server: RunningServer, client: str, tasks: list[str]) -> None:
        super().__init__(name=client)
        self.client, self.tasks, self.turns, self.failed = client, tasks, 0, ""
        self._http = RetryingClient(server.api, server.login(), {"X-ClearML-Worker": client}, max_tries=ALWAYS_TRIES)
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.01):
            events = [event for task in self.tasks for event in self._events(task)]
            code, subcode, data = self._http.call("events.add_batch", "\n".join(map(json.dumps, events)).encode())
            if (code, data.get("added")) != (200, len(events)):
                self.failed = f"{code}/{subcode}: {data}"
                break
            self.turns += 1
        self._http.close()

    def _events(self, task: str) -> Iterator[dict[str, Any]]:
        one = turn(self.client, self.turns)
        for series, step, value in one.points:
            yield scalar(task, step, value, series)
        for number, text in enumerate(one.lines):
            yield line(task, 0, text, timestamp=BEGAN_MS + 10 * self.turns + number)
        for (metric, variant), step, text in one.plots:
            yield plot(task, step, metric, variant, plot_str=text)

    def end(self) -> int:
        """Acknowledged turns; the last call is answered first."""
        self._over.set()
        self.join(END_S)
        assert not self.is_alive(), "the last batch was never answered"
        assert not self.failed, self.failed
        return self.turns


class OurSdk:
    """Our SDK in a process of its own, which sends packed batches."""

    def __init__(self, server: RunningServer, client: str, task: str, folder: Path) -> None:
        self.client, self.task = client, task
        self._log = folder / f"{client}.log"
        with self._log.open("w") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.integration.segments.workload", task, client],
                cwd=PROJECT, env=server.environment(CLEARML_JOURNAL_DIR=str(folder / client)),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
            )  # fmt: skip

    def end(self) -> int:
        """Turns, all of which were acknowledged."""
        out, _ = self._process.communicate("", timeout=END_S)
        assert self._process.returncode == 0, self._log.read_text()
        said = json.loads(out)
        assert said["is_flushed"]
        return int(said["turns"])

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(20)


def kill_often(server: RunningServer, draw: random.Random, seconds: float) -> None:
    """Kill the server, its store or both at random; they come back. For so long, and until each was killed once."""
    until, kills = time.monotonic() + seconds, Counter[str]()
    kinds = ("store", "server", "both")
    while (is_time := time.monotonic() < until) or len(kills) < len(kinds):
        time.sleep(draw.uniform(0.05, 1.5))  # at any moment of what goes on there
        what = draw.choice([one for one in kinds if is_time or not kills[one]])
        if what != "server":
            kill_store(server)
        if what != "store":
            restart(server, ENV)
        kills[what] += 1


def kill_store(server: RunningServer) -> None:
    """kill -9 of the embedded store, if it runs just now."""
    pid = int((server.data_dir / "store" / "pid").read_text() or 0)
    try:
        if pid and b"valkey" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, FileNotFoundError):
        pass  # on its way back from the last time


def soak(tmp_path: Path, durability: str, seed: int, seconds: float) -> None:
    draw = random.Random(seed)
    server = start_server(tmp_path / "data", tmp_path / "run", f"--durability={durability}", env=ENV)
    with ExitStack() as stack:
        stack.callback(server.stop)
        tasks = [new_task(server, f"soak {n}") for n in range(5)]
        for task in tasks:
            server.call("tasks.started", {"task": task})
        official = [OfficialForm(server, f"official{n}", [tasks[n], tasks[4]]) for n in range(2)]
        ours = [OurSdk(server, f"ours{n}", tasks[2 + n], tmp_path) for n in range(2)]
        for process in ours:
            stack.callback(process.kill)
        with always_due(server.data_dir, tasks):
            for thread in official:
                thread.start()
                stack.callback(thread._over.set)
            kill_often(server, draw, seconds)
            folder = server.data_dir / "segments"
            until(lambda: all(one.turns > 10 for one in official), "hardly anything was reported", limit_s=END_S)
            until(lambda: any(folder.glob("*/*/*.seg")), "nothing was sealed", limit_s=END_S)
            expected = [Reported() for _ in tasks]
            for number, client in enumerate([*official, *ours]):
                turns = client.end()
                expected[number].add(client.client, turns)
                if isinstance(client, OfficialForm):
                    expected[4].add(client.client, turns)
        for task, one in zip(tasks, expected, strict=True):
            check(server, task, one)
        command(server, "compact")
        kill_store(server)
        restart(server, ENV)
        for task, one in zip(tasks, expected, strict=True):
            check(server, task, one)
        found = command(server, "doctor", "--deep")
        assert not [line for line in found if line["level"] == "error"], found


def events(server: RunningServer, task: str, kind: str) -> list[dict[str, Any]]:
    """Every event of a type, page by page."""
    found: list[dict[str, Any]] = []
    body = {"task": task, "event_type": kind, "batch_size": 10_000}
    while True:
        page = server.call("events.get_task_events", body)
        if not page["events"]:
            assert page["total"] == len(found)
            return found
        found += page["events"]
        body["scroll_id"] = page["scroll_id"]


def check(server: RunningServer, task: str, expected: Reported) -> None:
    """What is read back is what was acknowledged, once."""
    assert all(expected.lines.values()), "nothing was reported"
    curves: dict[tuple[str, str], dict[int, float]] = {}
    points = events(server, task, "training_stats_scalar")
    for event in points:
        curves.setdefault((event["metric"], event["variant"]), {})[event["iter"]] = event["value"]
    assert sum(map(len, curves.values())) == len(points), "a point is answered twice"
    assert curves.keys() == expected.points.keys()
    for series, curve in curves.items():
        assert curve == expected.points[series], series
    plots = events(server, task, "plot")
    assert len(plots) == len(expected.plots)
    assert {((one["metric"], one["variant"]), one["iter"]): one["plot_str"] for one in plots} == expected.plots
    said: dict[str, list[str]] = {}
    for text in console(server, task):
        said.setdefault(text.split()[0], []).append(text)
    assert said == expected.lines
    document = server.call("tasks.get_by_id", {"task": task})["task"]
    shown = {
        (one["metric"], one["variant"]): one
        for variants in document["last_metrics"].values()
        for one in variants.values()
    }
    assert shown.keys() == expected.points.keys()
    for series, curve in expected.points.items():
        one = shown[series]
        assert (one["count"], one["value"]) == (len(curve), curve[max(curve)])
        assert (one["min_value"], one["max_value"]) == (min(curve.values()), max(curve.values()))
    assert document["last_iteration"] == max(max(curve) for curve in expected.points.values())


def console(server: RunningServer, task: str) -> list[str]:
    """Every line, by time."""
    url = f"{server.api}/events.download_task_log?task={task}&line_type=json"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {server.login()}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        events = [json.loads(one) for one in answer.read().splitlines()]
    return [text for event in events for text in event["msg"].split("\n")]  # our SDK joins those of one moment


@pytest.mark.timeout(300)
@pytest.mark.parametrize("durability", ["always", "process"])
def test_what_was_acknowledged_is_there_once(tmp_path: Path, durability: str) -> None:
    soak(tmp_path, durability, 1, 3.0)


@pytest.mark.full
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(2, 5))
@pytest.mark.parametrize("durability", ["always", "process"])
def test_for_minutes(tmp_path: Path, durability: str, seed: int) -> None:
    soak(tmp_path, durability, seed, 100.0)
