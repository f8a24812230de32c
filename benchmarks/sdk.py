"""What the SDK costs a training script, beside the official one in the same run; the scripts are in `training`."""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import training
from benchmarks.goals import Goals
from tests.compat.official import official_environment, sdk_environment
from tests.conftest import RunningServer, running_server

LIMIT_S = 150
STARTS = 3
"""Rounds of both sides for what takes the official SDK seconds; the rest it does once: its close alone takes ten."""
US, MS = 1e6, 1e3


@dataclass(frozen=True)
class Side:
    """One of the two SDKs."""

    python: Path
    env: dict[str, str]
    folder: Path

    @contextmanager
    def started(self, part: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
        """One script in a process group of its own, which is killed in the end."""
        process = subprocess.Popen(
            [str(self.python), str(self.folder / "training.py"), part, json.dumps(options)],
            cwd=self.folder, env=self.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True, text=True,
        )  # fmt: skip
        try:
            yield process
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it and all its children have ended
            process.communicate()

    def run(self, part: str, **options: Any) -> dict[str, Any]:
        """What one script says, and `whole`: seconds from its start to its end."""
        began = time.perf_counter()
        with self.started(part, **options) as process:
            out, err = process.communicate(timeout=LIMIT_S)
            whole = time.perf_counter() - began
            if process.returncode:
                raise RuntimeError(f"{part} failed: {err[-2000:]}")
        return {**result(out.splitlines()), "whole": whole}

    def start(self) -> dict[str, Any]:
        """Import and init; closing is not waited for."""
        with self.started("start", stays=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("RESULT "):
                    return result([line])
            raise RuntimeError("it ended without its times")

    def away(self, server: RunningServer, count: int) -> dict[str, Any]:
        """The script whose server is killed under it, and runs again afterwards."""
        with self.started("away", count=count) as process:
            assert process.stdout is not None and process.stdin is not None
            while process.stdout.readline() != "READY\n":
                if process.poll() is not None:
                    raise RuntimeError("it ended before its server did")
            server.kill()
            try:
                out, _ = process.communicate("go on\n", timeout=LIMIT_S)
            finally:
                server.restart()
        return result(out.splitlines())


def result(lines: list[str]) -> dict[str, Any]:
    return dict(json.loads(next(line for line in reversed(lines) if line.startswith("RESULT "))[7:]))


@contextmanager
def sides() -> Iterator[tuple[RunningServer, Side, Side]]:
    """(server, ours, official), each with folders of its own."""
    bin_folder = sdk_environment()
    with running_server() as server, tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / "ours", Path(name) / "official"]
        for folder in folders:
            folder.mkdir()
            shutil.copy(training.__file__, folder)
        ours = server.environment(
            CLEARML_JOURNAL_DIR=str(folders[0] / "journal"), CLEARML_CACHE_DIR=str(folders[0] / "cache")
        )
        official = official_environment(server, folders[1], bin_folder)
        for env in (ours, official):
            env.pop("PYTHONDONTWRITEBYTECODE", None)  # as users run
        yield (
            server,
            Side(Path(sys.executable), ours, folders[0]),
            Side(bin_folder / "python", official, folders[1]),
        )


def run(title: str, *, rounds: int) -> None:
    goals = Goals(title, beside="official")
    with sides() as (server, ours, official):
        starting(goals, ours, official)
        reporting(goals, ours, official, rounds)
        memory(goals, server, ours)
    goals.show()


def starting(goals: Goals, ours: Side, official: Side) -> None:
    both: list[tuple[dict[str, Any], dict[str, Any]]] = []
    for _ in range(STARTS + 1):
        both.append((ours.start(), official.start()))
    del both[0]  # to warm up
    for key, what, goal in (
        ("import", "import clearml, to official", 0.15),
        ("init", "Task.init, to official", 0.2),
        ("after_init", "resident memory after both, to official", 0.45),
    ):
        theirs = [one[key] for _, one in both]
        shown = f"{statistics.median(theirs):.0f} MB" if key == "after_init" else ms(theirs)
        goals.at_most(what, [one[key] / statistics.median(theirs) for one, _ in both], "x", goal, shown)
    mine = [ours.run("nothing")["whole"] for _ in range(STARTS)]
    goals.at_most("init + close, the whole process", mine, "s", 0.6, f"{official.run('nothing')['whole']:.1f} s")


def reporting(goals: Goals, ours: Side, official: Side, rounds: int) -> None:
    theirs = official.run("calls", count=2000)
    mine = [ours.run("calls", count=20_000) for _ in range(rounds)]
    goals.note("a bare lock, pack and copy, mean of 20,000 in a row", [one["bare"] * US for one in mine], "us")
    goals.at_most(
        "report_scalar, mean of 20,000 in a row", [one["mean"] * US for one in mine], "us", 3, us(theirs["mean"])
    )
    goals.note("the same, median", [one["p50"] * US for one in mine], "us", us(theirs["p50"]))
    theirs = official.run("reports", count=1000, rate=1000)
    mine = [ours.run("reports", count=10_000, rate=1000) for _ in range(rounds)]
    short = [ours.run("reports", count=1000, rate=1_000_000) for _ in range(rounds)]
    goals.note("a bare lock, pack and copy, mean of 10,000 at 1,000/s", [one["bare"] * US for one in mine], "us")
    goals.note("the same, p99", [one["bare_p99"] * US for one in mine], "us")
    goals.note("report_scalar, mean of 10,000 at 1,000/s", [one["mean"] * US for one in mine], "us", us(theirs["mean"]))
    for key, what, goal in (("p99", "p99 at 1,000/s", 20), ("worst", "worst at 1,000/s", 1000)):
        goals.at_most(f"report_scalar, {what}", [one[key] * US for one in mine], "us", goal, us(theirs[key]))
    goals.at_most("close() after 1,000 reports", [one["close"] for one in short], "s", 0.3, f"{theirs['close']:.1f} s")
    slow = official.run("tight", count=2000)
    fast = [ours.run("tight", count=300_000) for _ in range(rounds)]
    goals.at_least(
        "points/s with flush and close",
        [300_000 / one["seconds"] for one in fast],
        "/s",
        150_000,
        f"{2000 / slow['seconds']:,.0f} /s",
    )
    goals.at_most(
        "report_scalar, one after another", [one["processor"] * US for one in fast], "us", 3, "processor time"
    )
    goals.at_most("memory growth over 300,000 points", [one["grown"] for one in fast], "MB", 30)
    theirs = official.run("lines", count=5000)
    mine = [ours.run("lines", count=20_000) for _ in range(rounds)]
    goals.at_most(
        "print, captured, a line: processor time, to official",
        [one["processor"] / theirs["processor"] for one in mine],
        "x",
        0.1,
        f"{theirs['processor'] * US:.1f} us",
    )
    goals.note("the same in all", [one["captured"] * US for one in mine], "us", f"{theirs['captured'] * US:.0f} us")


def memory(goals: Goals, server: RunningServer, ours: Side) -> None:
    grown = ours.away(server, 3_000_000)["grown"]
    goals.at_most("memory growth over 3,000,000 points, server down", [grown], "MB", 30)


def ms(seconds: list[float]) -> str:
    return f"{statistics.median(seconds) * MS:.0f} ms"


def us(seconds: float) -> str:
    return f"{seconds * US:,.0f} us"
