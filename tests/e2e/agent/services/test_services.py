"""One agent, many idle tasks at once: each is its own worker, is stopped alone, and costs little."""

from __future__ import annotations

import contextlib
import json
import signal
import statistics
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.agent.core.conftest import Agent, Tasks, facts, until

from .memory import pss_mib, tree

IDLE = "import time\nprint('up', flush=True)\ntime.sleep(3600)\n"
SERVICE = "import time\nfrom clearml import Task\nTask.init()\nprint('up', flush=True)\ntime.sleep(3600)\n"
OUR_SDK = {"pip": "clearml\n", "sdk": "clearml-lean"}
AGENT_GOAL_MIB, TASK_GOAL_MIB = 10.0, 60.0


def services(server: Any, ids: list[str]) -> set[str]:
    """The workers of these services that the server lists."""
    listed = {worker["id"] for worker in server.call("workers.get_all", {"last_seen": 0})["workers"]}
    return {worker for worker in listed if worker.rpartition(":service:")[2] in ids}


def statuses(server: Any, ids: list[str]) -> dict[str, str]:
    body = {"id": ids, "only_fields": ["id", "status"], "page": 0, "page_size": 500}
    return {task["id"]: task["status"] for task in server.call("tasks.get_all", body)["tasks"]}


def running(agent: Agent) -> dict[str, int]:
    """Task -> pid of its runner, of those whose script has begun."""
    found = {}
    for path in agent.runs:
        with contextlib.suppress(FileNotFoundError):  # not begun, or over: its files are being removed
            if b"up\n" in (path / "log").read_bytes():
                found[path.name.partition(".")[0]] = int(facts(path / "started")["pid"])
    return found


@pytest.mark.rows("S3-094")
@pytest.mark.parametrize(
    "count", [5, pytest.param(100, marks=[pytest.mark.full, pytest.mark.timeout(1200)])], ids=["few", "hundred"]
)
def test_idle_tasks_run_side_by_side_cheaply_and_each_stops_when_told(
    count: int, agent: Agent, tasks: Tasks, server: Any
) -> None:
    limit_s = 60 + 6 * count
    agent.start("--services-mode", queue=tasks.queue)
    assert agent.process is not None
    first = tasks.submit(SERVICE, requirements=OUR_SDK)  # builds the environment, and loads what any task loads
    until(lambda: first in running(agent), limit_s, "for the first task")
    alone = pss_mib([agent.process.pid])
    ids = [first, *(tasks.submit(SERVICE, requirements=OUR_SDK) for _ in range(count - 1))]
    until(lambda: set(running(agent)) == set(ids), limit_s, "for all of them to run")
    names = {task: f"tester:cpu:0:service:{task}" for task in ids}
    until(lambda: services(server, ids) == set(names.values()), limit_s, "for their workers")
    assert set(statuses(server, ids).values()) == {"in_progress"}
    share = (pss_mib([agent.process.pid]) - alone) / (count - 1)
    each = [pss_mib(tree(pid)) for pid in running(agent).values()]
    print(json.dumps({"tasks": count, "agent_mib": alone, "agent_mib_per_task": share, "task_pss_mib": each}))
    assert share <= AGENT_GOAL_MIB
    assert statistics.median(each) <= TASK_GOAL_MIB

    told, left = ids[::2], ids[1::2]
    for task in told:
        server.call("tasks.stop", {"task": task})
    until(lambda: set(statuses(server, told).values()) == {"stopped"}, limit_s, "for those that were told to stop")
    assert set(statuses(server, left).values()) == {"in_progress"}
    until(lambda: services(server, ids) == {names[task] for task in left}, limit_s, "for their workers to go")
    until(lambda: set(running(agent)) == set(left), what="for their runs to be forgotten")
    agent.process.send_signal(signal.SIGINT)
    assert agent.process.wait(limit_s) == 0
    assert set(statuses(server, left).values()) == {"stopped"}
    assert services(server, ids) == set()
    assert agent.runs == []


@pytest.mark.rows("S3-094")
def test_every_service_of_a_killed_agent_is_adopted_and_draining_waits_for_them(
    agent: Agent, tasks: Tasks, server: Any, tmp_path: Path
) -> None:
    gate = tmp_path / "go"
    code = f"import os, time\nprint('up', flush=True)\nwhile not os.path.exists({str(gate)!r}):\n    time.sleep(0.05)\n"
    agent.start("--services-mode", queue=tasks.queue)
    ids = [tasks.submit(code + "print('the last line')\n") for _ in range(3)]
    until(lambda: set(running(agent)) == set(ids), what="for all of them to run")
    runners = running(agent)
    agent.kill()
    process = agent.start("--services-mode", queue=tasks.queue)
    later = tasks.submit(IDLE)
    until(lambda: later in running(agent), what="for a new one beside those that were taken over")
    assert {task: pid for task, pid in running(agent).items() if task in ids} == runners
    until(lambda: len(services(server, [*ids, later])) == 4, what="for their workers")
    server.call("tasks.stop", {"task": later})
    until(lambda: tasks.status(later) == "stopped", what="for the new one to stop")
    process.send_signal(signal.SIGTERM)  # finish what runs, take nothing new
    until(lambda: b"drain" in agent.output.read_bytes(), what="for the agent to hear the signal")
    waiting = tasks.submit(IDLE)
    assert set(statuses(server, ids).values()) == {"in_progress"}
    gate.touch()
    assert process.wait(60) == 0
    assert set(statuses(server, ids).values()) == {"completed"}
    for task in ids:
        assert tasks.console(task).count("the last line\n") == 1
    assert tasks.status(waiting) == "queued"


@pytest.mark.rows("S3-097")
def test_a_queue_has_a_limit_of_its_own_and_is_made_where_it_is_missing(
    agent: Agent, tasks: Tasks, server: Any
) -> None:
    other = Tasks(server, f"{tasks.queue}-other")
    assert not server.call("queues.get_all", {"name": f"^{other.queue}$"})["queues"]
    agent.start("--services-mode", "4", "--queue", other.queue, "--cpu-only", queue=f"{tasks.queue}=2")
    limited = [tasks.submit(IDLE) for _ in range(4)]
    until(lambda: set(running(agent)) == set(limited[:2]), what="for as many as the queue may have")
    free = [other.submit(IDLE) for _ in range(3)]
    until(lambda: set(running(agent)) == {*limited[:2], *free[:2]}, what="for as many as the agent may have")
    assert [tasks.status(task) for task in limited[2:]] == ["queued", "queued"]
    assert other.status(free[2]) == "queued"
    server.call("tasks.stop", {"task": limited[0]})
    until(lambda: limited[2] in running(agent) or free[2] in running(agent), what="for the next one")
    assert len(set(running(agent)) & set(limited)) <= 2
