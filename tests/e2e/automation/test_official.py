"""The same scripts with the official SDK against our server: they run, and store the shapes that ours store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.compat import official
from tests.conftest import RunningServer
from tests.e2e.automation.conftest import Workshop
from tests.e2e.automation.test_searches import base_task

pytestmark = [pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def workshop(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """No agent: these pipelines run where they are started."""
    return Workshop(server, None, tmp_path_factory.mktemp("official"), "services", "default")  # type: ignore[arg-type]


def run_official(workshop: Workshop, script: str, *arguments: str) -> None:
    conf = official.write_conf(workshop.server, workshop.out)
    python = Path(official.sdk_environment()) / "python"
    workshop.run(script, *arguments, python=str(python), CLEARML_CONFIG_FILE=str(conf), **official.WITHOUT_FORK)


def shape(workshop: Workshop, name: str) -> dict[str, Any]:
    """What the last run of a pipeline stores, without what differs from run to run."""
    found = workshop.controllers(name)[0]
    steps = json.loads(found["configuration"]["Pipeline"]["value"])
    children = {child["id"]: child["name"] for child in workshop.children(found["id"])}
    texts = json.dumps({step: fields["parameters"] for step, fields in steps.items()})
    for identifier, step in children.items():
        texts = texts.replace(identifier, step)
    return {
        "type": found["type"],
        "status": found["status"],
        "sections": {section: sorted(entries) for section, entries in found["hyperparams"].items()},
        "configuration": {
            key: (value.get("type"), sorted(json.loads(value["value"])))
            for key, value in found["configuration"].items()
        },
        "steps": {
            step: {**fields, **dict.fromkeys(VARYING), "parents": sorted(set(fields["parents"]))}
            for step, fields in steps.items()
        },
        "parameters": texts,
        "artifacts": sorted(artifact["key"] for artifact in found["execution"].get("artifacts") or []),
        "children": {
            child["name"]: {section: sorted(entries) for section, entries in child["hyperparams"].items() if entries}
            for child in workshop.children(found["id"])
        },
        "tags": [tag for tag in found["system_tags"] if tag == "pipeline"],
        "runtime": {"_pipeline_hash", "version", "progress"} & set(found["runtime"]),
        "plots": sorted(
            (plot["metric"], plot["variant"])
            for plot in workshop.server.call("events.get_task_plots", {"task": found["id"]})["plots"]
        ),
    }


VARYING = ("executed", "job_id", "job_started", "job_ended", "job_type", "parameters", "queue")


def compared(workshop: Workshop, script: str, name: str, *, without: str = "") -> None:
    run_official(workshop, script, "here")
    theirs = shape(workshop, name)
    assert workshop.result() == ["16"]
    workshop.run(script, "here")
    ours = shape(workshop, name)
    assert workshop.result() == ["16", "16"]
    for part, value in theirs.items():
        assert part == without or ours[part] == value, part


@pytest.mark.full
def test_functions_are_stored_as_the_official_sdk_stores_them(workshop: Workshop) -> None:
    compared(workshop, "functions.py", "functions")


def test_the_official_decorator_runs_against_our_server(workshop: Workshop) -> None:
    run_official(workshop, "decorated.py", "debug")
    assert workshop.result() == ["16"]
    found = workshop.controllers("decorated")[0]
    assert found["type"] == "controller"
    assert "pipeline" in found["system_tags"]


@pytest.mark.full
def test_components_are_stored_as_the_official_sdk_stores_them(workshop: Workshop) -> None:
    # The official SDK writes ids of tasks where ours keeps the references, which hold in another run too.
    compared(workshop, "decorated.py", "decorated", without="parameters")


@pytest.mark.full
def test_search_is_stored_as_the_official_sdk_stores_it(workshop: Workshop) -> None:
    def stored() -> dict[str, Any]:
        found = workshop.server.call("tasks.get_all", {"name": "^search grid$", "order_by": ["-created"]})["tasks"][0]
        children = workshop.children(found["id"])
        return {
            "status": found["status"],
            "tags": found["tags"],
            "arguments": sorted(found["hyperparams"]["General"]),
            "space": found["configuration"]["General"]["value"].count("ParameterRange"),
            "artifacts": [artifact["key"] for artifact in found["execution"]["artifacts"]],
            "trials": sorted(
                (
                    one["status"],
                    one["hyperparams"]["General"]["x"]["value"],
                    one["hyperparams"]["General"]["kind"]["value"],
                )
                for one in children
            ),
            "tagged": [{f"opt: {found['id']}", "optimization"} <= set(one["tags"]) for one in children],
            "name": sorted(one["name"] for one in children),
        }

    base = base_task(workshop)
    run_official(workshop, "search.py", "grid", base, "here", "3", "3")
    theirs = stored()
    workshop.run("search.py", "grid", base, "here", "3", "3")
    assert stored() == theirs
