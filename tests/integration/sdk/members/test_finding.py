"""Finding tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from clearml_sdk import Task

Make = Callable[..., Task]


@pytest.mark.rows("S1-012", "S1-056", "S1-057")
def test_by_id_and_by_name_it_is_the_same_task(task: Task, project: str) -> None:
    assert Task.get_task(task_id=task.id) == Task.get_task(project_name=project, task_name="a task") == task


@pytest.mark.rows("S1-055", "S2-031")
def test_of_two_of_one_name_the_last_changed_is_found(make: Make, project: str) -> None:
    first, second = make(f"twin of {project}"), make(f"twin of {project}")
    first.set_comment("changed last")
    assert Task.get_task(project_name=project, task_name=f"twin of {project}").id == first.id
    second.set_comment("now this one")
    assert Task.get_by_name(f"twin of {project}").id == second.id


@pytest.mark.rows("S1-061", "S1-062", "S1-063")
def test_filters(make: Make, project: str) -> None:
    archived, completed, testing = make("archived"), make("completed"), make("testing", task_type="testing")
    archived.set_archived(True)
    completed.mark_started()
    completed.mark_completed()

    def found(**task_filter: Any) -> set[str]:
        return {task.id for task in Task.get_tasks(project_name=project, task_filter=task_filter)}

    assert found(system_tags=["-archived"]) == {completed.id, testing.id}
    assert found(status=["completed", "published"]) == {completed.id}
    assert found(type=["training"]) == {archived.id, completed.id}


@pytest.mark.rows("S1-064")
def test_a_text_is_searched_in_names_and_comments(make: Make, project: str) -> None:
    by_name, by_comment, neither = make("needle here"), make("other"), make("third")
    by_comment.set_comment("a needle, too")
    neither.set_comment("hay")
    found = Task.query_tasks(project_name=project, task_filter={"search_text": "need.e"})
    assert set(found) == {by_name.id, by_comment.id}


@pytest.mark.rows("S1-059", "S2-072")
def test_lists_of_tasks(make: Make, project: str) -> None:
    one, two = make("list one"), make("list two")
    two.set_tags(["red"])
    assert [task.id for task in Task.get_tasks(task_ids=[two.id, one.id])] == [two.id, one.id]
    assert {task.id for task in Task.get_tasks(project_name=[project])} == {one.id, two.id}
    assert [task.id for task in Task.get_tasks(project_name=project, task_name="^list o")] == [one.id]
    assert [task.id for task in Task.get_tasks(project_name=project, tags=["red"])] == [two.id]
    ordered = Task.get_tasks(project_name=project, task_filter={"order_by": ["-name"]})
    assert [task.name for task in ordered] == ["list two", "list one"]
    archived = Task.clone(one)
    archived.set_archived(True)
    assert len(Task.get_tasks(project_name=project, allow_archived=False)) == 2


@pytest.mark.rows("S2-027")
def test_the_raw_list(task: Task) -> None:
    answer = Task.get_all(id=[task.id], only_fields=["id", "name", "status"])
    assert [(found.id, found.name, found.status) for found in answer.tasks] == [(task.id, "a task", "created")]


@pytest.mark.rows("S1-013", "S1-015")
def test_a_project_has_tasks_models_and_a_description(running: Task, server: Any) -> None:
    from clearml_sdk import Model, OutputModel

    OutputModel(running, name="in the project").update_weights(register_uri="https://example.org/x.pt")
    project = running.get_project_name()
    assert [model.name for model in Model.query_models(project_name=project)] == ["in the project"]
    assert Task.query_tasks(project_name=project) == [running.id]
    server.call("projects.update", {"project": running.project, "description": "# Overview"})
    assert running.get_project_object().description == "# Overview"
