"""Projects by the official client: nested, described, moved, merged, counted and deleted."""

from __future__ import annotations

from typing import Any

import pytest

from .helpers import Api, make_task, names, running_task, scalar, send_events
from .session import OfficialError, OfficialSession


def project_of(call: Api, id: str) -> dict[str, Any]:
    return dict(call("projects.get_by_id", {"project": id})["project"])


def test_nested_create_makes_the_parents(api: Api, call: Api, unique: str) -> None:
    made = api(
        "projects.create",
        name=f"{unique}/two/three",
        description="deep",
        tags=["t"],
        default_output_destination="s3://b",
    )
    found = project_of(call, made["id"])
    assert (found["name"], found["basename"], found["description"]) == (f"{unique}/two/three", "three", "deep")
    assert (found["tags"], found["default_output_destination"]) == (["t"], "s3://b")
    assert project_of(call, found["parent"])["name"] == f"{unique}/two"
    assert names(call("projects.get_all", {"name": f"^{unique}"})["projects"]) == [
        unique, f"{unique}/two", f"{unique}/two/three",
    ]  # fmt: skip


def test_same_name_again_is_refused(api: Api, project: str, unique: str) -> None:
    with pytest.raises(OfficialError) as refused:
        api("projects.create", name=unique)
    assert (refused.value.code, refused.value.subcode) == (400, 801)


def test_unknown_project_is_an_error(api: Api) -> None:
    with pytest.raises(OfficialError) as refused:
        api("projects.get_by_id", project="0" * 32)
    assert (refused.value.code, refused.value.subcode) == (400, 401)


def test_update_changes_and_renames(api: Api, call: Api, unique: str) -> None:
    child = call("projects.create", {"name": f"{unique}/old"})["id"]
    answer = api("projects.update", project=child, name=f"{unique}/new", description="d", tags=["x"], system_tags=["s"])
    assert answer["updated"] == 1
    found = project_of(call, child)
    assert (found["name"], found["basename"]) == (f"{unique}/new", "new")
    assert (found["description"], found["tags"], found["system_tags"]) == ("d", ["x"], ["s"])


def test_rename_carries_the_children_along(api: Api, call: Api, project: str, unique: str) -> None:
    child = call("projects.create", {"name": f"{unique}/child"})["id"]
    api("projects.update", project=project, name=f"{unique}x")
    assert project_of(call, child)["name"] == f"{unique}x/child"


def test_move_under_another_project(api: Api, call: Api, unique: str) -> None:
    moved = call("projects.create", {"name": f"{unique}/a/b"})["id"]
    below = call("projects.create", {"name": f"{unique}/a/b/c"})["id"]
    answer = api("projects.move", project=moved, new_location=f"{unique}/other")
    assert answer["moved"] >= 1
    assert project_of(call, moved)["name"] == f"{unique}/other/b"
    assert project_of(call, below)["name"] == f"{unique}/other/b/c"


def test_merge_moves_the_contents(api: Api, call: Api, unique: str) -> None:
    source = call("projects.create", {"name": f"{unique}/from"})["id"]
    target = call("projects.create", {"name": f"{unique}/into"})["id"]
    task = make_task(call, source, "to be merged")
    answer = api("projects.merge", project=source, destination_project=target)
    assert answer["moved_entities"] == 1
    assert call("tasks.get_by_id", {"task": task})["task"]["project"] == target
    assert call("projects.get_all", {"id": [source]})["projects"] == []


def test_validate_delete_counts_what_would_go(api: Api, call: Api, project: str) -> None:
    make_task(call, project, "a task")
    archived = make_task(call, project, "put away")
    call("tasks.archive", {"tasks": [archived]})
    call("models.create", {"uri": "file:///m", "name": "a model", "project": project, "labels": {}})
    answer = api("projects.validate_delete", project=project)
    assert (answer["tasks"], answer["non_archived_tasks"]) == (2, 1)
    assert (answer["models"], answer["non_archived_models"]) == (1, 1)


