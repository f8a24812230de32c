"""One agent that runs controllers and steps side by side, and a way to run users' scripts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import RunningServer
from tests.e2e.agent.core.conftest import Agent, Tasks, until

SCRIPTS = Path(__file__).parent / "scripts"
SIDE_BY_SIDE = "4"


@dataclass
class Workshop:
    """A server, an agent over a queue for controllers and one for steps, and a folder that all tasks may write to."""

    server: RunningServer
    agent: Agent
    out: Path
    services: str
    steps: str

    @property
    def variables(self) -> dict[str, str]:
        return {"PIPELINE_OUT": str(self.out), "PIPELINE_SERVICES": self.services, "PIPELINE_STEPS": self.steps}

    @property
    def tasks(self) -> Tasks:
        return Tasks(self.server, self.steps)

    def run(self, script: str, *arguments: str, python: str = sys.executable, **variables: str) -> str:
        """Run a script of `scripts/` as a user does; its output. Raises where it fails."""
        path = self.out / os.path.basename(script)
        shutil.copy(SCRIPTS / script, path)  # out of this repository: a script of its own
        environment = self.server.environment(**{**self.variables, "HOME": str(self.out), **variables})
        done = subprocess.run(
            [python, str(path), *arguments],
            env=environment,
            cwd=self.out,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def command(self, *arguments: str) -> str:
        """Run a `clearml` command; its output."""
        command = [sys.executable, "-m", "clearml_sdk.cli", *arguments]
        return subprocess.run(
            command, env=self.server.environment(), capture_output=True, text=True, timeout=60, check=True
        ).stdout

    def controllers(self, name: str) -> list[dict[str, Any]]:
        """The runs of a pipeline, newest first."""
        where = {"name": f"^{name}(| #\\d+)$", "system_tags": ["pipeline"], "search_hidden": True}
        return list(self.server.call("tasks.get_all", {**where, "order_by": ["-created"]})["tasks"])

    def children(self, task: str) -> list[dict[str, Any]]:
        return list(self.server.call("tasks.get_all", {"parent": task, "search_hidden": True})["tasks"])

    def ended(self, task: str, limit_s: float = 150.0) -> dict[str, Any]:
        return self.tasks.finished(task, limit_s)

    def result(self) -> list[str]:
        """What the pipelines left in the folder."""
        path = self.out / "result"
        return path.read_text().split() if path.exists() else []


@pytest.fixture(scope="module")
def new_workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[RunningServer], Workshop]]:
    made: list[Workshop] = []

    def make(server: RunningServer) -> Workshop:
        home = tmp_path_factory.mktemp("workshop")
        name = home.name
        agent = Agent(server, home, home, {"PIPELINE_OUT": str(home)})
        workshop = Workshop(server, agent, home, f"{name}-services", f"{name}-steps")
        agent.variables.update(workshop.variables)
        made.append(workshop)
        agent.start("--services-mode", SIDE_BY_SIDE, "--queue", workshop.steps, queue=workshop.services)
        return workshop

    yield make
    for workshop in made:
        workshop.agent.end()


@pytest.fixture(scope="module")
def workshop(server: RunningServer, new_workshop: Callable[[RunningServer], Workshop]) -> Workshop:
    return new_workshop(server)


@pytest.fixture(autouse=True)
def clean_folder(request: pytest.FixtureRequest) -> None:
    if "workshop" in request.fixturenames:
        (request.getfixturevalue("workshop").out / "result").unlink(missing_ok=True)


__all__ = ["Workshop", "until"]
