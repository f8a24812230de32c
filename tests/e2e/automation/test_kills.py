"""The controller of a pipeline is killed at any moment: enqueued again it goes on, and no step runs twice."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.e2e.agent.core.conftest import marked_processes, until
from tests.e2e.automation.conftest import Workshop

pytestmark = pytest.mark.timeout(300)


def controller_process(task: str) -> list[int]:
    """The process that runs the pipeline's script; not its runner."""
    found = []
    for pid in marked_processes(f"CLEARML_TASK_ID={task}"):
        with contextlib.suppress(OSError):
            if b"chain.py" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


@pytest.mark.parametrize(
    ("kills", "longest_s"), [(2, 2.0), pytest.param(12, 5.0, marks=pytest.mark.full)], ids=["short", "long"]
)
def test_killed_controller_goes_on_where_it_was(workshop: Workshop, kills: int, longest_s: float) -> None:
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    workshop.run("chain.py")
    controller = workshop.controllers("chain")[0]["id"]
    for _ in range(kills):
        until(
            lambda: controller_process(controller) or workshop.tasks.status(controller) == "completed",
            what="for the controller's process",
        )
        time.sleep(chance.uniform(0, longest_s))  # any moment of its life
        for pid in controller_process(controller):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if workshop.ended(controller)["status"] == "completed":
            break
        workshop.server.call("tasks.enqueue", {"task": controller, "queue_name": workshop.services})
    found = workshop.ended(controller)
    assert found["status"] == "completed", f"seed {seed}: {workshop.tasks.console(controller)}"
    assert sorted(workshop.result()) == list("abcd"), f"seed {seed}"
    returned = {
        child["name"]: child["hyperparams"]["return"]["out"]["value"] for child in workshop.children(controller)
    }
    returned = {name.removeprefix("step "): value for name, value in returned.items()}
    assert returned == {"a": "a", "b": "ab", "c": "ac", "d": "abacd"}


def test_retried_pipeline_runs_what_failed_alone(workshop: Workshop) -> None:
    (workshop.out / "fails").touch()
    workshop.run("chain.py")
    controller = workshop.controllers("chain")[0]["id"]
    assert workshop.ended(controller)["status"] == "failed"
    assert sorted(workshop.result()) == ["a", "b", "c"]
    (workshop.out / "fails").unlink()
    said = workshop.command("retry", controller, "--from", "failed", "--json")
    assert sorted(json.loads(said)["steps"]) == ["c", "d"]
    found = workshop.ended(controller)
    assert found["status"] == "completed", workshop.tasks.console(controller)
    assert sorted(workshop.result()) == ["a", "b", "c", "c", "d"]
    workshop.command("retry", controller, "--from", "b")
    assert workshop.ended(controller)["status"] == "completed"
    assert sorted(workshop.result()) == ["a", "b", "b", "c", "c", "d", "d"]
