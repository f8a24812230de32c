"""The registry of models: what may change when, what publishing and deleting take along, what old clients ask."""

from __future__ import annotations

from tests.conftest import ApiFailure, RunningServer
from tests.integration.services.conftest import Api

NOBODY = "0" * 32


def test_a_model_keeps_what_it_was_made_with(api: Api) -> None:
    project, task = api.project(), api.task()
    given = {
        "name": "  resnet  ",
        "uri": " s3://b/m ",
        "comment": "c",
        "framework": "torch",
        "design": {"design": "net"},
        "labels": {"cat": 1, "dog": 2},
        "tags": ["a"],
        "system_tags": ["s"],
        "project": project,
        "task": task,
        "ready": False,
        "metadata": [{"key": "k", "type": "str", "value": "v"}],
    }
    model = api("models.create", **given)["id"]
    found = api("models.get_by_id", model=model)["model"]
    assert (found["name"], found["uri"]) == ("resnet", "s3://b/m")
    kept = ("comment", "framework", "design", "labels", "tags", "system_tags", "project", "task", "ready")
    assert {name: found[name] for name in kept} == {name: given[name] for name in kept}
    assert found["metadata"] == {"k": {"key": "k", "type": "str", "value": "v"}}


def test_labels_are_whole_numbers_and_each_once(api: Api) -> None:
    for labels in ({"a": 1, "b": 1}, {"a": "1"}, {"a": True}):
        assert api.code("models.create", name="model", uri="u", labels=labels) == (400, 800)


def test_unknown_ones_are_exactly_201(api: Api) -> None:
    for call in ("get_by_id", "delete", "edit", "update", "set_ready", "delete_metadata"):
        more = {"keys": ["k"]} if call == "delete_metadata" else {}
        assert api.code(f"models.{call}", model=NOBODY, **more) == (400, 201), call


def test_editing(api: Api) -> None:
    model = api.model()
    answer = api("models.edit", model=model, name="other name", uri="s3://n", labels={"x": 3}, ready=True, tags=["t"])
    assert answer["updated"] == 1
    assert answer["fields"]["labels"] == {"x": 3}
    found = api("models.get_by_id", model=model)["model"]
    assert (found["name"], found["uri"], found["ready"], found["tags"]) == ("other name", "s3://n", True, ["t"])
    assert api("models.update", model=model, comment="hm", ui_cache={"a": 1})["updated"] == 1
    found = api("models.get_by_id", model=model)["model"]
    assert (found["comment"], found["ui_cache"]) == ("hm", {"a": 1})
    assert api("models.update", model=model) == {"updated": 0, "fields": {}}


def test_an_iteration_is_told_to_the_task(api: Api) -> None:
    task = api.task()
    model = api.model(task=task)
    api("models.edit", model=model, iteration=7)
    assert api.read(task)["last_iteration"] == 7
    api("models.edit", model=model, iteration=3)
    assert api.read(task)["last_iteration"] == 7


def test_publishing_takes_the_task_along_or_not(api: Api) -> None:
    task = api.task()
    api("tasks.started", task=task)
    api("tasks.stopped", task=task)
    alone, with_task = api.model(task=task), api.model(task=task)
    assert api("models.set_ready", model=alone, publish_task=False)["updated"] == 1
    assert api.read(task)["status"] == "stopped"
    answer = api("models.set_ready", model=with_task)
    assert answer["published_task"]["id"] == task
    assert api.read(task)["status"] == "published"
    assert api.code("models.set_ready", model=with_task) == (400, 203)


def test_a_task_that_cannot_be_published_stops_its_model_unless_forced(api: Api) -> None:
    task = api.task()
    model = api.model(task=task)
    assert api.code("models.set_ready", model=model) == (400, 110)
    assert api("models.get_by_id", model=model)["model"]["ready"] is False
    assert api("models.set_ready", model=model, force_publish_task=True)["updated"] == 1


def test_deleting_guards_what_depends_on_it(api: Api) -> None:
    task = api.task()
    api("tasks.started", task=task)
    api("tasks.completed", task=task)
    made = api.model(task=task)
    api("tasks.publish", task=task)
    assert api.code("models.delete", model=made) == (400, 206)
    assert api("models.delete", model=made, force=True) == {"deleted": True, "url": "http://files.local/m"}
    assert api.code("models.delete", model=made, force=True) == (400, 201)


