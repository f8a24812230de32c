"""Tasks exported, imported and merged as data."""

from __future__ import annotations

import json
import urllib.error
from typing import Any

import pytest

from clearml_sdk import Task
from clearml_sdk.session import Session
from tests.conftest import RunningServer

from .conftest import download


@pytest.fixture
def source(session: Session, server: RunningServer, request: pytest.FixtureRequest) -> Task:
    task = Task.create(
        "sdk/exchange", request.node.name, repo="https://example.org/r.git", script="a.py", packages=["numpy==1"]
    )
    task.set_parameters({"Args/lr": 0.1, "Net/size": 3})
    task.set_configuration_object("conf", config_text="a = 1")
    task.upload_artifact("made", {"x": 1}, wait_on_upload=True)
    return task


def document(server: RunningServer, task: Task) -> dict[str, Any]:
    return server.call("tasks.get_by_id", {"task": task.id})["task"]  # type: ignore[no-any-return]


@pytest.mark.rows("S2-023", "S2-076")
def test_a_task_is_exported_and_imported(server: RunningServer, source: Task) -> None:
    exported = json.loads(json.dumps(source.export_task()))
    assert "made" not in json.dumps(exported) and "last_metrics" not in exported
    copy = Task.import_task(exported)
    found, original = document(server, copy), document(server, source)
    assert copy.id != source.id and found["status"] == "created" and found["project"] == original["project"]
    for section in ("script", "hyperparams", "configuration", "container", "name", "type"):
        assert found[section] == original[section], section
    assert found["execution"]["artifacts"] == []


@pytest.mark.rows("S2-147")
def test_data_is_merged_into_a_task_or_replaces_it(server: RunningServer, source: Task) -> None:
    item = {"section": "Args", "name": "lr", "value": "0.5", "type": "float"}
    assert source.update_task({"name": "renamed", "hyperparams": {"Args": {"lr": item}}})
    found = document(server, source)
    assert found["name"] == "renamed" and found["hyperparams"]["Args"]["lr"]["value"] == "0.5"
    assert found["hyperparams"]["Net"]["size"]["value"] == "3"
    other = {"section": "Only", "name": "x", "value": "1"}
    assert Task.import_task({"hyperparams": {"Only": {"x": other}}}, target_task=source.id).id == source.id
    assert list(document(server, source)["hyperparams"]) == ["Only"]
    Task.import_task({"hyperparams": {"Args": {"lr": item}}}, target_task=source, update=True)
    assert sorted(document(server, source)["hyperparams"]) == ["Args", "Only"]
    assert not source.update_task({"no such field": 1})
    with pytest.raises(ValueError, match="dictionary"):
        Task.import_task("text")  # type: ignore[arg-type]  # what a mistaken script gives


@pytest.mark.rows("S2-017", "S2-110")
def test_artifacts_are_deleted_and_replaced(server: RunningServer, source: Task) -> None:
    source.upload_artifact("kept file", {"y": 1}, wait_on_upload=True)
    urls = {name: artifact.url for name, artifact in source.artifacts.items()}
    with pytest.raises(KeyError, match="no artifact 'missing'"):
        source.delete_artifacts(["missing"])
    assert not source.delete_artifacts(["missing"], raise_on_errors=False, silent_on_errors=True)
    assert source.delete_artifacts(["made"])
    assert source.delete_artifacts("kept file", delete_from_storage=False)
    assert list(source.artifacts) == []
    with pytest.raises(urllib.error.HTTPError, match="404"):
        download(server, urls["made"])
    assert json.loads(download(server, urls["kept file"])) == {"y": 1}
    entry = {"key": "by hand", "type": "custom", "mode": "output", "uri": "https://example.org/f"}
    assert [found.key for found in source.set_artifacts([entry]) or []] == ["by hand"]
    assert [found["key"] for found in document(server, source)["execution"]["artifacts"]] == ["by hand"]
    assert len(source.set_artifacts() or []) == 1 and source.set_artifacts([]) == []
