"""Pipelines of our SDK whose steps, and whose controller, official agents run with the official SDK."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import RunningServer
from tests.e2e.automation.conftest import Workshop

from .official import WITHOUT_FORK, official_environment, process

pytestmark = [pytest.mark.timeout(900), pytest.mark.full]
STEPS, CONTROLLERS = "official steps", "official controllers"


@pytest.fixture(scope="module")
def workshop(
    server: RunningServer, official_agent: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workshop]:
    """Two official agents, one for steps and one for controllers."""
    out = tmp_path_factory.mktemp("official-steps")
    found = Workshop(server, None, out, CONTROLLERS, STEPS)  # type: ignore[arg-type]
    with contextlib.ExitStack() as stack:
        for number, queue in enumerate((STEPS, CONTROLLERS)):
            server.call("queues.create", {"name": queue})
            home = out / f"agent{number}"
            home.mkdir()
            env = official_environment(server, home, official_agent) | WITHOUT_FORK | found.variables
            env["CLEARML_WORKER_ID"] = f"theirs-{number}:0"
            command = [str(official_agent / "clearml-agent"), "daemon", "--foreground", "--queue", queue]
            stack.enter_context(process(f"agent{number}", home, *command, env=env))
        yield found


@pytest.mark.parametrize(("script", "name"), [("functions.py", "functions"), ("decorated.py", "decorated")])
def test_official_agent_runs_the_steps(workshop: Workshop, script: str, name: str) -> None:
    (workshop.out / "result").unlink(missing_ok=True)
    workshop.run(script, "steps", PIPELINE_SERVICES="")
    controller = workshop.controllers(name)[0]
    assert controller["status"] == "completed"
    assert workshop.result() == ["16"]
    children = workshop.children(controller["id"])
    assert {child["last_worker"] for child in children} == {"theirs-0:0"}
    assert {child["status"] for child in children} == {"completed"}


@pytest.mark.parametrize(("script", "name"), [("functions.py", "functions"), ("decorated.py", "decorated")])
def test_official_agents_run_the_controller_and_the_steps(workshop: Workshop, script: str, name: str) -> None:
    (workshop.out / "result").unlink(missing_ok=True)
    workshop.run(script)
    controller = workshop.ended(workshop.controllers(name)[0]["id"], 400)
    assert controller["status"] == "completed", workshop.tasks.console(controller["id"])
    assert controller["last_worker"] == "theirs-1:0"
    assert workshop.result() == ["16"]
    steps = json.loads(controller["configuration"]["Pipeline"]["value"])
    assert {fields["status"] for fields in steps.values()} == {"completed"}