def test_delete_refuses_a_project_with_tasks(api: Api, call: Api, project: str) -> None:
    task = make_task(call, project, "a task")
    with pytest.raises(OfficialError) as refused:
        api("projects.delete", project=project)
    assert refused.value.code == 400
    assert project_of(call, project)["id"] == project
    answer = api("projects.delete", project=project, force=True)
    assert answer["deleted"] == 1
    assert call("projects.get_all", {"id": [project]})["projects"] == []
    assert not call("tasks.get_by_id", {"task": task})["task"].get("project")


def test_delete_with_its_contents(api: Api, call: Api, unique: str) -> None:
    parent = call("projects.create", {"name": unique})["id"]
    child = call("projects.create", {"name": f"{unique}/child"})["id"]
    task = running_task(call, child, "deep down")
    send_events(call, [scalar(task, 0, 1.0)])
    answer = api("projects.delete", project=parent, force=True, delete_contents=True)
    assert (answer["deleted"], answer["deleted_tasks"]) == (2, 1)
    assert call("tasks.get_all", {"id": [task]})["tasks"] == []
    assert call("projects.get_all", {"id": [parent, child]})["projects"] == []


def test_statistics_count_by_status(raw: Api, call: Api, project: str) -> None:
    make_task(call, project, "draft")
    running_task(call, project, "running")
    archived = make_task(call, project, "put away")
    call("tasks.archive", {"tasks": [archived]})
    body = {"id": [project], "include_stats": True, "stats_for_state": "active"}
    (found,) = raw("projects.get_all_ex", body)["projects"]
    counts = found["stats"]["active"]["status_count"]
    assert (counts["created"], counts["in_progress"], counts["queued"]) == (1, 1, 0)
    assert found["stats"]["active"]["total_tasks"] == 2


def test_metrics_and_hyperparameters_of_a_project(api: Api, call: Api, project: str) -> None:
    parameters = {"Args": {"lr": {"section": "Args", "name": "lr", "value": "0.5", "type": "float"}}}
    task = running_task(call, project, hyperparams=parameters)
    send_events(call, [scalar(task, 0, 1.0)])
    (metric,) = api("projects.get_unique_metric_variants", project=project)["metrics"]
    assert (metric["metric"], metric["variant"]) == ("loss", "train")
    listed = api("projects.get_hyper_parameters", project=project)
    assert (listed["total"], listed["remaining"]) == (1, 0)
    assert [(item["section"], item["name"]) for item in listed["parameters"]] == [("Args", "lr")]
    values = api("projects.get_hyperparam_values", projects=[project], section="Args", name="lr")
    assert (values["total"], values["values"]) == (1, ["0.5"])


def test_tags_and_parents_in_a_project(api: Api, call: Api, project: str) -> None:
    parent = make_task(call, project, "the parent", tags=["one"])
    make_task(call, project, "the child", parent=parent, tags=["two"])
    assert sorted(api("projects.get_task_tags", projects=[project])["tags"]) == ["one", "two"]
    (found,) = api("projects.get_task_parents", projects=[project])["parents"]
    assert (found["id"], found["name"]) == (parent, "the parent")
    call("models.create", {"uri": "file:///m", "name": "tagged", "project": project, "labels": {}, "tags": ["m"]})
    assert api("projects.get_model_tags", projects=[project])["tags"] == ["m"]


def test_metadata_keys_of_the_models_of_a_project(api: Api, call: Api, project: str) -> None:
    metadata = [{"key": "acc", "type": "float", "value": "0.5"}]
    body = {"uri": "file:///m", "name": "a model", "project": project, "labels": {}, "metadata": metadata}
    call("models.create", body)
    assert api("projects.get_model_metadata_keys", project=project)["keys"] == ["acc"]
    assert api("projects.get_model_metadata_values", projects=[project], key="acc")["values"] == ["0.5"]


def test_sdk_creates_the_project_of_a_task(official: OfficialSession, call: Api, unique: str) -> None:
    def create(name: str) -> list[str]:
        from clearml import Task

        task = Task.create(project_name=name, task_name="first of its project")
        return [task.get_project_name(), task.project]

    name, id = official.run(create, f"{unique}/by/the sdk")
    assert name == f"{unique}/by/the sdk"
    assert project_of(call, id)["name"] == name
