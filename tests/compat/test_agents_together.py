"""The official agent and ours serve one queue side by side: every task runs once, on one of them."""

from __future__ import annotations

import contextlib
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import RunningServer

from .helpers import Api, eventually, make_task, shown
from .official import BIN, WITHOUT_FORK, official_environment, process

ENDED = ("completed", "failed", "stopped")
CODE = "import os, sys, time\nopen({mark!r}, 'a').write(os.environ['CLEARML_WORKER_ID'] + '\\n')\ntime.sleep({pause})\n"


def run_together(
    server: RunningServer, call: Api, project: str, official_agent: Path, folder: Path, count: int
) -> None:
    """Enqueue tasks until both agents have had some, and `count` in all; each leaves a mark where it runs."""
    call("queues.create", {"name": "together"})
    queue = call("queues.get_all", {"name": "^together$"})["queues"][0]["id"]
    home = folder / "official"
    home.mkdir()
    # Its id is its own on the machine, not on the server alone: another test's official agent goes by `official:0`.
    theirs = official_environment(server, home, official_agent) | WITHOUT_FORK | {"CLEARML_WORKER_ID": "theirs:0"}
    ours = server.environment(CLEARML_AGENT_HOME=str(folder / "ours"), CLEARML_WORKER_ID="ours:0", HOME=str(folder))
    daemon = ["daemon", "--foreground", "--queue", "together"]
    tasks: list[str] = []

    def add(pause_s: float) -> str:
        mark = folder / f"mark{len(tasks)}"
        script = {
            "binary": "python3", "repository": "", "entry_point": "job.py", "working_dir": ".",
            "requirements": {"pip": ""}, "diff": CODE.format(mark=str(mark), pause=pause_s),
        }  # fmt: skip
        tasks.append(make_task(call, project, f"together {len(tasks)}", script=script))
        call("tasks.enqueue", {"task": tasks[-1], "queue": queue})
        return tasks[-1]

    def is_over(task: str) -> bool:
        return shown(call, task)["status"] in ENDED

    with contextlib.ExitStack() as stack:
        stack.enter_context(
            process("official-agent", folder, str(official_agent / "clearml-agent"), *daemon, env=theirs)
        )
        first = add(0.0)  # while it is alone, so that its environment is built and it does poll
        eventually(lambda: is_over(first), 180)
        stack.enter_context(process("our-agent", folder, str(BIN / "clearml-agent"), *daemon, env=ours))
        eventually(lambda: "ours:0" in [worker["id"] for worker in call("workers.get_all")["workers"]], 60)
        for _ in range(count - 1):
            add(2.0)  # long enough for the other agent to ask meanwhile
        for task in tasks:
            eventually(lambda task=task: is_over(task), 120 + 30 * count)  # type: ignore[misc]
    ran = Counter[str]()
    for number, task in enumerate(tasks):
        found = shown(call, task)
        assert found["status"] == "completed", (number, found["status_reason"])
        marks = (folder / f"mark{number}").read_text().splitlines()
        assert len(marks) == 1, f"task {number} ran on {marks}"
        assert found["last_worker"] == marks[0]
        ran[marks[0]] += 1
    print("tasks run:", dict(ran))
    assert set(ran) == {"theirs:0", "ours:0"}
    assert call("queues.get_by_id", {"queue": queue})["queue"]["entries"] == []


@pytest.mark.timeout(400)
def test_a_few_tasks_on_both(own_server: RunningServer, official_agent: Path, tmp_path: Path) -> None:
    project = str(own_server.call("projects.create", {"name": "together"})["id"])
    run_together(own_server, own_server.call, project, official_agent, tmp_path, 6)


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_fifty_tasks_on_both(own_server: RunningServer, official_agent: Path, tmp_path: Path) -> None:
    project = str(own_server.call("projects.create", {"name": "together"})["id"])
    run_together(own_server, own_server.call, project, official_agent, tmp_path, 50)
