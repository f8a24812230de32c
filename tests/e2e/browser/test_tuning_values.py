"""Tuning a task at the page: hyperparameters, configuration objects, models; and what reaches the run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import RunningServer
from tests.e2e.agent.core.conftest import Agent, Tasks
from tests.e2e.browser.steps import draft, edit, enqueue, open_task, pick, project_of, save, section, task_of

pytestmark = pytest.mark.timeout(240)
SDK = {"pip": "clearml\n", "sdk": "clearml-lean==0.1.0"}


def items(section_name: str, **values: str) -> dict[str, Any]:
    return {
        section_name: {name: {"section": section_name, "name": name, "value": value} for name, value in values.items()}
    }


def said(tasks: Tasks, task: str) -> Any:
    """What the run printed after SAYS."""
    assert tasks.finished(task)["status"] == "completed", tasks.console(task)
    (line,) = [line for line in tasks.console(task).splitlines() if line.startswith("SAYS ")]
    return json.loads(line.removeprefix("SAYS "))


@pytest.mark.rows("S4-031")
def test_every_group_of_hyperparameters_is_shown(server: RunningServer, inside: Page) -> None:
    page = inside
    groups = ("Args", "TF_DEFINE", "General", "Environment", "my own group")
    values: dict[str, Any] = {}
    for group in groups:
        values |= items(group, **{f"in {group}": "1"})
    task = draft(server, "many groups", hyperparams=values)
    open_task(page, server, task, "configuration")
    side = page.get_by_role("navigation", name="Configuration")
    for group in groups:
        side.get_by_role("link", name=group, exact=True).click()
        expect(section(page, group).get_by_role("cell", name=f"in {group}", exact=True)).to_be_visible()


@pytest.mark.rows("S4-032", "S4-033", "S4-034")
def test_hyperparameters_that_are_added_changed_and_deleted_reach_the_run(
    agent: Agent, tasks: Tasks, server: RunningServer, inside: Page
) -> None:
    page = inside
    code = (
        "import argparse, json\nfrom clearml import Task\n"
        "task = Task.init(project_name='p', task_name='tuned', auto_resource_monitoring=False)\n"
        "parser = argparse.ArgumentParser()\n"
        "parser.add_argument('--rate', type=float, default=0.1)\n"
        "parser.add_argument('--steps', type=int, default=7)\n"
        "given = vars(parser.parse_args())\n"
        "print('SAYS', json.dumps({'args': given, 'all': task.get_parameters()}))\n"
    )
    parameters = {**items("Args", rate="0.1", steps="9"), **items("General", gone="1")}
    task = draft(server, "tuned", hyperparams=parameters, script={"diff": code, "requirements": SDK})
    open_task(page, server, task, "configuration/hyperparameters/Args")
    part = edit(page, "Args")
    part.get_by_label("Value of rate").fill("0.25")
    part.get_by_role("button", name="Add parameter").click()
    part.get_by_label("Name", exact=True).last.fill("added")
    part.get_by_label("Value", exact=True).last.fill("here")
    save(part)
    page.get_by_role("link", name="General", exact=True).click()
    part = edit(page, "General")
    part.get_by_role("button", name="Remove gone").click()
    save(part)
    found = task_of(server, task)["hyperparams"]
    assert {name: item["value"] for name, item in found["Args"].items()} == {
        "rate": "0.25",
        "steps": "9",
        "added": "here",
    }
    assert not found.get("General")
    agent.start(queue=tasks.queue)
    enqueue(page, server, task, tasks.queue)
    run = said(tasks, task)
    assert run["args"] == {"rate": 0.25, "steps": 9}
    assert run["all"]["Args/added"] == "here" and "General/gone" not in run["all"]


@pytest.mark.rows("S4-035")
def test_environment_variables_that_are_named_are_tracked_in_both_ways(
    server: RunningServer, inside: Page, tmp_path: Path
) -> None:
    page = inside
    code = (
        "from clearml import Task\n"
        "task = Task.init(project_name='of env', task_name='env', auto_resource_monitoring=False,"
        " reuse_last_task_id=False)\n"
        "print(task.id)\n"
    )
    (tmp_path / "script.py").write_text(code)
    configuration = tmp_path / "clearml.conf"
    configuration.write_text('sdk.development.log_os_environments: ["OF_FILE*"]\n')
    for extra in ({"CLEARML_LOG_ENVIRONMENT": "OF_VARIABLE"}, {"CLEARML_CONFIG_FILE": str(configuration)}):
        given = {"OF_VARIABLE": "by the variable", "OF_FILE_1": "by the file", "HOME": str(tmp_path), **extra}
        command = [sys.executable, "script.py"]
        env = server.environment(
            **given, CLEARML_CACHE_DIR=str(tmp_path / "c"), CLEARML_JOURNAL_DIR=str(tmp_path / "j")
        )
        ran = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=True)
        task = next(line for line in ran.stdout.splitlines() if len(line) == 32)
        open_task(page, server, task, "configuration/hyperparameters/Environment")
        part = section(page, "Environment")
        wanted, other = (
            ("OF_VARIABLE", "OF_FILE_1") if "CLEARML_LOG_ENVIRONMENT" in extra else ("OF_FILE_1", "OF_VARIABLE")
        )
        expect(part.get_by_role("cell", name=wanted, exact=True)).to_be_visible()
        expect(part.get_by_role("cell", name=given[wanted], exact=True)).to_be_visible()
        expect(part.get_by_role("cell", name=other, exact=True)).to_have_count(0)


@pytest.mark.rows("S4-037", "S4-038")
def test_a_configuration_object_is_edited_reaches_the_run_and_is_cleared(
    agent: Agent, tasks: Tasks, server: RunningServer, inside: Page
) -> None:
    page = inside
    code = (
        "import json\nfrom clearml import Task\n"
        "task = Task.init(project_name='p', task_name='configured', auto_resource_monitoring=False)\n"
        "print('SAYS', json.dumps(task.connect_configuration({'layers': 1}, name='network')))\n"
    )
    recorded = {"network": {"name": "network", "value": "layers = 1\n", "type": "dictionary"}}
    task = draft(server, "configured", configuration=recorded, script={"diff": code, "requirements": SDK})
    open_task(page, server, task, "configuration/objects/network")
    part = edit(page, "network")
    part.get_by_label("Configuration network").fill("layers = 5\nwidth = 3\n")
    save(part)
    assert task_of(server, task)["configuration"]["network"]["value"] == "layers = 5\nwidth = 3\n"
    agent.start(queue=tasks.queue)
    enqueue(page, server, task, tasks.queue)
    assert said(tasks, task) == {"layers": 5, "width": 3}

    cleared = draft(server, "cleared", configuration=recorded)
    open_task(page, server, cleared, "configuration/objects/network")
    part = section(page, "network")
    part.hover()
    part.get_by_role("button", name="Clear").click()
    expect(part).to_contain_text("Empty.")
    expect(part.get_by_role("button", name="Clear")).to_have_count(0)
    assert not task_of(server, cleared)["configuration"]["network"].get("value")


def make_model(server: RunningServer, name: str, **more: Any) -> str:
    body = {"name": name, "uri": f"file:///models/{name}.pt", "framework": "PyTorch", "ready": False, **more}
    return str(server.call("models.create", body)["id"])


@pytest.mark.rows("S4-039", "S4-040", "S4-041")
def test_another_input_model_is_chosen_reaches_the_run_leads_to_its_page_and_is_removed(
    agent: Agent, tasks: Tasks, server: RunningServer, inside: Page
) -> None:
    page = inside
    here, there = project_of(server, "models here"), project_of(server, "models there")
    old = make_model(server, "old weights", project=here)
    near = make_model(server, "near weights", project=here)
    far = make_model(server, "far weights", project=there)
    code = (
        "import json\nfrom clearml import Task\n"
        "task = Task.init(project_name='p', task_name='weights', auto_resource_monitoring=False)\n"
        "print('SAYS', json.dumps([model.id for model in task.models['input']]))\n"
    )
    task = draft(server, "with weights", project=here, script={"diff": code, "requirements": SDK})
    server.call("tasks.add_or_update_model", {"task": task, "name": "weights", "model": old, "type": "input"})

    def inputs() -> list[str]:
        return [entry["model"] for entry in task_of(server, task)["models"]["input"]]

    open_task(page, server, task, "artifacts")
    part = section(page, "Input models")
    for name, model in (("near weights", near), ("far weights", far)):
        part.get_by_role("button", name="Select another model").click()
        pick(page, "Model", name)
        page.get_by_role("dialog").get_by_role("button", name="Select", exact=True).click()
        expect(part.get_by_role("link", name=name)).to_be_visible()
        assert inputs() == [model]
    agent.start(queue=tasks.queue)
    enqueue(page, server, task, tasks.queue)
    assert said(tasks, task) == [far]
    part.get_by_role("link", name="far weights").click()
    expect(page.get_by_role("heading", name="far weights")).to_be_visible()
    assert f"/models/{far}" in page.url
    server.call("tasks.reset", {"task": task})
    open_task(page, server, task, "artifacts")
    part.get_by_role("button", name="Remove weights").click()
    expect(part).to_contain_text("None.")
    assert inputs() == []


@pytest.mark.rows("S4-042", "S4-043", "S4-044")
def test_a_models_configuration_is_edited_searched_and_cleared(server: RunningServer, inside: Page) -> None:
    page = inside
    model = make_model(server, "configured model", design={"design": "layers: 1"})
    page.goto(f"{server.web}/projects/*/models/{model}/network")
    text = "layers: 12\nwidth: 768\nLayers again: 3\n"
    part = edit(page, "Model configuration")
    part.get_by_label("Model configuration").fill(text)
    save(part)
    assert server.call("models.get_by_id", {"model": model})["model"]["design"] == {"design": text}
    part.get_by_label("Search in model configuration").fill("layers")
    expect(part.locator("mark")).to_have_text(["layers", "Layers"])
    expect(part.get_by_text("2 found")).to_be_visible()
    part.hover()
    part.get_by_role("button", name="Clear").click()
    expect(part).to_contain_text("Empty.")
    assert not server.call("models.get_by_id", {"model": model})["model"]["design"].get("design")


@pytest.mark.rows("S4-045", "S4-046")
def test_a_models_configuration_is_copied_and_its_labels_are_edited(server: RunningServer, inside: Page) -> None:
    page = inside
    text = "first: 1\nsecond: <2>\n"
    model = make_model(server, "labelled model", design={"design": text}, labels={"cat": 0, "dog": 1})
    page.goto(f"{server.web}/projects/*/models/{model}/network")
    page.get_by_role("button", name="Copy model configuration").click()
    expect(page.get_by_text("Copied.")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == text
    page.get_by_role("link", name="Labels").click()
    part = edit(page, "Label enumeration")
    part.get_by_label("Number", exact=True).first.fill("5")
    part.get_by_role("button", name="Remove dog").click()
    part.get_by_role("button", name="Add", exact=True).click()
    part.get_by_label("Label", exact=True).last.fill("bird")
    part.get_by_label("Number", exact=True).last.fill("7")
    save(part)
    assert server.call("models.get_by_id", {"model": model})["model"]["labels"] == {"cat": 5, "bird": 7}
    part = edit(page, "Label enumeration")
    part.get_by_label("Number", exact=True).first.fill("many")
    part.get_by_role("button", name="Save").click()
    expect(part.get_by_role("alert")).to_contain_text("whole number")


@pytest.mark.rows("S4-030")
def test_a_destination_in_code_counts_before_one_in_the_configuration_file(
    server: RunningServer, inside: Page, tmp_path: Path
) -> None:
    page = inside
    configuration = tmp_path / "clearml.conf"
    configuration.write_text(f'sdk.development.default_output_uri: "{tmp_path}/of-the-file"\n')
    for argument, wanted in (("", "of-the-file"), (f", output_uri='{tmp_path}/of-the-code'", "of-the-code")):
        code = (
            "from clearml import Task\n"
            "task = Task.init(project_name='of out', task_name='out', auto_resource_monitoring=False,"
            f" reuse_last_task_id=False{argument})\nprint(task.id)\n"
        )
        (tmp_path / "script.py").write_text(code)
        env = server.environment(
            CLEARML_CONFIG_FILE=str(configuration), HOME=str(tmp_path),
            CLEARML_CACHE_DIR=str(tmp_path / "c"), CLEARML_JOURNAL_DIR=str(tmp_path / "j"),
        )  # fmt: skip
        command = [sys.executable, "script.py"]
        ran = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=True)
        task = next(line for line in ran.stdout.splitlines() if len(line) == 32)
        open_task(page, server, task)
        expect(section(page, "Output")).to_contain_text(f"{tmp_path}/{wanted}")
