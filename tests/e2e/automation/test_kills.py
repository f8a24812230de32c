"""The controller of a pipeline is killed at any moment: enqueued again it goes on, and no step runs twice."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clearml_sdk.automation.jobs.processes import pid_of
from tests.e2e.agent.core.conftest import is_running, marked_processes, until
from tests.e2e.automation.conftest import SCRIPTS, Workshop

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


def step_process(workshop: Workshop, controller: str, name: str) -> int:
    """The process of a step that runs beside its controller."""
    (step,) = [child for child in workshop.children(controller) if child["name"] == name]
    pid = pid_of(step["runtime"]["_local_process"])
    assert pid is not None, step["runtime"]
    return pid


@pytest.mark.parametrize("fate", ["runs on", "has ended", "dies too"])
def test_killed_controller_takes_over_the_steps_beside_it(workshop: Workshop, fate: str) -> None:
    for path in workshop.out.glob("let go *"):
        path.unlink()
    shutil.copy(SCRIPTS / "here.py", workshop.out)
    environment = workshop.server.environment(**{**workshop.variables, "HOME": str(workshop.out)})
    with (workshop.out / "here.out").open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "here.py"], env=environment, cwd=workshop.out, stdout=out, stderr=out
        )
    try:
        (workshop.out / "let go a").touch()
        until(lambda: workshop.result() == ["a", "b"], what="for the second step to run")
    finally:
        process.kill()
        process.wait()
    controller = workshop.controllers("here")[0]["id"]
    pid = step_process(workshop, controller, "second")
    if fate == "has ended":
        (workshop.out / "let go b").touch()
        until(lambda: not is_running(pid), what="for the second step to end")
    elif fate == "dies too":
        os.kill(pid, signal.SIGKILL)
    workshop.server.call("tasks.stopped", {"task": controller, "force": True})
    workshop.server.call("tasks.enqueue", {"task": controller, "queue_name": workshop.services})
    if fate == "runs on":
        until(lambda: workshop.tasks.status(controller) == "in_progress", what="for the controller to go on")
        assert is_running(pid)
    (workshop.out / "let go b").touch()
    (workshop.out / "let go c").touch()
    found = workshop.ended(controller)
    assert found["status"] == "completed", workshop.tasks.console(controller)
    assert workshop.result() == (["a", "b", "b", "c"] if fate == "dies too" else ["a", "b", "c"])
    ended = [child for child in workshop.children(controller) if child["status"] == "completed"]
    assert {child["name"]: child["hyperparams"]["return"]["out"]["value"] for child in ended} == {
        "first": "a",
        "second": "ab",
        "third": "abc",
    }
    assert len(workshop.children(controller)) == (4 if fate == "dies too" else 3)


def test_step_beside_its_controller_ends_when_its_task_is_stopped(workshop: Workshop) -> None:
    for path in workshop.out.glob("let go *"):
        path.unlink()
    shutil.copy(SCRIPTS / "here.py", workshop.out)
    environment = workshop.server.environment(**{**workshop.variables, "HOME": str(workshop.out)})
    with (workshop.out / "here.out").open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "here.py"], env=environment, cwd=workshop.out, stdout=out, stderr=out
        )
    try:
        until(lambda: workshop.result() == ["a"], what="for the first step to run")
        controller = workshop.controllers("here")[0]["id"]
        pid = step_process(workshop, controller, "first")
        (step,) = workshop.children(controller)
        workshop.server.call("tasks.stopped", {"task": step["id"], "force": True})
        process.wait(60)
    finally:
        process.kill()
        process.wait()
    assert not is_running(pid)
    assert workshop.ended(controller)["status"] == "failed"