def test_moving_and_tags(api: Api) -> None:
    models = [api.model(tags=["old"]) for _ in range(2)]
    name = api.name("target")
    project = api("models.move", ids=models, project_name=f"{name}/deep")["project_id"]
    assert api("projects.get_by_id", project=project)["project"]["name"] == f"{name}/deep"
    assert api("models.update_tags", ids=models, add_tags=["new"], remove_tags=["old"])["updated"] == 4
    found = api("models.get_all", id=models, only_fields=["tags", "project"])["models"]
    assert found == [{"tags": ["new"], "project": project}] * 2
    assert api.code("models.move", ids=models) == (400, 11)
    assert api.code("models.update_tags", ids=models) == (400, 12)


def test_metadata_entry_by_entry(api: Api) -> None:
    model = api.model()

    def items() -> dict[str, str]:
        stored = api("models.get_by_id", model=model)["model"]["metadata"]
        return {key: item["value"] for key, item in stored.items()}

    def item(key: str, value: str) -> dict[str, str]:
        return {"key": key, "type": "str", "value": value}

    api("models.add_or_update_metadata", model=model, metadata=[item("a.b", "1"), item("c", "2")])
    api("models.add_or_update_metadata", model=model, metadata=[item("c", "3")])
    assert items() == {"a.b": "1", "c": "3"}
    api("models.delete_metadata", model=model, keys=["a.b", "nothing"])
    assert items() == {"c": "3"}
    api("models.add_or_update_metadata", model=model, metadata=[item("z", "0")], replace_metadata=True)
    assert items() == {"z": "0"}


def test_lists_expand_references_and_count_labels(api: Api) -> None:
    project = api.project()
    name = api("projects.get_by_id", project=project)["project"]["name"]
    model = api.model(project=project, labels={"a": 1, "b": 2})
    body = {"id": [model], "only_fields": ["name", "project.name"], "include_stats": True}
    found = api("models.get_all_ex", **body)["models"][0]
    assert found["project"] == {"id": project, "name": name}
    assert found["stats"] == {"labels_count": 2}
    assert api("models.get_by_id_ex", id=[model], only_fields=["name"])["models"][0]["id"] == model


def test_public_ones_can_be_left_out(api: Api) -> None:
    public, own = api.model(name="zebra public"), api.model(name="zebra own")
    api("models.make_public", ids=[public])
    born = api("models.create", name="zebra born", uri="u", public=True)["id"]
    found = api("models.get_all", name="^zebra", allow_public=False, only_fields=["id"])["models"]
    assert found == [{"id": own}]
    api("models.make_private", ids=[public, born])
    assert len(api("models.get_all", name="^zebra", allow_public=False)["models"]) == 3
    assert api.code("models.make_public", ids=[NOBODY]) == (400, 201)


class TestOldClients:
    """Before 2.13 a task had one model, and told the server its address."""

    def call(self, server: RunningServer, version: str, name: str, **body: object) -> object:
        return server.call(f"v{version}/models.{name}", body)

    def test_a_model_is_made_then_changed(self, server: RunningServer, api: Api) -> None:
        task = api.task(name="old trainer")
        made = self.call(server, "2.5", "update_for_task", task=task, uri="s3://1", comment="first")
        assert isinstance(made, dict)
        assert made["created"] is True
        changed = self.call(server, "2.5", "update_for_task", task=task, uri="s3://2", iteration=4)
        assert isinstance(changed, dict)
        assert (changed["id"], changed["created"], changed["updated"]) == (made["id"], False, 1)
        found = self.call(server, "2.5", "get_by_task_id", task=task)
        assert isinstance(found, dict)
        model = found["model"]
        assert (model["uri"], model["comment"], model["name"], model["ready"]) == (
            "s3://2",
            "first",
            "old trainer",
            False,
        )
        assert api.read(task)["last_iteration"] == 4

    def test_another_model_can_be_named(self, server: RunningServer, api: Api) -> None:
        task, model = api.task(), api.model()
        self.call(server, "2.5", "update_for_task", task=task, override_model_id=model)
        assert api.read(task)["models"]["output"][0]["model"] == model

    def test_newer_ones_are_told_what_to_call(self, server: RunningServer, api: Api) -> None:
        for name in ("update_for_task", "get_by_task_id"):
            try:
                self.call(server, "2.23", name, task=api.task(), uri="u")
            except ApiFailure as failure:
                assert (failure.code, failure.subcode) == (301, 1)
            else:
                raise AssertionError(f"{name} was answered")
