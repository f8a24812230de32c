"""A script that reports while its server and its network are killed at random, until it is killed itself (or ends).

After each report the script counts it in a file, so that it is known to the report what was done when it died: what is
stored must be exactly that (and the one report that was done and not counted yet, where it was killed in between).
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.conftest import RunningServer
from tests.faults import FaultProxy, Moment
from tests.integration.sdk.core.conftest import QUIET, Workplace
from tests.integration.sdk.reporting.conftest import Stored

MOMENTS: tuple[Moment, ...] = ("before", "after", "half")
KINDS = ("scalar", "line", "plot")

SCRIPT = f"""
import os, sys, time
from clearml import Task
task = Task.init("sdk/storm", "in a storm", reuse_last_task_id=False, {QUIET})
logger = task.get_logger()
say(id=task.id)
counted = os.open("counted", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
limit = int(sys.argv[1])
step = 0
while step < limit:
    logger.report_scalar("storm", f"series {{step % 5}}", step / 3, step)
    os.write(counted, b"s")
    if step % 20 == 0:
        print(f"line {{step // 20}}", flush=True)
        os.write(counted, b"l")
    if step % 100 == 0:
        logger.report_plotly("plot", "p", {{"data": [{{"x": [step], "y": [step]}}]}}, iteration=step // 100)
        os.write(counted, b"p")
    step += 1
    if step % 25 == 0:
        time.sleep(0.005)
"""


class Storm:
    """Kills and restarts the server, and cuts calls, in a thread, until `end`."""

    def __init__(self, server: RunningServer, proxy: FaultProxy, seed: int) -> None:
        self._server, self._proxy, self._random = server, proxy, random.Random(seed)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._rage, name="storm")
        self.kills = 0

    def begin(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """With a server that runs."""
        self._over.set()
        self._thread.join(60)

    def _rage(self) -> None:
        while not self._over.wait(self._random.uniform(0.2, 1.2)):
            for endpoint in ("events.add_batch", "tasks.edit_hyper_params", "auth.login"):
                if self._random.random() < 0.6:
                    self._proxy.cut_and_let_through(endpoint, self._random.choice(MOMENTS))
            if self._random.random() < 0.5:
                began = time.monotonic()
                self._server.kill()
                self.kills += 1
                self._over.wait(self._random.uniform(0.0, 1.5))
                self._server.restart()
                self._over.wait(time.monotonic() - began)  # it lives as long as it was away, on a slow machine too


@contextmanager
def storm_over(server: RunningServer, seed: int) -> Iterator[tuple[FaultProxy, Storm]]:
    """A network to the server in which things go wrong once the storm has begun."""
    with FaultProxy(server.api) as proxy:
        storm = Storm(server, proxy, seed)
        try:
            yield proxy, storm
        finally:
            if storm._thread.ident is not None:
                storm.end()


def report_until_killed(workplace: Workplace, proxy: FaultProxy, storm: Storm, *, after: int | None, seed: int) -> str:
    """The task of a script that was killed after about so many points; None: it has come to its end."""
    limit = 10**9 if after is None else after * 1000
    process = workplace.start(SCRIPT, str(3000 if after is None else limit), CLEARML_API_HOST=proxy.url)
    assert process.stdout is not None
    with process:
        task_id = ""
        while not task_id:
            line = process.stdout.readline()
            assert line, process.communicate()
            if line.startswith("SAY "):
                task_id = json.loads(line[4:])["id"]
        storm.begin()
        drain = threading.Thread(target=process.stdout.read, daemon=True)
        drain.start()
        if after is not None:
            deadline = time.monotonic() + 90
            while count(workplace)["s"] < after:
                assert process.poll() is None and time.monotonic() < deadline, "the script does not go on"
                time.sleep(0.002)
            time.sleep(random.Random(seed).uniform(0, 0.05))  # anywhere in the script's round
            process.kill()
        assert process.wait(100) == (0 if after is None else -9)
        drain.join(20)
    return task_id


def count(workplace: Workplace) -> dict[str, int]:
    """How many reports of each kind the script has counted."""
    try:
        found = (workplace.folder / "counted").read_bytes()
    except FileNotFoundError:
        found = b""
    return {kind[0]: found.count(kind[0].encode()) for kind in KINDS}


def stored_exactly(server: RunningServer, workplace: Workplace, task_id: str, *, killed: bool) -> dict[str, int]:
    """What is stored is what was reported: every point, line and plot, once, in order, with its value."""
    stored, counted = Stored(server.call, task_id), count(workplace)
    points: list[tuple[int, str, float]] = sorted(
        (event["iter"], event["variant"], event["value"])
        for event in stored.events("training_stats_scalar")
        if event["metric"] == "storm"
    )
    assert points == [(step, f"series {step % 5}", step / 3) for step in range(len(points))]
    lines = [line for line in stored.console() if line.startswith("line ")]
    assert lines == [f"line {number}" for number in range(len(lines))]
    plots = [event["iter"] for event in stored.events("plot") if event["metric"] == "plot"]
    assert sorted(plots) == list(range(len(plots)))
    found = {"s": len(points), "l": len(lines), "p": len(plots)}
    for kind, number in found.items():
        assert number - counted[kind] in ({0, 1} if killed else {0}), (kind, found, counted)
    assert sum(found.values()) - sum(counted.values()) <= 1
    return found
