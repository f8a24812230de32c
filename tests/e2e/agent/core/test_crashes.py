"""kill -9 at every step: each task runs exactly once, with every line of its console and its exit code."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from .conftest import Agent, Tasks, facts, is_running, marked_processes, until

FORKS = "import os, time\nif os.fork() == 0:\n    os.setsid()\nos.write(1, b'up\\n')\ntime.sleep(60)\n"

pytestmark = pytest.mark.timeout(180)

COUNT = 60
CODE = """
import os, sys, time
with open({marker!r}, "a") as file:
    file.write("ran\\n")
for index in range({count}):
    while index == {count} // 2 and not os.path.exists({go!r}):
        time.sleep(0.01)
    print("line", index, flush=True)
    time.sleep({pause})
sys.exit(3)
"""


def code(marker: Path, *, pause: float = 0.02, go: Path = Path("/")) -> str:
    """Prints COUNT lines; it stops half-way until `go` exists."""
    return CODE.format(marker=str(marker), count=COUNT, pause=pause, go=str(go))


def check(tasks: Tasks, task: str, marker: Path) -> None:
    found = tasks.finished(task)
    assert (found["status"], found["status_reason"]) == ("failed", "worker execution exit code 3")
    assert marker.read_text() == "ran\n"
    assert tasks.console(task).endswith("Process failed, exit code 3\n")
    assert tasks.numbers(task, "line") == list(range(COUNT))
    assert tasks.console(task).count("Process failed") == 1


@pytest.fixture
def quick_server(new_server: Callable[..., AbstractContextManager[Any]]) -> Any:
    """A server whose leases are over in seconds, as a test cannot wait for half a minute."""
    with new_server(env={"CLEARML_SERVER_LEASE_S": "2", "CLEARML_SERVER_WATCH_PERIOD_S": "0.5"}) as server:
        yield server


def test_an_agent_killed_at_any_moment_after_the_enqueue_loses_nothing(
    quick_server: Any, new_agent: Callable[..., Agent], tmp_path: Path
) -> None:
    """From before the entry arrives, over claim, record, preparation and start, until the task has long begun."""
    agent, tasks = new_agent(quick_server), Tasks(quick_server, "default")
    agent.start()
    tasks.finished(tasks.submit("print('warm')\n"))
    for index, delay_s in enumerate((0.0, 0.004, 0.008, 0.015, 0.03, 0.06, 0.1, 0.15, 0.25, 0.6)):
        marker = tmp_path / f"ran{index}"
        task = tasks.submit(code(marker, pause=0.01))
        time.sleep(delay_s)  # the moment of the kill is what is varied
        agent.kill()
        agent.start()
        check(tasks, task, marker)
    agent.forgets()


def test_what_an_agent_took_and_did_not_write_down_returns_when_it_starts_again(tasks: Tasks, server: Any) -> None:
    worker, queue = "tester:killed", server.call("queues.get_all", {"name": f"^{tasks.queue}$"})["queues"][0]["id"]
    task = tasks.submit("pass\n")
    (lost,) = server.call("agents.wait", {"worker": worker, "queues": [queue], "slots": 1})["entries"]
    server.call("agents.renew", {"worker": worker, "queues": [queue], "claims": [], "is_start": True})
    (again,) = server.call("agents.wait", {"worker": worker, "queues": [queue], "slots": 1})["entries"]
    assert again["task"] == lost["task"] == task
    assert again["claim"] > lost["claim"]
    server.call("agents.release", {"worker": worker, "task": task, "claim": again["claim"]})


def test_a_task_outlives_its_agent_and_is_taken_over(agent: Agent, tasks: Tasks, tmp_path: Path) -> None:
    agent.start(queue=tasks.queue)
    task = tasks.submit(code(tmp_path / "ran", go=tmp_path / "go"))
    tasks.says(task, "line 5\n")
    agent.kill()
    (tmp_path / "go").touch()
    (run,) = agent.runs
    until((run / "result.json").exists)
    assert tasks.status(task) == "in_progress"
    agent.start(queue=tasks.queue)
    check(tasks, task, tmp_path / "ran")


def test_an_agent_killed_again_and_again_sends_every_line_once(agent: Agent, tasks: Tasks, tmp_path: Path) -> None:
    agent.start(queue=tasks.queue)
    task = tasks.submit(code(tmp_path / "ran", pause=0.05))
    tasks.says(task, "line 1\n")
    for _ in range(5):
        agent.kill()
        agent.start(queue=tasks.queue)
        time.sleep(0.15)  # let it send something before it is killed again
    check(tasks, task, tmp_path / "ran")


def test_an_abort_that_nobody_heard_is_carried_out_by_the_next_agent(agent: Agent, tasks: Tasks, server: Any) -> None:
    agent.start(queue=tasks.queue)
    task = tasks.submit("import time\nprint('up', flush=True)\ntime.sleep(60)\n")
    tasks.says(task, "\nup\n")
    agent.kill()
    server.call("tasks.stop", {"task": task})
    agent.start(queue=tasks.queue)
    assert tasks.finished(task)["status"] == "stopped"
    assert marked_processes(f"/runs/{task}.") == []


def test_a_killed_runner_fails_its_task_and_takes_the_tree_along(agent: Agent, tasks: Tasks) -> None:
    agent.start(queue=tasks.queue)
    task = tasks.submit(FORKS)
    tasks.says(task, "\nup\n")
    (run,) = agent.runs
    os.kill(facts(run / "lock")["pid"], signal.SIGKILL)
    found = tasks.finished(task)
    assert (found["status"], found["status_reason"]) == ("failed", "worker execution exit unknown")
    assert "enqueue" in found["status_message"]
    assert marked_processes(f"/runs/{task}.") == []


def test_a_runner_killed_while_there_is_no_agent_is_found_out_by_the_next_one(agent: Agent, tasks: Tasks) -> None:
    agent.start(queue=tasks.queue)
    task = tasks.submit("import time\nprint('up', flush=True)\ntime.sleep(60)\n")
    tasks.says(task, "\nup\n")
    agent.kill()
    (run,) = agent.runs
    os.kill(facts(run / "lock")["pid"], signal.SIGKILL)
    agent.start(queue=tasks.queue)
    assert tasks.finished(task)["status_reason"] == "worker execution exit unknown"


def test_a_task_goes_on_while_the_server_is_away(
    own_server: Any, new_agent: Callable[..., Agent], tmp_path: Path
) -> None:
    agent, tasks = new_agent(own_server), Tasks(own_server, "default")
    agent.start()
    task = tasks.submit(code(tmp_path / "ran", pause=0.05, go=tmp_path / "go"))
    tasks.says(task, "line 3\n")
    own_server.kill()
    (tmp_path / "go").touch()
    (run,) = agent.runs
    until((run / "result.json").exists)
    own_server.restart()
    check(tasks, task, tmp_path / "ran")
    again = tasks.submit(code(tmp_path / "again", pause=0.0))
    check(tasks, again, tmp_path / "again")


def test_a_server_killed_while_the_agent_waits_brings_the_next_task_after_its_return(
    own_server: Any, new_agent: Callable[..., Agent], tmp_path: Path
) -> None:
    agent, tasks = new_agent(own_server), Tasks(own_server, "default")
    agent.start()
    own_server.kill()
    own_server.restart()
    task = tasks.submit(code(tmp_path / "ran", pause=0.0))
    check(tasks, task, tmp_path / "ran")


def test_a_daemon_stopped_without_a_server_leaves_the_report_to_the_next_one(
    own_server: Any, new_agent: Callable[..., Agent]
) -> None:
    agent, tasks = new_agent(own_server), Tasks(own_server, "default")
    process = agent.start()
    task = tasks.submit("import time\nprint('up', flush=True)\ntime.sleep(60)\n")
    tasks.says(task, "\nup\n")
    own_server.kill()
    process.send_signal(signal.SIGINT)
    process.wait(60)
    assert marked_processes(f"/runs/{task}.") == []
    own_server.restart()
    agent.start()
    found = tasks.finished(task)
    assert (found["status"], found["status_reason"]) == ("stopped", "worker was stopped")


def test_nothing_is_left_after_many_tasks(agent: Agent, tasks: Tasks) -> None:
    process = agent.start(queue=tasks.queue)
    tasks.finished(tasks.submit("pass\n"))

    def descriptors() -> int:
        return len(list(Path(f"/proc/{process.pid}/fd").iterdir()))

    before = descriptors()
    for task in [tasks.submit("print('x')\n") for _ in range(15)]:
        assert tasks.finished(task, 60)["status"] == "completed"
    until(lambda: not agent.runs)
    # A leak would be one a task; connections of the pool come and go.
    until(lambda: descriptors() <= before + 5, what="for descriptors to be closed")
    children = [pid for pid in marked_processes(f"CLEARML_AGENT_RUN={agent.home}") if is_running(pid)]
    assert children == []
