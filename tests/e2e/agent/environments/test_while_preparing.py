"""What happens to a task, and to its agent, while its code is cloned or its packages are downloaded."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.agent.core.conftest import Agent, Tasks, marked_processes, until

pytestmark = pytest.mark.timeout(180)


class Silent:
    """A host that takes every connection and never answers."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/team/code.git"
        self._held: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def arrived(self) -> int:
        """How often somebody came."""
        return len(self._held)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._held.append(self._socket.accept()[0])

    def stop(self) -> None:
        for each in (self._socket, *self._held):
            each.close()


@dataclass
class Stage:
    """script: what a task is recorded with that stands still there; arrived: how often it got there."""

    script: dict[str, Any]
    arrived: Callable[[], int]


@pytest.fixture(params=["clone", "packages"])
def stage(request: pytest.FixtureRequest, index: Any, index_server: Any) -> Iterator[Stage]:
    if request.param == "clone":
        host = Silent()
        yield Stage({"repository": host.url, "branch": "main"}, lambda: host.arrived)
        host.stop()
        return
    index.add("slowly", "1.0")
    index_server.gate.clear()
    lines = f"--index-url {index_server.url()}\nslowly==1.0\n"
    code = "import slowly\nprint('has', slowly.VERSION)\n"
    yield Stage({"code": code, "requirements": {"pip": lines}}, lambda: len(index_server.downloads))


def standing(stage: Stage, tasks: Tasks) -> str:
    """A task that stands still in this stage."""
    task = tasks.submit(**stage.script)
    until(lambda: stage.arrived() and tasks.status(task) == "in_progress", what="for the stage to be reached")
    return task


def nothing_left(agent: Agent) -> None:
    until(lambda: not agent.runs, what="for the run to be forgotten")
    daemon = {agent.process.pid} if agent.process is not None else set()
    assert set(marked_processes(str(agent.home))) <= daemon


def test_an_abort_ends_it_at_once(stage: Stage, agent: Agent, tasks: Tasks) -> None:
    agent.start(queue=tasks.queue)
    task = standing(stage, tasks)
    tasks.server.call("tasks.stop", {"task": task})
    found = tasks.finished(task)
    assert (found["status"], found["status_reason"]) == ("stopped", "task was stopped by tasks.stop")
    nothing_left(agent)
    assert tasks.finished(tasks.submit("print('next')"))["status"] == "completed"


def test_ctrl_c_ends_it_and_the_agent(stage: Stage, agent: Agent, tasks: Tasks) -> None:
    process = agent.start(queue=tasks.queue)
    task = standing(stage, tasks)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert tasks.status(task) == "stopped"
    nothing_left(agent)


def test_a_second_sigterm_puts_it_back(stage: Stage, agent: Agent, tasks: Tasks) -> None:
    process = agent.start(queue=tasks.queue)
    task = standing(stage, tasks)
    process.send_signal(signal.SIGTERM)
    until(lambda: b"drain" in agent.output.read_bytes(), what="for the first signal")
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert tasks.status(task) == "queued"
    nothing_left(agent)


def test_an_agent_killed_meanwhile_does_it_again(stage: Stage, agent: Agent, tasks: Tasks, index_server: Any) -> None:
    agent.start(queue=tasks.queue)
    task = standing(stage, tasks)
    agent.kill()
    before = stage.arrived()
    agent.start(queue=tasks.queue)
    until(lambda: stage.arrived() > before, what="for the next agent to get there")
    assert tasks.status(task) == "in_progress"
    if "repository" in stage.script:
        tasks.server.call("tasks.stop", {"task": task})
        assert tasks.finished(task)["status"] == "stopped"
    else:
        index_server.gate.set()
        assert tasks.finished(task)["status"] == "completed"
        assert "\nhas 1.0\n" in tasks.console(task)
    nothing_left(agent)


def test_a_password_does_not_outlive_an_agent_killed_while_it_clones(agent: Agent, tasks: Tasks) -> None:
    host = Silent()
    agent.variables |= {"CLEARML_AGENT_GIT_USER": "robot", "CLEARML_AGENT_GIT_PASS": "planted-secret"}
    temporary = agent.home / "tmp"
    temporary.mkdir()
    agent.variables["TMPDIR"] = str(temporary)

    def holding() -> list[Path]:
        files = [path for path in agent.home.rglob("*") if path.is_file() and not path.is_symlink()]
        return [path for path in files if b"planted-secret" in path.read_bytes()]

    agent.start(queue=tasks.queue)
    task = standing(Stage({"repository": host.url, "branch": "main"}, lambda: host.arrived), tasks)
    assert holding()
    agent.kill()
    agent.start(queue=tasks.queue)
    tasks.server.call("tasks.stop", {"task": task})
    assert tasks.finished(task)["status"] == "stopped"
    nothing_left(agent)
    host.stop()
    assert holding() == []
