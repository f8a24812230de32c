"""Models by the official SDK and client: made, connected, queried, published, archived, deleted."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import RunningServer

from .helpers import Api, eventually, make_task, names, running_task, shown
from .session import OfficialError, OfficialSession
from .test_tasks import file_status

UNKNOWN = "0" * 32


def make_model(call: Api, project: str, name: str, **fields: Any) -> str:
    body = {"uri": f"file:///{name}", "name": name, "project": project, "labels": {}, "ready": False, **fields}
    return str(call("models.create", body)["id"])


def model_of(call: Api, id: str) -> dict[str, Any]:
    return dict(call("models.get_by_id", {"model": id})["model"])


def test_output_model_uploads_its_weights(
    official: OfficialSession, server: RunningServer, call: Api, project: str
) -> None:
    task = running_task(call, project, "the trainer")

    def train(id: str, files: str) -> list[Any]:
        from clearml import Model, OutputModel, Task

        task = Task.get_task(task_id=id)
        model = OutputModel(
            task=task, name="best model", framework="PyTorch", tags=["best"], label_enumeration={"cat": 1, "dog": 2},
            config_dict={"layers": 3},
        )  # fmt: skip
        with open("best.bin", "wb") as out:
            out.write(b"weights" * 100)
        model.update_weights("best.bin", upload_uri=files, iteration=7, async_enable=False, auto_delete_file=False)
        found = Model(model.id)
        copy = found.get_local_copy()
        return [model.id, found.url, open(copy, "rb").read() == b"weights" * 100, found.labels, found.framework]

    id, url, is_same, labels, framework = official.run(train, task, server.files)
    assert (is_same, labels, framework) == (True, {"cat": 1, "dog": 2}, "PyTorch")
    assert file_status(server, url) == 200
    found = model_of(call, id)
    assert (found["name"], found["task"], found["ready"]) == ("best model", task, False)
    assert (found["labels"], found["tags"], found["framework"]) == ({"cat": 1, "dog": 2}, ["best"], "PyTorch")
    assert "layers" in str(found["design"])
    assert [item["model"] for item in shown(call, task)["models"]["output"]] == [id]


def test_models_of_a_task(official: OfficialSession, call: Api, project: str) -> None:
    task = running_task(call, project)
    made, used = make_model(call, project, "made here"), make_model(call, project, "used here")
    call("tasks.add_or_update_model", {"task": task, "name": "out", "model": made, "type": "output"})
    call("tasks.add_or_update_model", {"task": task, "name": "in", "model": used, "type": "input"})

    def read(id: str) -> dict[str, list[str]]:
        from clearml import Task

        return {kind: [model.id for model in found] for kind, found in Task.get_task(task_id=id).get_models().items()}

    assert official.run(read, task) == {"input": [used], "output": [made]}
    call("tasks.delete_models", {"task": task, "models": [{"name": "out", "type": "output"}]})
    assert official.run(read, task) == {"input": [used], "output": []}


def test_input_model_is_imported_once(official: OfficialSession, call: Api, unique: str) -> None:
    def imported(name: str) -> list[str]:
        from clearml import InputModel

        first = InputModel.import_model(weights_url=f"https://example.com/{name}.bin", name=name, framework="Keras")
        second = InputModel.import_model(weights_url=f"https://example.com/{name}.bin", name=name)
        return [first.id, second.id]

    first, second = official.run(imported, unique)
    assert first == second
    found = call("models.get_all", {"uri": [f"https://example.com/{unique}.bin"]})["models"]
    assert [(model["id"], model["name"], model["framework"]) for model in found] == [(first, unique, "Keras")]


def test_input_model_of_a_task(official: OfficialSession, call: Api, project: str) -> None:
    task, model = make_task(call, project), make_model(call, project, "pretrained", labels={"a": 1})

    def use(task: str, model: str) -> None:
        from clearml import Task

        Task.get_task(task_id=task).set_input_model(model_id=model)

    official.run(use, task, model)
    assert [item["model"] for item in shown(call, task)["models"]["input"]] == [model]


def test_query_models(official: OfficialSession, call: Api, project: str, unique: str) -> None:
    first = make_model(call, project, f"{unique} first", tags=["a"], ready=True)
    second = make_model(call, project, f"{unique} second", tags=["a", "b"])
    metadata = [{"key": "acc", "type": "float", "value": "0.5"}]
    call("models.add_or_update_metadata", {"model": second, "metadata": metadata})

    def query(**how: Any) -> list[str]:
        return official.run(run_query, unique, how)

    def run_query(project: str, how: dict[str, Any]) -> list[str]:
        from clearml import Model

        return sorted(model.name.split()[1] for model in Model.query_models(project_name=project, **how))

    assert query() == ["first", "second"]
    assert query(model_name=f"{unique} first") == ["first"]
    assert query(tags=["a", "-b"]) == ["first"]
    assert query(tags=["b"]) == ["second"]
    assert query(only_published=True) == ["first"]
    assert query(metadata={"acc": "0.5"}) == ["second"]
    assert len(query(max_results=1)) == 1
    call("models.archive_many", {"ids": [first]})
    assert query() == ["second"]
    assert query(include_archived=True) == ["first", "second"]


def test_metadata_is_added_cast_replaced_and_deleted(
    official: OfficialSession, api: Api, call: Api, project: str
) -> None:
    model = make_model(call, project, "with metadata")

    def change(id: str) -> list[Any]:
        from clearml import Model

        model = Model(id)
        model.set_metadata("acc", 0.5, v_type="float")
        model.set_metadata("note", "good")
        seen = [model.get_metadata("acc"), model.get_metadata_casted("acc"), model.get_all_metadata()]
        model.set_all_metadata({"only": {"value": "1", "type": "int"}}, replace=True)
        return [*seen, Model(id).get_all_metadata_casted()]

    text, cast, every, left = official.run(change, model)
    assert (text, cast) == ("0.5", 0.5)
    assert (every["note"]["value"], every["acc"]["type"]) == ("good", "float")
    assert left == {"only": 1}
    assert list(model_of(call, model)["metadata"]) == ["only"]
    api("models.delete_metadata", model=model, keys=["only"])
    assert not model_of(call, model)["metadata"]


def test_publish_and_archive(official: OfficialSession, call: Api, project: str) -> None:
    model = make_model(call, project, "to be published")

    def change(id: str) -> bool:
        from clearml import Model

        Model(id).publish()
        Model(id).archive()
        return Model(id).published

    assert official.run(change, model) is True
    found = model_of(call, model)
    assert found["ready"] is True
    assert "archived" in found["system_tags"]

    def unarchive(id: str) -> None:
        from clearml import Model

        Model(id).unarchive()

    official.run(unarchive, model)
    assert "archived" not in model_of(call, model)["system_tags"]


def test_published_model_cannot_be_published_again(api: Api, call: Api, project: str) -> None:
    model = make_model(call, project, "ready", ready=True)
    with pytest.raises(OfficialError) as refused:
        api("models.set_ready", model=model)
    assert (refused.value.code, refused.value.subcode) == (400, 203)


def test_remove_deletes_the_model_and_its_weights(
    official: OfficialSession, server: RunningServer, call: Api, project: str
) -> None:
    task = running_task(call, project)

    def make(id: str, files: str) -> list[str]:
        from clearml import OutputModel, Task

        with open("gone.bin", "wb") as out:
            out.write(b"x")
        model = OutputModel(task=Task.get_task(task_id=id), name="short lived")
        model.update_weights("gone.bin", upload_uri=files, async_enable=False, auto_delete_file=False)
        return [model.id, model.url]

    id, url = official.run(make, task, server.files)
    assert file_status(server, url) == 200

    def remove(id: str) -> bool:
        from clearml import Model

        return bool(Model.remove(id, force=True, raise_on_errors=True))

    assert official.run(remove, id) is True
    assert call("models.get_all", {"id": [id]})["models"] == []
    assert file_status(server, url) == 404


def test_delete_of_an_unknown_model_says_400_201(api: Api) -> None:
    with pytest.raises(OfficialError) as refused:
        api("models.delete", model=UNKNOWN)
    assert (refused.value.code, refused.value.subcode) == (400, 201)


def test_typed_edit_and_update(api: Api, call: Api, project: str) -> None:
    model = make_model(call, project, "before")
    answer = api("models.edit", model=model, name="after", comment="c", labels={"x": 3}, tags=["t"])
    assert answer["updated"] == 1
    found = model_of(call, model)
    assert (found["name"], found["comment"], found["labels"], found["tags"]) == ("after", "c", {"x": 3}, ["t"])
    api("models.update", model=model, name="later on")
    assert model_of(call, model)["name"] == "later on"


def test_frameworks_and_moves(api: Api, call: Api, project: str, unique: str) -> None:
    model = make_model(call, project, "mover", framework="JAX")
    assert api("models.get_frameworks", projects=[project])["frameworks"] == ["JAX"]
    api("models.move", ids=[model], project_name=f"{unique}/elsewhere")
    moved = model_of(call, model)["project"]
    assert call("projects.get_by_id", {"project": moved})["project"]["name"] == f"{unique}/elsewhere"
    assert names(api("models.get_all", project=[moved])) == ["mover"]


def test_model_reports_its_own_scalars(official: OfficialSession, call: Api, project: str) -> None:
    task = running_task(call, project)

    def report(id: str) -> str:
        from clearml import OutputModel, Task

        task = Task.get_task(task_id=id)
        model = OutputModel(task=task, name="reporting model")
        model.report_scalar("auc", "valid", 0.75, iteration=1)
        model.report_single_value("size", 12)
        task.flush(wait_for_uploads=True)
        return model.id

    id = official.run(report, task)
    found = eventually(lambda: call("events.scalar_metrics_iter_histogram", {"task": id, "model_events": True}))
    assert found["auc"]["valid"]["y"] == [0.75]
    (single,) = call("events.get_task_single_value_metrics", {"tasks": [id], "model_events": True})["tasks"]
    assert [(item["variant"], item["value"]) for item in single["values"]] == [("size", 12)]
    assert call("events.get_task_events", {"task": task})["events"] == []
