"""What pipelines do when steps fail, are tried again, left out, or have been done before."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import Any

import pytest

from clearml_sdk.automation.jobs.processes import pid_of
from tests.conftest import RunningServer
from tests.e2e.agent.core.conftest import until
from tests.e2e.automation.conftest import SCRIPTS, Workshop

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def workshop(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """No agent: these pipelines run where they are started."""
    return Workshop(server, None, tmp_path_factory.mktemp("behaviour"), "", "")  # type: ignore[arg-type]


def statuses(workshop: Workshop, name: str) -> tuple[dict[str, str], dict[str, Any]]:
    found = workshop.controllers(name)[0]
    steps = json.loads(found["configuration"]["Pipeline"]["value"])
    return {step: fields["status"] for step, fields in steps.items()}, found


def process_of(step: dict[str, Any]) -> int | None:
    """The process of a step that runs beside its controller; None once it has ended."""
    return pid_of(step["runtime"]["_local_process"])


def test_failed_step_fails_pipeline_and_skips_what_waits_for_it(workshop: Workshop) -> None:
    assert "successful: False" in workshop.run("behaviour.py", "failing")
    steps, controller = statuses(workshop, "failing")
    assert steps == {"bad": "failed", "behind": "skipped", "apart": "completed"}
    assert controller["status"] == "failed"
    assert "bad" in controller["status_message"]
    assert sorted(workshop.result()) == ["apart", "bad"]


def test_step_that_may_fail_lets_the_next_run(workshop: Workshop) -> None:
    assert "successful: True" in workshop.run("behaviour.py", "tolerant")
    steps, controller = statuses(workshop, "tolerant")
    assert steps == {"bad": "failed", "behind": "completed"}
    assert controller["status"] == "completed"


def test_failed_step_is_tried_again(workshop: Workshop) -> None:
    workshop.run("behaviour.py", "retried")
    steps, controller = statuses(workshop, "retried")
    assert steps == {"one": "completed", "two": "completed"}
    assert len(workshop.children(controller["id"])) == 4
    assert sorted(workshop.result()) == ["one-done", "one-failed", "two-done", "two-failed"]


def test_functions_of_the_user_are_called(workshop: Workshop) -> None:
    workshop.run("behaviour.py", "called")
    steps, controller = statuses(workshop, "called")
    assert steps == {"one": "completed", "left out": "skipped"}
    assert workshop.result() == ["one:pending->running", "changed", "one:running->completed", "after-one-completed"]
    assert [child["name"] for child in workshop.children(controller["id"])] == ["one"]


def test_step_that_takes_too_long_ends_the_pipeline(workshop: Workshop) -> None:
    assert "successful: False" in workshop.run("behaviour.py", "limited")
    steps, controller = statuses(workshop, "limited")
    assert steps == {"slow": "aborted", "other": "aborted", "behind": "skipped"}
    assert controller["status"] == "failed"
    assert {child["status"] for child in workshop.children(controller["id"])} == {"stopped"}
    assert process_of(workshop.children(controller["id"])[0]) is None


def test_stopped_controller_ends_the_steps_that_run_beside_it(workshop: Workshop) -> None:
    shutil.copy(SCRIPTS / "behaviour.py", workshop.out)
    environment = workshop.server.environment(**{**workshop.variables, "HOME": str(workshop.out)})
    command = [sys.executable, "behaviour.py", "endless"]
    with (workshop.out / "endless.out").open("wb") as out:
        process = subprocess.Popen(command, env=environment, cwd=workshop.out, stdout=out, stderr=out)
    try:
        until(workshop.result, what="for the step to run")
        controller = workshop.controllers("endless")[0]["id"]
        assert process_of(workshop.children(controller)[0]) is not None
        workshop.server.call("tasks.stop", {"task": controller, "force": True})
        process.wait(60)
    finally:
        process.kill()
        process.wait()
    step = workshop.children(controller)[0]
    assert process_of(step) is None
    assert step["status"] == "stopped"
    assert workshop.ended(controller)["status"] == "stopped"
    assert statuses(workshop, "endless")[0] == {"slow": "aborted"}


def test_step_stores_and_tells_for_its_pipeline(workshop: Workshop) -> None:
    workshop.run("behaviour.py", "telling")
    _, controller = statuses(workshop, "telling")
    assert [artifact["key"] for artifact in controller["execution"]["artifacts"]] == ["from a step"]
    found = workshop.server.call("events.get_task_single_value_metrics", {"tasks": [controller["id"]]})["tasks"]
    assert [(value["variant"], value["value"]) for value in found[0]["values"]] == [("told", 7)]


def test_components_are_plain_functions_while_debugging(workshop: Workshop) -> None:
    assert "returned 16" in workshop.run("decorated.py", "debug", PIPELINE_SERVICES="none", PIPELINE_STEPS="none")
    assert workshop.result() == ["16"]
    controller = workshop.controllers("decorated")[0]
    assert workshop.children(controller["id"]) == []
    assert controller["status"] == "completed"
    assert [artifact["key"] for artifact in controller["execution"]["artifacts"]] == ["score"]


def test_several_runs_of_a_decorated_pipeline_in_one_process(workshop: Workshop) -> None:
    assert "all [5, 11]" in workshop.run("variants.py", "several")
    last, first = workshop.controllers("several")
    assert (first["name"], last["name"]) == ("several", "several #2")
    assert {one["status"] for one in (first, last)} == {"completed"}
    assert last["hyperparams"]["Data"]["value"]["value"] == "5"
    assert last["hyperparams"]["Args"]["other"]["value"] == "x"


def test_failed_component_raises_where_its_result_is_used(workshop: Workshop) -> None:
    assert "raised step 'broken' failed" in workshop.run("variants.py", "failing")
    steps, controller = statuses(workshop, "broken")
    assert steps == {"double": "completed", "double_1": "completed", "broken": "failed"}
    assert controller["status"] == "failed"


def test_step_that_was_done_before_is_taken_over(workshop: Workshop) -> None:
    workshop.run("behaviour.py", "cached")
    first = statuses(workshop, "cached")
    assert first[0] == {"one": "completed", "two": "completed"}
    workshop.run("behaviour.py", "cached")
    steps, controller = statuses(workshop, "cached")
    assert steps == {"one": "cached", "two": "cached"}
    assert controller["name"] == "cached #2"
    assert controller["runtime"]["version"] == "1.0.1"
    assert workshop.children(controller["id"]) == []
    assert workshop.result() == ["one", "two"]


def test_pipeline_without_a_queue_is_left_as_a_draft(workshop: Workshop) -> None:
    assert "is a draft" in workshop.run("functions.py", PIPELINE_SERVICES="", PIPELINE_STEPS="none")
    steps, controller = statuses(workshop, "functions")
    assert set(steps.values()) == {"pending"}
    assert controller["status"] == "created"
    assert workshop.children(controller["id"]) == []
