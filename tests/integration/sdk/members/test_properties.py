"""What a task is called, where it belongs and what it runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clearml_sdk import Task
from tests.conftest import ApiFailure, RunningServer

Make = Callable[..., Task]
Read = Callable[[Task], dict[str, Any]]


@pytest.mark.rows("S2-093", "S2-119", "S2-105")
def test_names(task: Task, read: Read) -> None:
    task.name = "by attribute"
    assert read(task)["name"] == task.name == "by attribute"
    task.set_name("by call")
    assert read(task)["name"] == task.name == "by call"
    assert task.rename("renamed") is True and read(task)["name"] == "renamed"


@pytest.mark.rows("S2-007", "S2-112")
def test_comments(task: Task, read: Read) -> None:
    task.set_comment("first")
    assert read(task)["comment"] == task.comment == "first"
    task.comment = "second"
    assert read(task)["comment"] == "second"


@pytest.mark.rows("S2-069", "S2-132", "S2-002")
def test_tags(task: Task, read: Read) -> None:
    task.set_tags(["a", "b"])
    task.set_tags(["c"])
    assert read(task)["tags"] == ["c"]
    task.add_tags("d")
    task.add_tags(["d", "e"])
    assert task.get_tags() == ["c", "d", "e"] == read(task)["tags"]


@pytest.mark.rows("S2-029", "S2-109")
def test_archiving(task: Task, read: Read) -> None:
    assert task.get_archived() is False
    task.set_archived(True)
    assert task.get_archived() is True and "archived" in read(task)["system_tags"]
    task.set_archived(False)
    assert task.get_archived() is False and "archived" not in read(task)["system_tags"]


@pytest.mark.rows("S2-133", "S2-142", "S2-I03")
def test_types(task: Task, read: Read) -> None:
    assert len(Task.TaskTypes) == 11
    for kind in Task.TaskTypes:
        for given in (kind, kind.value):
            task.set_task_type(given)
            assert read(task)["type"] == task.task_type == kind.value and kind == kind.value
    with pytest.raises(ValueError, match="nonsense"):
        task.set_task_type("nonsense")


@pytest.mark.rows("S2-092", "S2-127", "S1-054")
def test_moving_between_projects(task: Task, project: str, read: Read) -> None:
    identifier = task.id
    assert task.move_to_project(new_project_name=f"{project}/one") is True
    assert task.get_project_name() == f"{project}/one"
    task.set_project(project_name=f"{project}/two")
    assert task.get_project_name() == f"{project}/two"
    first = Task.get_project_id(f"{project}/one")
    task.set_project(project_id=first)
    assert read(task)["project"] == first and task.rename("another") and task.id == identifier
    with pytest.raises(ValueError, match="name the project"):
        task.move_to_project()


@pytest.mark.rows("S2-056", "S2-057", "S2-097")
def test_the_project_of_a_task(task: Task, project: str, read: Read) -> None:
    assert task.get_project_name() == project and task.project == read(task)["project"]
    found = task.get_project_object()
    assert (found.id, found.name) == (task.project, project)


@pytest.mark.rows("S2-058", "S1-014", "S1-048")
def test_projects_nest_and_are_listed(make: Make, project: str, server: RunningServer) -> None:
    make()
    deep = Task.create(f"{project}/b/c", "deep")
    listed = [found.name for found in Task.get_projects(search_hidden=True)]
    assert listed.index(f"{project}/b/c") < listed.index(project), "the last changed first"
    named = Task.get_projects(name=f"^{project}$".replace("[", "\\[").replace("]", "\\]"))
    assert [found.name for found in named] == [project]
    parents = server.call("projects.get_by_id", {"project": deep.project})["project"]["parent"]
    parent = server.call("projects.get_by_id", {"project": parents})["project"]
    assert parent["name"] == f"{project}/b" and parent["parent"] == Task.get_project_id(project)


@pytest.mark.rows("S2-096", "S2-125")
def test_parents(task: Task, make: Make, read: Read) -> None:
    parent = make("the parent")
    task.set_parent(parent)
    assert task.parent == read(task)["parent"] == parent.id
    other = make("another")
    task.set_parent(other.id)
    assert read(task)["parent"] == other.id
    task.set_parent(None)
    assert not read(task).get("parent")
    assert Task.clone(parent).parent == parent.id


@pytest.mark.rows("S2-054", "S2-126")
def test_progress(task: Task, read: Read) -> None:
    assert task.get_progress() is None
    task.set_progress(40)
    assert task.get_progress() == 40 and read(task)["runtime"]["progress"] == "40"
    with pytest.raises(ValueError, match="0 to 100"):
        task.set_progress(101)
    assert task.get_progress() == 40


@pytest.mark.rows("S2-030", "S2-111", "S1-024")
def test_containers(task: Task, read: Read) -> None:
    task.set_base_docker("python:3.12 --ipc=host -e A=1")
    assert read(task)["container"]["image"] == "python:3.12"
    assert read(task)["container"]["arguments"] == "--ipc=host -e A=1"
    assert task.get_base_docker() == "python:3.12 --ipc=host -e A=1"
    task.set_base_docker(docker_image="i", docker_arguments=["-x", "-y"], docker_setup_bash_script=["one", "two"])
    assert read(task)["container"] == {"image": "i", "arguments": "-x -y", "setup_shell_script": "one\ntwo"}
    with pytest.raises(ValueError, match="not both"):
        task.set_base_docker("a", docker_image="b")


@pytest.mark.rows("S2-066", "S2-131")
def test_scripts(task: Task, read: Read) -> None:
    task.set_script("https://example.org/r.git", "main", "abc", "the diff", "src", "train.py")
    script = read(task)["script"]
    assert (script["repository"], script["branch"], script["version_num"]) == (
        "https://example.org/r.git",
        "main",
        "abc",
    )
    assert (script["diff"], script["working_dir"], script["entry_point"]) == ("the diff", "src", "train.py")
    shown = task.get_script()
    assert {key: shown[key] for key in ("working_dir", "entry_point", "branch", "repository")} == {
        "working_dir": "src",
        "entry_point": "train.py",
        "branch": "main",
        "repository": "https://example.org/r.git",
    }
    task.set_script(diff="")
    assert not read(task)["script"].get("diff") and read(task)["script"]["branch"] == "main"


@pytest.mark.rows("S2-121", "S2-065", "S1-022")
def test_packages(task: Task, read: Read, tmp_path: Path) -> None:
    task.set_packages(["numpy==2.0", "tqdm>=2"])
    assert read(task)["script"]["requirements"]["pip"] == "numpy==2.0\ntqdm>=2" == task.get_requirements()["pip"]
    (tmp_path / "requirements.txt").write_text("torch\n")
    task.set_packages(str(tmp_path / "requirements.txt"))
    assert task.get_requirements()["pip"] == "torch\n"
    task.set_packages("")
    assert read(task)["script"]["requirements"]["pip"] == ""


@pytest.mark.rows("S2-134", "S2-073", "S2-019")
def test_user_properties(task: Task, read: Read) -> None:
    assert task.set_user_properties(colour="red", size=3)
    assert task.set_user_properties({"shape": {"value": "round", "description": "of it", "type": "str"}})
    assert task.set_user_properties([{"name": "age", "value": 7}])
    stored = read(task)["hyperparams"]["properties"]
    assert {name: entry["value"] for name, entry in stored.items()} == {
        "colour": "red",
        "size": "3",
        "shape": "round",
        "age": "7",
    }
    assert task.get_user_properties()["shape"]["description"] == "of it"
    assert "type" not in stored["size"], "a property has the type that it was given, if any"
    assert task.get_user_properties(value_only=True)["age"] == "7"
    assert task.delete_user_properties([{"section": "properties", "name": "age"}, ("properties", "size")])
    assert set(read(task)["hyperparams"]["properties"]) == {"colour", "shape"}


@pytest.mark.rows("S1-026")
def test_user_properties_of_a_finished_task_are_found(running: Task, project: str) -> None:
    running.mark_completed()
    assert running.set_user_properties(verdict="good")
    query = {"hyperparams.properties.verdict.value": ["good"]}
    assert Task.query_tasks(project_name=project, task_filter=query) == [running.id]


@pytest.mark.rows("S2-050", "S2-071")
def test_pages(task: Task, server: RunningServer) -> None:
    page = f"{server.web}/projects/{task.project}/tasks/{task.id}/output/log"
    assert task.get_output_log_web_page() == page
    other = Task.get_task_output_log_web_page("abc", "p", app_server_host="https://app.example.org/")
    assert other == "https://app.example.org/projects/p/tasks/abc/output/log"


@pytest.mark.rows("S2-004", "S2-141")
def test_a_task_has_a_folder_of_its_own(
    task: Task, make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert task.task_id == task.id
    assert task.cache_dir.is_dir() and task.cache_dir != make("another").cache_dir
    assert task.id in str(task.cache_dir)


@pytest.mark.rows("S2-103", "S2-139", "S2-067")
def test_what_changes_elsewhere_is_read(task: Task, server: RunningServer) -> None:
    assert task.name == "a task" and task.status == "created"
    server.call("tasks.edit", {"task": task.id, "name": "from elsewhere", "force": True})
    server.call("tasks.started", {"task": task.id})
    assert task.status == task.get_status() == "in_progress" and task.name == "a task"
    task.reload()
    assert task.name == "from elsewhere"


@pytest.mark.rows("S2-129")
def test_a_repository_is_attached(task: Task, read: Read, tmp_path: Path) -> None:
    task.set_repo("https://example.org/r.git", branch="main", commit="abc")
    script = read(task)["script"]
    assert (script["repository"], script["branch"], script["version_num"]) == (
        "https://example.org/r.git",
        "main",
        "abc",
    )
    task.set_repo(branch="", commit="")
    assert not read(task)["script"].get("branch") and not read(task)["script"].get("version_num")


@pytest.mark.rows("S1-078", "S1-089", "S1-090")
def test_a_published_task_is_read_only(running: Task, server: RunningServer) -> None:
    with pytest.raises(ApiFailure):
        server.call("tasks.edit", {"task": running.id, "type": "testing"})
    running.mark_completed()
    running.publish()
    for endpoint in ("tasks.reset", "tasks.edit_hyper_params"):
        with pytest.raises(ApiFailure):
            server.call(endpoint, {"task": running.id, "hyperparams": []})
    assert Task.clone(running).status == "created" and running.status == "published"


def found_by_type(make: Make, project: str, kind: str) -> bool:
    made = make(task_type=kind)
    make("another", task_type="custom" if kind != "custom" else "qc")
    return made.task_type == kind and Task.query_tasks(project_name=project, task_filter={"type": [kind]}) == [made.id]


@pytest.mark.rows("S1-092", "S1-093", "S1-094")
@pytest.mark.parametrize("kind", ["training", "testing", "inference"])
def test_types_of_experiments_are_stored_and_found(make: Make, project: str, kind: str) -> None:
    assert found_by_type(make, project, kind)


@pytest.mark.rows("S1-095", "S1-096", "S1-097")
@pytest.mark.parametrize("kind", ["controller", "optimizer", "monitor"])
def test_types_of_workflows_are_stored_and_found(make: Make, project: str, kind: str) -> None:
    assert found_by_type(make, project, kind)


@pytest.mark.rows("S1-098", "S1-099", "S1-100")
@pytest.mark.parametrize("kind", ["service", "application", "data_processing"])
def test_types_of_services_are_stored_and_found(make: Make, project: str, kind: str) -> None:
    assert found_by_type(make, project, kind)


@pytest.mark.rows("S1-101", "S1-102")
@pytest.mark.parametrize("kind", ["qc", "custom"])
def test_other_types_are_stored_and_found(make: Make, project: str, kind: str) -> None:
    assert found_by_type(make, project, kind)
