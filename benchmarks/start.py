"""How long a task waits in a queue whose agent is idle: from enqueue to the first line of user code.

The environment (numpy and requests) is warm: each agent has run the task once before the rounds that count.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.measure import Figure, bare_interpreter, report
from tests.compat.official import BIN, agent_environment, official_environment, process
from tests.conftest import RunningServer, running_server

SCRIPT = """import time
first_line = time.time()
import numpy, requests
with open({mark!r}, "w") as mark:
    mark.write(str(first_line))
"""
LIMIT_S = 240


def once(server: RunningServer, queue: str, folder: Path) -> float:
    """Send one task through `queue`; returns seconds from the call of tasks.enqueue to its first line."""
    mark = folder / f"{queue}-{time.time_ns()}"
    script = {
        "binary": "python3",
        "entry_point": "task.py",
        "working_dir": ".",
        "diff": SCRIPT.format(mark=str(mark)),
        "requirements": {"pip": "numpy\nrequests\n"},
    }
    project = server.call("projects.get_all", {"name": "^benchmarks$"})["projects"]
    project_id = project[0]["id"] if project else server.call("projects.create", {"name": "benchmarks"})["id"]
    task = server.call("tasks.create", {"name": "start", "type": "training", "project": project_id, "script": script})[
        "id"
    ]
    began = time.time()
    server.call("tasks.enqueue", {"task": task, "queue_name": queue})
    deadline = time.monotonic() + LIMIT_S
    while True:
        found = server.call("tasks.get_all", {"id": [task], "only_fields": ["status", "status_reason"]})["tasks"][0]
        if found["status"] in ("completed", "failed", "stopped"):
            break
        if time.monotonic() > deadline:
            raise RuntimeError(f"the task on {queue} is still {found['status']} after {LIMIT_S} s")
        time.sleep(0.1)
    if found["status"] != "completed":
        raise RuntimeError(f"the task on {queue} {found['status']}: {found.get('status_reason')}")
    return float(mark.read_text()) - began


def run(title: str, *, rounds: int) -> None:
    official_bin = agent_environment()
    with running_server() as server, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name, ExitStack() as up:
        folder = Path(name)
        arguments = ("daemon", "--create-queue", "--foreground", "--queue")
        ours_env = server.environment(CLEARML_AGENT_HOME=str(folder / "agent"), CLEARML_WORKER_NAME="ours")
        up.enter_context(process("ours", folder, str(BIN / "clearml-agent"), *arguments, "ours", env=ours_env))
        official_env = official_environment(server, folder, official_bin)
        command = (str(official_bin / "clearml-agent"), *arguments, "official")
        up.enter_context(process("official", folder, *command, env=official_env))
        for queue in ("ours", "official"):
            once(server, queue, folder)  # builds the environment
        ours, official, bare = [], [], []
        for _ in range(rounds):
            ours.append(once(server, "ours", folder))
            official.append(once(server, "official", folder))
            bare.append(bare_interpreter())
    report(title, [Figure("enqueue -> first line", ours, official)], {"bare interpreter, whole process": bare})
