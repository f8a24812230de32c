"""What a task carries beside its results: parameters, user properties, configurations, artifacts, requirements."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import RunningServer

from .helpers import Api, make_task, running_task, shown
from .session import OfficialError, OfficialSession
from .test_tasks import file_status


def test_parameters_keep_section_value_and_type(official: OfficialSession, call: Api, project: str) -> None:
    task = make_task(call, project)

    def set_and_get(id: str) -> list[Any]:
        from clearml import Task

        task = Task.get_task(task_id=id)
        task.set_parameters({"Args/epochs": 10, "Args/lr": 0.25, "Net/name": "vgg", "flat": True})
        task.set_parameter("Net/depth", 3, description="layers")
        return [task.get_parameters(), task.get_parameters(cast=True), task.get_parameters_as_dict()]

    texts, cast, nested = official.run(set_and_get, task)
    assert texts["Args/epochs"] == "10"
    assert (cast["Args/epochs"], cast["Args/lr"], cast["Net/name"], cast["Net/depth"]) == (10, 0.25, "vgg", 3)
    assert nested["Net"] == {"name": "vgg", "depth": "3"}
    stored = shown(call, task)["hyperparams"]
    assert stored["Args"]["epochs"]["value"] == "10"
    assert stored["Args"]["epochs"]["type"] == "int"
    assert stored["Net"]["depth"]["description"] == "layers"


def test_parameter_names_with_odd_signs(official: OfficialSession, call: Api, project: str) -> None:
    task = make_task(call, project)
    odd = {"Args/model.lr": "1", "Args/$money": "2", "Args/a%b": "3", "Args/with space": "4", "Args/ünïcode": "5"}

    def set_and_get(id: str, values: dict[str, str]) -> dict[str, str]:
        from clearml import Task

        task = Task.get_task(task_id=id)
        task.set_parameters(values)
        return Task.get_task(task_id=id).get_parameters()

    assert official.run(set_and_get, task, odd) == odd
    assert shown(call, task)["hyperparams"]["Args"]["model.lr"]["value"] == "1"


def test_parameter_is_deleted_alone(official: OfficialSession, call: Api, project: str) -> None:
    task = make_task(call, project)

    def delete(id: str) -> bool:
        from clearml import Task

        task = Task.get_task(task_id=id)
        task.set_parameters({"Args/one": 1, "Args/two": 2})
        return task.delete_parameter("Args/one")

    assert official.run(delete, task) is True
    assert list(shown(call, task)["hyperparams"]["Args"]) == ["two"]


def test_typed_edit_of_hyperparameters_replaces_by_section(api: Api, call: Api, project: str) -> None:
    task = make_task(call, project)
    items = [{"section": "A", "name": "x", "value": "1"}, {"section": "B", "name": "y", "value": "2"}]
    api("tasks.edit_hyper_params", task=task, hyperparams=items)
    api("tasks.edit_hyper_params", task=task, hyperparams=[{"section": "A", "name": "z", "value": "3"}])
    assert sorted(shown(call, task)["hyperparams"]["A"]) == ["x", "z"]
    api(
        "tasks.edit_hyper_params",
        task=task,
        hyperparams=[{"section": "A", "name": "w", "value": "4"}],
        replace_hyperparams="section",
    )
    stored = shown(call, task)["hyperparams"]
    assert (list(stored["A"]), list(stored["B"])) == (["w"], ["y"])
    api("tasks.edit_hyper_params", task=task, hyperparams=[items[1]], replace_hyperparams="all")
    assert list(shown(call, task)["hyperparams"]) == ["B"]
    (found,) = api("tasks.get_hyper_params", tasks=[task])["params"]
    assert [(item["section"], item["name"], item["value"]) for item in found["hyperparams"]] == [("B", "y", "2")]
    api("tasks.delete_hyper_params", task=task, hyperparams=[{"section": "B"}])
    assert shown(call, task)["hyperparams"] == {}


def test_hyperparameters_of_a_finished_task_are_locked(api: Api, call: Api, project: str) -> None:
    task = running_task(call, project)
    call("tasks.completed", {"task": task})
    with pytest.raises(OfficialError) as refused:
        api("tasks.edit_hyper_params", task=task, hyperparams=[{"section": "A", "name": "x", "value": "1"}])
    assert (refused.value.code, refused.value.subcode) == (400, 110)
    api("tasks.edit_hyper_params", task=task, hyperparams=[{"section": "properties", "name": "x", "value": "1"}])
    assert shown(call, task)["hyperparams"] == {
        "properties": {"x": {"section": "properties", "name": "x", "value": "1"}}
    }


def test_user_properties(official: OfficialSession, call: Api, project: str) -> None:
    task = running_task(call, project)
    call("tasks.completed", {"task": task})

    def change(id: str) -> list[Any]:
        from clearml import Task

        task = Task.get_task(task_id=id)
        task.set_user_properties(owner="me", rating=5)
        task.set_user_properties({"name": "note", "value": "good", "description": "a note"})
        seen = Task.get_task(task_id=id).get_user_properties(value_only=True)
        task.delete_user_properties([("properties", "rating")])
        return [seen, sorted(Task.get_task(task_id=id).get_user_properties())]

    seen, left = official.run(change, task)
    assert (seen["owner"], seen["note"]) == ("me", "good")
    assert str(seen["rating"]) == "5"
    assert left == ["note", "owner"]
    stored = shown(call, task)["hyperparams"]["properties"]
    assert sorted(stored) == ["note", "owner"]
    assert stored["note"]["description"] == "a note"


def test_configuration_objects(official: OfficialSession, call: Api, project: str) -> None:
    task = make_task(call, project)

    def change(id: str) -> list[Any]:
        from clearml import Task

        task = Task.get_task(task_id=id)
        task.set_configuration_object("net", config_text="layers = 3", description="the net", config_type="hocon")
        task.set_configuration_object("data", config_dict={"a": {"b": [1, 2]}})
        fresh = Task.get_task(task_id=id)
        return [
            fresh.get_configuration_object("net"),
            fresh.get_configuration_object_as_dict("data"),
            sorted(fresh.get_configuration_objects()),
        ]

    assert official.run(change, task) == ["layers = 3", {"a": {"b": [1, 2]}}, ["data", "net"]]
    stored = shown(call, task)["configuration"]
    assert stored["net"]["value"] == "layers = 3"
    assert stored["net"]["description"] == "the net"


def test_configuration_calls(api: Api, raw: Api, call: Api, project: str) -> None:
    task = make_task(call, project)
    items = [{"name": "one", "value": "1", "type": "text"}, {"name": "two", "value": "2"}]
    api("tasks.edit_configuration", task=task, configuration=items)
    # The typed forms of these say "object" where every server takes and sends lists: the client refuses them.
    (listed,) = raw("tasks.get_configuration_names", {"tasks": [task]})["configurations"]
    assert sorted(listed["names"]) == ["one", "two"]
    (found,) = raw("tasks.get_configurations", {"tasks": [task], "names": ["two"]})["configurations"]
    assert [(item["name"], item["value"]) for item in found["configuration"]] == [("two", "2")]
    raw("tasks.delete_configuration", {"task": task, "configuration": ["one"]})
    assert list(shown(call, task)["configuration"]) == ["two"]
    api("tasks.edit_configuration", task=task, configuration=items[:1], replace_configuration=True)
    assert list(shown(call, task)["configuration"]) == ["one"]


def test_requirements_are_replaced(api: Api, call: Api, project: str) -> None:
    task = make_task(call, project)
    api("tasks.set_requirements", task=task, requirements={"pip": "numpy\ntorch", "conda": ""})
    assert shown(call, task)["script"]["requirements"]["pip"] == "numpy\ntorch"
    api("tasks.set_requirements", task=task, requirements={"pip": ["numpy==1"]})
    assert shown(call, task)["script"]["requirements"]["pip"] == ["numpy==1"]


@pytest.mark.parametrize("kind", ["dict", "numpy", "text", "file", "folder", "pickle"])
def test_artifact_comes_back_as_it_was(official: OfficialSession, call: Api, project: str, kind: str) -> None:
    task = running_task(call, project)

    def upload_and_get(id: str, kind: str) -> bool:
        import os

        import numpy
        from clearml import Task

        task = Task.get_task(task_id=id)
        value: Any = {"dict": {"a": [1, 2]}, "numpy": numpy.arange(5), "text": "hello", "pickle": {1, 2, 3}}.get(kind)
        if kind == "file":
            value = os.path.abspath(f"{id}.bin")
            with open(value, "wb") as out:
                out.write(b"12345")
        if kind == "folder":
            value = os.path.abspath(f"{id}.d")
            os.mkdir(value)
            with open(f"{value}/inner.txt", "w") as out:
                out.write("inside")
        assert task.upload_artifact(kind, value, wait_on_upload=True, metadata={"note": "x"}, auto_pickle=True)
        artifact = Task.get_task(task_id=id).artifacts[kind]
        if kind == "file":
            return open(artifact.get_local_copy(), "rb").read() == b"12345" and artifact.size == 5
        if kind == "folder":
            return open(f"{artifact.get_local_copy()}/inner.txt").read() == "inside"
        found = artifact.get()
        return bool((found == value).all()) if kind == "numpy" else found == value

    assert official.run(upload_and_get, task, kind) is True
    (stored,) = shown(call, task)["execution"]["artifacts"]
    assert (stored["key"], stored["mode"]) == (kind, "output")
    assert stored["content_size"] > 0
    assert len(stored["hash"]) == 64
    assert ["note", "x"] in stored["display_data"]
    assert stored["uri"].startswith("http://")


def test_artifacts_are_deleted_with_their_files(
    official: OfficialSession, server: RunningServer, call: Api, project: str
) -> None:
    task = running_task(call, project)

    def upload(id: str) -> str:
        from clearml import Task

        task = Task.get_task(task_id=id)
        for name in ("kept", "dropped"):
            task.upload_artifact(name, {"name": name}, wait_on_upload=True)
        return Task.get_task(task_id=id).artifacts["dropped"].url

    url = official.run(upload, task)
    assert file_status(server, url) == 200

    def delete(id: str) -> bool:
        from clearml import Task

        return Task.get_task(task_id=id).delete_artifacts(["dropped"])

    assert official.run(delete, task) is True
    assert [item["key"] for item in shown(call, task)["execution"]["artifacts"]] == ["kept"]
    assert file_status(server, url) == 404


def test_typed_artifact_calls_upsert_by_key_and_mode(api: Api, call: Api, project: str) -> None:
    task = make_task(call, project)

    def artifact(uri: str, mode: str) -> dict[str, str]:
        return {"key": "x", "type": "custom", "mode": mode, "uri": uri}

    api("tasks.add_or_update_artifacts", task=task, artifacts=[artifact("a", "output"), artifact("b", "input")])
    api("tasks.add_or_update_artifacts", task=task, artifacts=[artifact("c", "output")])
    stored = shown(call, task)["execution"]["artifacts"]
    assert sorted((item["mode"], item["uri"]) for item in stored) == [("input", "b"), ("output", "c")]
    api("tasks.delete_artifacts", task=task, artifacts=[{"key": "x", "mode": "input"}])
    assert [item["mode"] for item in shown(call, task)["execution"]["artifacts"]] == ["output"]


def test_storage_manager_uses_the_file_server(official: OfficialSession, server: RunningServer, unique: str) -> None:
    def use(base: str) -> list[Any]:
        import os

        from clearml import StorageManager

        os.makedirs("local", exist_ok=True)
        with open("local/a file.txt", "w") as out:
            out.write("content")
        url = StorageManager.upload_file("local/a file.txt", f"{base}/a file.txt")
        copy = StorageManager.get_local_copy(url)
        return [url, open(copy).read(), StorageManager.exists_file(url), StorageManager.exists_file(f"{base}/none")]

    url, content, is_there, is_none = official.run(use, f"{server.files}/{unique}")
    assert (content, is_there, is_none) == ("content", True, False)
    assert file_status(server, url) == 200
