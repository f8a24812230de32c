"""Requests of a script's own: as objects, through a task, through the client."""

from __future__ import annotations

import pytest

from clearml_sdk import Task
from clearml_sdk.backend_api.services import events, tasks
from clearml_sdk.backend_api.session.client import APIClient
from clearml_sdk.backend_interface.session import SendError
from tests.conftest import RunningServer


def test_requests_are_objects(task: Task) -> None:
    pattern = tasks.MultiFieldPatternData(pattern="^a task$", fields=["name"])
    request = tasks.GetAllRequest(id=[task.id], only_fields=["id", "name"], _any_=pattern)
    assert request.to_dict()["_any_"] == {"pattern": "^a task$", "fields": ["name"]}
    result = task.session.send(request)
    assert result.ok() and [(found.id, found.name) for found in result.response.tasks] == [(task.id, "a task")]
    section = tasks.ParamsItem(section="Args", name="lr", value="0.5")
    edit = tasks.EditHyperParamsRequest(task.id, [section], tasks.ReplaceHyperparamsEnum.none)
    assert task.send(edit).response.updated == 1 and task.get_parameters() == {"Args/lr": "0.5"}


def test_a_batch_is_sent_as_lines(running: Task, server: RunningServer) -> None:
    lines = [
        {"type": "training_stats_scalar", "task": running.id, "metric": "m", "variant": "v", "iter": n, "value": n}
        for n in range(3)
    ]
    result = running.send(events.AddBatchRequest(requests=lines))
    assert result.response.added == 3
    curve = server.call("events.scalar_metrics_iter_histogram", {"task": running.id})["m"]["v"]
    assert curve["y"] == [0.0, 1.0, 2.0]


def test_what_the_api_does_not_know_is_refused_before_it_is_sent(task: Task) -> None:
    client = APIClient(session=task.session)
    for call in (tasks.GetAllRequest, client.tasks.get_all):
        with pytest.raises(ValueError, match="Unsupported keyword arguments: foo"):
            call(foo=1)
        with pytest.raises(TypeError, match="Expected id"):
            call(id="abc")
        with pytest.raises(TypeError, match="Expected page"):
            call(page="x")
    with pytest.raises(TypeError, match="missing task"):
        tasks.GetByIdRequest()
    with pytest.raises(AttributeError, match="NoSuchRequest"):
        tasks.NoSuchRequest  # noqa: B018  # the access is the test
    found = client.tasks.get_all(**{"project": [task.project], "hyperparams.Args.lr.value": ["none"]})
    assert len(found) == 0, "paths into documents are conditions"


def test_refusals_are_results_or_errors(task: Task) -> None:
    request = tasks.GetByIdRequest(task="0" * 32)
    result = task.session.send(request)
    assert not result.ok() and (result.meta.result_code, result.meta.result_subcode) == (400, 101)
    with pytest.raises(SendError, match="400/101"):
        task.send(request)
    assert not task.send(request, ignore_errors=True).ok()
    assert not task.send(request, raise_on_errors=False).ok()


def test_the_parts_of_a_task(task: Task, running: Task) -> None:
    assert task.session is task.default_session and task.log.name == "clearml.Task"
    assert Task.normalize_id("  x ") == "x" and Task.normalize_id("") is None
    assert Task.resolve_id(task) == task.id and Task.resolve_id("x") == "x"
    assert task.get_dataviews() == {} and task.resource_monitor is None and task.report_subprocess_enabled is False
    other = Task.create(str(task.get_project_name()), "stood for")
    identifier = other.id
    task.id = identifier
    assert task.name == "stood for" and task == other


@pytest.mark.parametrize("name", ["request_external_endpoint", "wait_for_external_endpoint", "list_external_endpoints"])
def test_an_open_server_has_no_endpoints_of_tasks(task: Task, name: str) -> None:
    arguments = (8000,) if name.startswith("request") else ()
    with pytest.raises(ValueError, match="feature set"):
        getattr(task, name)(*arguments)


@pytest.mark.rows("S2-088")
def test_a_task_is_started_whatever_its_status(task: Task) -> None:
    task.mark_started()
    assert task.status == "in_progress"
    task.mark_failed()
    task.mark_started(force=True)
    assert task.status == "in_progress"
