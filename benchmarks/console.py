"""What a task that writes 10 MB of console a second costs its agent: share of a processor, and memory.

Counted is the processor time of the daemon, from the task's first line until the server has all lines. Goals: 10 % of a
core, 100 MiB. `python -m benchmarks.console --seconds N --mb N --lines N` for other sizes.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.goals import Goals
from tests.conftest import RunningServer, start_server

CPU_GOAL_PERCENT, MEMORY_GOAL_MIB = 10.0, 100.0
LIMIT_S = 300.0
LOOK_S = 0.1
CODE = """
import os, time
lines = b"".join(b"step %06d " % n + b"x" * 88 + b"\\n" for n in range({lines}))
os.write(1, b"BEGIN\\n")
began, written = time.monotonic(), 0
while written < {total}:
    os.write(1, lines)
    written += len(lines)
    ahead_s = began + written / {rate} - time.monotonic()
    if ahead_s > 0.001:
        time.sleep(ahead_s)
"""


@dataclass
class Cost:
    """Of one daemon, while its task writes."""

    cpu_percent: list[float] = field(default_factory=list)
    memory_mib: list[float] = field(default_factory=list)
    late_s: list[float] = field(default_factory=list)
    """From the end of the task's writing to its end on the server."""


def one(server: RunningServer, daemon: psutil.Process, cost: Cost, *, mb: float, seconds: float, lines: int) -> None:
    """Run one such task to its end."""
    code = CODE.format(total=int(mb * seconds * 1e6), rate=mb * 1e6, lines=lines)
    script = {"binary": "python3", "entry_point": "task.py", "diff": code, "requirements": {"pip": ""}}
    task = server.call("tasks.create", {"name": "console", "type": "training", "script": script})["id"]
    server.call("tasks.enqueue", {"task": task, "queue_name": "console"})
    deadline = time.monotonic() + LIMIT_S
    log: Path | None = None
    began = worked = memory = 0.0
    while time.monotonic() < deadline:
        if not began:
            log = log or next(Path(daemon.environ()["CLEARML_AGENT_HOME"]).glob(f"runs/{task}.*/log"), None)
            if log is not None and log.stat().st_size:
                began, worked = time.monotonic(), cpu_s(daemon)
        else:
            memory = max(memory, daemon.memory_info().rss / 2**20)
            status = server.call("tasks.get_all", {"id": [task], "only_fields": ["status"]})["tasks"][0]["status"]
            if status not in ("queued", "in_progress"):
                break
        time.sleep(LOOK_S if began else 0.005)
    else:
        raise RuntimeError(f"the task has not ended after {LIMIT_S:g} s")
    if status != "completed":
        raise RuntimeError(f"the task is {status}")
    cost.cpu_percent.append((cpu_s(daemon) - worked) / seconds * 100)
    cost.memory_mib.append(memory)
    cost.late_s.append(time.monotonic() - began - seconds)


def cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def run(title: str, *, rounds: int, mb: float = 10.0, seconds: float = 10.0, lines: int = 100) -> None:
    folder = Path(tempfile.mkdtemp(prefix="cl-"))
    goals, cost = Goals(title), Cost()
    server = start_server(folder / "data", folder / "run")
    try:
        env = server.environment(CLEARML_AGENT_HOME=str(folder / "agent"), CLEARML_WORKER_NAME="console")
        command = ("clearml-agent", "daemon", "--foreground", "--create-queue", "--queue", "console")
        with (folder / "agent.out").open("wb") as out:
            daemon = subprocess.Popen(
                [sys.executable, "-m", "clearml_sdk.cli", *command], env=env, stdout=out, stderr=out
            )
        try:
            while not server.call("queues.get_all", {"name": "^console$"})["queues"]:
                time.sleep(LOOK_S)  # the agent makes it
            for _ in range(rounds):
                one(server, psutil.Process(daemon.pid), cost, mb=mb, seconds=seconds, lines=lines)
        finally:
            daemon.terminate()
            daemon.wait(LIMIT_S)
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    goals.at_most(f"the daemon, {mb:g} MB/s", cost.cpu_percent, "% of a core", CPU_GOAL_PERCENT)
    goals.at_most("its memory, at most", cost.memory_mib, "MiB", MEMORY_GOAL_MIB)
    goals.note("all lines stored and the task ended, after its last line", cost.late_s, "s")
    goals.show()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--mb", type=float, default=10.0, help="a second")
    parser.add_argument("--lines", type=int, default=100, help="in each write, of 100 bytes")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    run("a task's console", rounds=given.rounds, mb=given.mb, seconds=given.seconds, lines=given.lines)
