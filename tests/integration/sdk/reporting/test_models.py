"""Models: registered, stored, found and read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from clearml_sdk.errors import NotFound, UsageError
from clearml_sdk.model import InputModel, Model, OutputModel, task_models
from clearml_sdk.record import TaskRecord
from clearml_sdk.reporters import close_all
from clearml_sdk.session import Session
from clearml_sdk.storage import transfer
from clearml_sdk.task import Task
from tests.conftest import RunningServer

from .conftest import Stored


@pytest.fixture
def task(session: Session, task_id: str) -> Iterator[Task]:
    found = Task.get_task(task_id=task_id)
    yield found
    close_all()


@pytest.fixture
def stored_task(task: Task, record: TaskRecord) -> Task:
    """A task whose outputs go to the files server."""
    task.output_uri = True  # type: ignore[assignment]
    return task


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "w.pt"
    path.write_bytes(b"weights")
    return path


def test_weights_are_stored_and_recorded_as_in_the_trace(
    stored_task: Task, weights: Path, server: RunningServer
) -> None:
    model = OutputModel(stored_task, name="mymodel", label_enumeration={"cat": 1}, framework="PyTorch")
    url = model.update_weights(str(weights), iteration=2)
    model.update_design(config_text="layers = 3")
    OutputModel.wait_for_uploads()
    assert not weights.exists()  # as the official client: the file has moved to the store
    document = server.call("models.get_by_id", {"model": model.id})["model"]
    expected_url = f"{server.files}/reporting/tests/a%20task.{stored_task.id}/models/w.pt"
    assert url == expected_url
    assert {key: document[key] for key in ("name", "uri", "framework", "labels", "design", "task", "ready")} == {
        "name": "mymodel",
        "uri": expected_url,
        "framework": "PyTorch",
        "labels": {"cat": 1},
        "design": {"design": "layers = 3"},
        "task": stored_task.id,
        "ready": False,
    }
    assert document["comment"].splitlines() == [
        f"snapshot {weights} stored",
        f"Created by task id: {stored_task.id}",
    ]
    listed = server.call("tasks.get_by_id", {"task": stored_task.id})["task"]["models"]["output"]
    assert [(entry["name"], entry["model"]) for entry in listed] == [("w", model.id)]


def test_weights_can_be_read_by_who_finds_the_model(stored_task: Task, weights: Path) -> None:
    model = OutputModel(stored_task, name="to be found", tags=["good"])
    model.update_weights(str(weights), auto_delete_file=False, async_enable=False)
    assert weights.exists()
    (found,) = Model.query_models(project_name="reporting/tests", model_name="^to be found$", tags=["good"])
    assert found == model
    copy = found.get_local_copy()
    assert copy is not None
    assert Path(copy).read_bytes() == b"weights"
    assert InputModel(name="to be found", project="reporting/tests").id == model.id
    loaded = InputModel.load_model(model.url)
    assert loaded is not None
    assert loaded.id == model.id
    models = task_models(stored_task._record)
    assert [one.id for one in models.output] == [model.id]
    assert models.output["w"].id == models["output"][-1].id == model.id
    assert len(models.input) == 0


def test_a_package_of_weights(stored_task: Task, tmp_path: Path) -> None:
    folder = tmp_path / "package"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.bin").write_text("a")
    (folder / "sub" / "b.bin").write_text("b")
    model = OutputModel(stored_task, name="packed")
    model.update_weights_package(weights_path=str(folder), async_enable=False)
    found = Model(model.id)
    assert found.system_tags == ["package"]
    copy = found.get_local_copy()
    assert copy is not None
    assert sorted(str(path.relative_to(copy)) for path in Path(copy).rglob("*.bin")) == ["a.bin", "sub/b.bin"]
    files = found.get_weights_package()
    assert isinstance(files, list)
    assert [path.name for path in files] == ["a.bin", "b.bin"]


def test_without_a_destination_the_local_file_is_registered(task: Task, weights: Path) -> None:
    model = OutputModel(task)
    assert model.update_weights(str(weights)) == f"file://{weights}"
    assert weights.exists()
    assert (model.name, model.framework) == ("a task", "PyTorch")
    assert Model(model.id).get_weights() == str(weights)


def test_registered_weights(task: Task) -> None:
    model = OutputModel(task, name="elsewhere")
    model.update_weights(register_uri="https://elsewhere.test/m.onnx", iteration=7)
    assert (model.url, model.framework) == ("https://elsewhere.test/m.onnx", "ONNX")
    assert [entry["name"] for entry in task._record.reload()["models"]["output"]] == ["m"]


def test_descriptions_metadata_and_tags(task: Task) -> None:
    model = OutputModel(task, name="described", config_dict={"layers": {"count": 3}}, comment="mine")
    assert model.config_dict == {"layers": {"count": 3}}
    assert model.comment == f"Created by task id: {task.id}\nmine"
    model.config_text = "other"
    assert model.config_text == "other"
    model.set_metadata("accuracy", 0.5)  # type: ignore[arg-type]
    model.set_metadata("note", "text")
    assert model.get_metadata("accuracy") == "0.5"
    assert model.get_metadata_casted("accuracy") == 0.5
    assert model.get_all_metadata_casted()["note"] == "text"
    model.set_all_metadata({"only": {"value": 1}})
    assert set(model.get_all_metadata()) == {"only"}
    model.tags = ["a"]
    model.labels = {"dog": 2}
    assert (model.tags, model.labels) == (["a"], {"dog": 2})
    model.archive()
    assert not Model.query_models(project_name="reporting/tests", model_name="^described$")
    model.unarchive()
    assert len(Model.query_models(project_name="reporting/tests", model_name="^described$")) == 1
    model.publish()
    assert model.published


def test_a_model_reports_its_own_scalars_and_plots(task: Task, server: RunningServer) -> None:
    model = OutputModel(task, name="measured")
    model.report_scalar("loss", "val", 0.5, 3)
    model.report_single_value("best", 0.25)
    model.report_confusion_matrix("cm", "s", [[1, 0], [0, 1]])
    model.report_table("t", "s", table_plot=[["a"], [1]])
    close_all()
    found = server.call("events.scalar_metrics_iter_histogram", {"task": model.id, "model_events": True})
    assert found["loss"]["val"]["y"] == [0.5]
    plots = server.call("events.get_task_plots", {"task": model.id, "iters": 1, "model_events": True})["plots"]
    assert {plot["metric"] for plot in plots} == {"cm", "t"}
    assert Stored(server.call, task.id).iterations("loss", "val") == []


def test_input_models(task: Task, server: RunningServer) -> None:
    first = InputModel.import_model("https://models.test/base.pt", name="base", tags=["pre"])
    assert InputModel.import_model("https://models.test/base.pt").id == first.id
    assert (first.framework, first.tags) == ("PyTorch", ["pre"])
    first.connect(task)
    listed = task._record.reload()["models"]["input"]
    assert [(entry["name"], entry["model"]) for entry in listed] == [("base", first.id)]
    with pytest.raises(ValueError, match="no model is named"):
        InputModel(name="there is no such model")


def test_a_model_is_removed_with_its_weights(stored_task: Task, weights: Path, server: RunningServer) -> None:
    model = OutputModel(stored_task, name="gone soon")
    url = model.update_weights(str(weights), async_enable=False)
    assert Model.remove(model, force=True, raise_on_errors=True)
    with pytest.raises(NotFound):
        Model(model.id)._record().reload()
    assert not transfer.exists(model._record().session, url)


@pytest.mark.parametrize("arguments", [{}, {"weights_filename": "a", "register_uri": "b"}])
def test_weights_come_from_one_source(task: Task, arguments: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="one of weights_filename and register_uri"):
        OutputModel(task).update_weights(**arguments)  # type: ignore[arg-type]


def test_weights_that_are_not_there_say_so(task: Task) -> None:
    with pytest.raises(UsageError, match="no weights at /no/such"):
        OutputModel(task).update_weights("/no/such/file.pt")
