"""Idle services side by side under one agent: memory of the agent and of each task, and what they cost while idle.

Each task is one that a service is: `Task.init` of our SDK, then waiting. Memory is the proportional set size, so that
what processes share is counted once. Goals: 10 MiB of the agent and 60 MiB in all (runner and script) a task.
`python -m benchmarks.services --tasks N` for another number.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from benchmarks.console import cpu_s
from benchmarks.goals import Goals
from tests.conftest import start_server
from tests.e2e.agent.services.memory import pss_mib, tree

QUEUE = "services"
CODE = "import time\nfrom clearml import Task\nTask.init()\nprint('up', flush=True)\ntime.sleep(36000)\n"
SCRIPT = {
    "binary": "python3",
    "entry_point": "service.py",
    "diff": CODE,
    "requirements": {"pip": "clearml\n", "sdk": "clearml-lean"},
}
AGENT_GOAL_MIB, TASK_GOAL_MIB = 10.0, 60.0
LIMIT_S = 900.0
LOOK_S = 0.1
IDLE_S = 20.0


def waited(holds: Callable[[], Any], what: str) -> float:
    """Wait for a fact; the seconds that took."""
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > LIMIT_S:
            raise RuntimeError(f"waited {LIMIT_S:g} s {what}")
        time.sleep(LOOK_S)
    return time.monotonic() - began


def run(title: str, *, rounds: int, tasks: int = 100) -> None:
    folder = Path(tempfile.mkdtemp(prefix="cl-"))
    server = start_server(folder / "data", folder / "run")
    home = folder / "agent"

    def submit() -> str:
        task = server.call("tasks.create", {"name": "service", "type": "service", "script": SCRIPT})["id"]
        server.call("tasks.enqueue", {"task": task, "queue_name": QUEUE})
        return str(task)

    def runners() -> list[int]:
        """Of the tasks whose script has come to its waiting."""
        return [
            int(json.loads((log.parent / "started").read_bytes())["pid"])
            for log in home.glob("runs/[!.]*/log")
            if b"up\n" in log.read_bytes()
        ]

    def ended() -> int:
        body = {"status": ["stopped"], "only_fields": ["id"], "page": 0, "page_size": 1}
        return len(server.call("tasks.get_all", {**body, "page_size": 500})["tasks"])

    try:
        env = server.environment(CLEARML_AGENT_HOME=str(home), CLEARML_WORKER_NAME="services")
        command = ("clearml-agent", "daemon", "--services-mode", "--foreground", "--create-queue", "--queue", QUEUE)
        with (folder / "agent.out").open("wb") as out:
            daemon = subprocess.Popen(
                [sys.executable, "-m", "clearml_sdk.cli", *command], env=env, stdout=out, stderr=out
            )
        try:
            waited(lambda: server.call("queues.get_all", {"name": f"^{QUEUE}$"})["queues"], "for the agent")
            ids = [submit()]  # its environment is built, and the agent has loaded what it needs for any task
            waited(runners, "for the first task")
            alone = pss_mib([daemon.pid])
            ids += [submit() for _ in range(tasks - 1)]
            started_s = waited(lambda: len(runners()) == tasks, "for all tasks to run")
            process = psutil.Process(daemon.pid)
            worked, began = cpu_s(process), time.monotonic()
            time.sleep(IDLE_S)  # idle is what is measured
            cpu = (cpu_s(process) - worked) / (time.monotonic() - began) * 100
            per_task = (pss_mib([daemon.pid]) - alone) / max(1, tasks - 1)
            pids = runners()
            trees = [pss_mib(tree(pid)) for pid in pids]
            of_runners = [pss_mib([pid]) for pid in pids]
            for task in ids:
                server.call("tasks.stop", {"task": task})
            stopped_s = waited(lambda: ended() == tasks, "for all tasks to stop")
        finally:
            daemon.terminate()
            daemon.wait(LIMIT_S)
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    goals = Goals(f"{title}: {tasks} of them")
    goals.at_most("of the agent, each task", [per_task], "MiB", AGENT_GOAL_MIB)
    goals.at_most("a task: runner and script with the SDK", trees, "MiB", TASK_GOAL_MIB)
    goals.note("of that, the runner", of_runners, "MiB")
    goals.note("the agent beside one task", [alone], "MiB")
    goals.note("processor time of the agent, all idle", [cpu], "% of a core")
    goals.note("from enqueue until all run", [started_s], "s")
    goals.note("from the first tasks.stop until all are stopped", [stopped_s], "s")
    goals.show()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=100)
    run("idle services", rounds=1, tasks=parser.parse_args().tasks)
