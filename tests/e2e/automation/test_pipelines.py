"""Pipelines in each form: their controller and their steps run by an agent, or on this machine."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.automation.conftest import SCRIPTS, Workshop

pytestmark = pytest.mark.timeout(300)


def steps(controller: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return dict(json.loads(controller["configuration"]["Pipeline"]["value"]))


def controller_queue(workshop: Workshop) -> str:
    return str(workshop.server.call("queues.get_all", {"name": f"^{workshop.services}$"})["queues"][0]["id"])


@pytest.mark.rows("S3-095")
def test_functions_on_agents(workshop: Workshop) -> None:
    workshop.run("functions.py")
    controller = workshop.controllers("functions")[0]
    found = workshop.ended(controller["id"])
    assert found["status"] == "completed", workshop.tasks.console(controller["id"])
    assert workshop.result() == ["16"]
    assert found["type"] == "controller"
    assert {name: step["status"] for name, step in steps(found).items()} == dict.fromkeys(
        ("load", "train", "report"), "completed"
    )
    children = {child["name"]: child for child in workshop.children(found["id"])}
    assert {name: child["id"] for name, child in children.items()} == {
        name: step["executed"] for name, step in steps(found).items()
    }
    assert children["load"]["hyperparams"]["kwargs"]["start"]["value"] == "5"
    assert children["load"]["hyperparams"]["return"]["value"]["value"] == "10"
    assert children["train"]["hyperparams"]["kwargs_artifacts"]["data"]["value"] == f"{children['load']['id']}.data"
    assert found["runtime"]["version"] == "1.2.3" == found["hyperparams"]["properties"]["version"]["value"]
    assert found["runtime"]["_pipeline_hash"].endswith(":1.2.3")
    assert found["runtime"]["progress"] == "100"
    plots = workshop.server.call("events.get_task_plots", {"task": found["id"]})["plots"]
    assert {(plot["metric"], plot["variant"]) for plot in plots} == {
        ("Pipeline", "Execution Flow"),
        ("Pipeline Details", "Execution Details"),
    }


def test_decorated_on_agents(workshop: Workshop) -> None:
    workshop.run("decorated.py")
    controller = workshop.controllers("decorated")[0]
    found = workshop.ended(controller["id"])
    assert found["status"] == "completed", workshop.tasks.console(controller["id"])
    assert workshop.result() == ["16"]
    assert steps(found)["train"]["parents"] == ["load"]
    assert [artifact["key"] for artifact in found["execution"]["artifacts"]] == ["score"]
    # Another run with another value, as the page begins it.
    wish = {"task": found["id"], "queue": controller_queue(workshop), "args": [{"name": "start", "value": "7"}]}
    again = workshop.server.call("pipelines.start_pipeline", wish)["pipeline"]
    assert workshop.ended(again)["status"] == "completed", workshop.tasks.console(again)
    assert workshop.result() == ["16", "20"]


def base_task(workshop: Workshop) -> str:
    scope: dict[str, Any] = {"__name__": "read"}
    exec((SCRIPTS / "tasks.py").read_text(), scope)
    script = {
        "entry_point": "main.py",
        "binary": "python3",
        "diff": scope["CODE"],
        "requirements": {"pip": "clearml\n"},
    }
    project = workshop.server.call("projects.get_all", {"name": "^automation/bases$"})["projects"]
    project = project or [workshop.server.call("projects.create", {"name": "automation/bases"})]
    body = {"name": "base", "type": "training", "script": script, "project": project[0]["id"]}
    return str(workshop.server.call("tasks.create", body)["id"])


def test_tasks_here(workshop: Workshop) -> None:
    workshop.run("tasks.py", base_task(workshop), "here")
    found = workshop.ended(workshop.controllers("tasks")[0]["id"])
    assert found["status"] == "completed"
    assert workshop.result() == ["112"]
    executed = {name: step["executed"] for name, step in steps(found).items()}
    assert workshop.tasks.get(executed["three"])["comment"] == f"after {executed['two']}"
    assert [artifact["key"] for artifact in found["execution"]["artifacts"]] == ["total of one"]
    shown = [(one["metric"], one["variant"]) for series in found["last_metrics"].values() for one in series.values()]
    assert {("losses", "one"), ("loss", "train")} <= set(shown)
    assert [model["name"] for model in found["models"]["output"]] == ["net", "net of one"]


def test_step_of_a_task_that_there_is_not_is_refused_at_the_start(workshop: Workshop) -> None:
    with pytest.raises(AssertionError, match="there is no task 0000"):
        workshop.run("tasks.py", "0" * 32, "here")
    assert workshop.children(workshop.controllers("tasks")[0]["id"]) == []
