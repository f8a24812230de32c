"""The models of a task and the description of its network, through the task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clearml_sdk import InputModel, Task
from clearml_sdk.errors import NotFound
from clearml_sdk.session import Session
from tests.conftest import RunningServer

from .conftest import download


@pytest.fixture
def task(session: Session, request: pytest.FixtureRequest) -> Task:
    return Task.create("sdk/task models", request.node.name)


def document(server: RunningServer, task: Task) -> dict[str, Any]:
    return server.call("tasks.get_by_id", {"task": task.id})["task"]  # type: ignore[no-any-return]


def model(server: RunningServer, model_id: str) -> dict[str, Any]:
    return server.call("models.get_by_id", {"model": model_id})["model"]  # type: ignore[no-any-return]


@pytest.mark.rows("S2-042", "S2-043", "S2-044")
def test_the_description_of_the_network(server: RunningServer, task: Task) -> None:
    assert task.get_model_design() == ""
    task.set_model_config(config_text="layers: 3")
    assert (task.get_model_design(), task.get_model_config_dict()) == ("layers: 3", {"layers": 3})
    assert document(server, task)["configuration"]["General"]["value"] == "layers: 3"
    with pytest.raises(ValueError, match="not by both"):
        task.set_model_config(config_text="a", config_dict={"a": 1})


@pytest.mark.rows("S2-117", "S2-144", "S2-108")
def test_the_description_goes_to_a_file_and_comes_from_one(server: RunningServer, task: Task, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no description"):
        task.save_exec_model_design_file(str(tmp_path / "none.txt"))
    task.set_model_config(config_dict={"a": {"b": 2}})
    path = Path(task.save_exec_model_design_file(str(tmp_path / "design.txt")))
    assert path.read_text() == task.get_model_config_text()
    path.write_text("changed = 1")
    assert Path(task.save_exec_model_design_file(str(path), use_cache=True)).read_text() == "changed = 1"
    task.update_model_desc(str(path))
    found = document(server, task)
    assert found["execution"]["model_desc"] == {"design": "changed = 1"}
    assert task.get_model_config_dict() == {"changed": 1}


@pytest.mark.rows("S2-116", "S2-104")
def test_input_models_are_listed_and_taken_off(server: RunningServer, task: Task) -> None:
    source = InputModel.import_model(
        "https://example.org/weights/base.pt",
        name=f"base of {task.id}",
        label_enumeration={"cat": 1},
        config_text="depth: 4",
        create_as_published=True,
    )
    task.set_input_model(source.id)
    assert task.get_model_design() == "depth: 4" and task.get_labels_enumeration() == {"cat": 1}
    task.set_model_config(config_text="own")
    task.set_input_model(model_name=f"base of {task.id}", update_task_design=False, name="again")
    assert task.get_model_design() == "own"
    assert task.input_models_id == {"base": source.id, "again": source.id}
    for wrong in ({}, {"model_name": "nothing is named so"}):
        with pytest.raises(ValueError, match="model"):
            task.set_input_model(**wrong)
    with pytest.raises(NotFound):
        task.set_input_model("0" * 32)
    task.remove_input_models([source, "unknown"])
    assert document(server, task)["models"]["input"] == []
    assert model(server, source.id)["id"] == source.id


@pytest.mark.rows("S2-145")
def test_output_models_are_files_folders_and_addresses(server: RunningServer, task: Task, tmp_path: Path) -> None:
    weights = tmp_path / "best.bin"
    weights.write_bytes(b"first")
    url = task.update_output_model(str(weights), name="net", comment="note", tags=["t"], iteration=4)
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "a.bin").write_bytes(b"part")
    folder_url = task.update_output_model(str(tmp_path / "parts"))
    assert task.update_output_model("s3://bucket/stored.pt", model_name="stored elsewhere") == "s3://bucket/stored.pt"
    task.flush(wait_for_uploads=True)
    assert not weights.exists()
    listed = task.output_models_id
    assert list(listed) == ["net", "parts", "stored"]
    net = model(server, listed["net"])
    assert net["name"] == f"{task.name} - net" and net["tags"] == ["t"] and "note" in net["comment"]
    assert net["uri"] == url and download(server, url) == b"first"
    assert (
        model(server, listed["parts"])["uri"] == folder_url
        and "package" in model(server, listed["parts"])["system_tags"]
    )
    assert model(server, listed["stored"])["name"] == "stored elsewhere"
    weights.write_bytes(b"second")
    again = task.update_output_model(str(weights), name="net", auto_delete_file=False)
    task.flush(wait_for_uploads=True)
    assert task.output_models_id["net"] == listed["net"] and download(server, again) == b"second"
    assert weights.exists()
    with pytest.raises(ValueError, match="no weights"):
        task.update_output_model(str(tmp_path / "missing.bin"))
