"""Versions: what they hold, what they store, which comes next."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clearml_sdk import Dataset, Task
from clearml_sdk.errors import UsageError
from tests.conftest import RunningServer
from tests.integration.sdk.core.conftest import download

from .conftest import Make, content, write


def task_of(server: RunningServer, dataset: Dataset) -> dict[str, Any]:
    return dict(server.call("tasks.get_by_id", {"task": dataset.id})["task"])


def chunks(task: dict[str, Any]) -> list[str]:
    return sorted(item["key"] for item in task["execution"]["artifacts"] if item["key"].startswith("data"))


def test_a_version_is_a_task_in_a_hidden_project(server: RunningServer, make: Make, folder: Path, project: str) -> None:
    made = make(folder, dataset_tags=["small"], description="numbers, spelled")
    task = task_of(server, made)
    assert (task["type"], task["status"], task["comment"]) == ("data_processing", "completed", "numbers, spelled")
    assert "dataset" in task["system_tags"] and task["tags"] == ["small"]
    runtime = task["runtime"]
    assert (runtime["version"], runtime["ds_file_count"], runtime["ds_change_add"]) == ("1.0.0", 3, 3)
    assert runtime["ds_total_size"] == len("onetwothree")
    assert task["hyperparams"]["properties"]["version"]["value"] == "1.0.0"
    assert {item["key"] for item in task["execution"]["artifacts"]} == {"state", "data"}
    kept = server.call("projects.get_by_id", {"project": task["project"]})["project"]
    assert kept["name"] == f"{project}/.datasets/numbers" and set(kept["system_tags"]) == {"dataset", "hidden"}
    assert (made.project, made.name, made.version) == (project, "numbers", "1.0.0")
    assert "sync_folder" in task["script"]["diff"] and task["script"]["entry_point"] == "register_dataset.py"
    struct = json.loads(task["configuration"]["Dataset Struct"]["value"])
    assert [(one["job_id"], one["version"]) for one in struct.values()] == [(made.id, "1.0.0")]
    assert "one.txt, 3, " in task["configuration"]["Dataset Content"]["value"]
    plots = server.call("events.get_task_plots", {"task": made.id})["plots"]
    assert {plot["metric"] for plot in plots} == {"__Dataset Genealogy", "__Dataset Summary"}


def test_a_child_stores_only_what_it_changes(server: RunningServer, make: Make, folder: Path) -> None:
    first = make(folder)
    write(folder, {"two.txt": "zwei", "four.txt": "four"})
    (folder / "one.txt").unlink()
    child = make(folder, first, finish=False)
    assert (child.list_added_files(), child.list_modified_files(), child.list_removed_files()) == (
        ["four.txt"],
        ["two.txt"],
        ["one.txt"],
    )
    assert [entry.relative_path for entry in child._stored.state.pending] == ["four.txt", "two.txt"]
    child.finalize(auto_upload=True)
    assert child.version == "1.0.1" and child.list_files() == ["four.txt", "inner/three.txt", "two.txt"]
    assert child.list_files(dataset_id=first.id) == ["inner/three.txt"]
    assert child.get_dependency_graph() == {first.id: [], child.id: [first.id]}
    assert (child.get_num_chunks(), child.get_num_chunks(include_parents=False)) == (2, 1)
    assert content(child.get_local_copy()) == {"four.txt": "four", "two.txt": "zwei", "inner/three.txt": "three"}
    assert content(first.get_local_copy()) == {"one.txt": "one", "two.txt": "two", "inner/three.txt": "three"}
    task = task_of(server, child)
    assert [task["runtime"][f"ds_change_{kind}"] for kind in ("add", "modify", "remove")] == [1, 1, 1]
    again = make(folder, child)  # nothing new
    assert chunks(task_of(server, again)) == [] and again.get_num_chunks() == 2
    assert content(again.get_local_copy()) == content(child.get_local_copy())


def test_a_file_that_comes_back_is_not_stored_again(server: RunningServer, make: Make, folder: Path) -> None:
    first = make(folder)
    child = make(None, first, finish=False)
    assert child.remove_files("inner") == 1 and child.list_files() == ["one.txt", "two.txt"]
    assert child.add_files(folder) == 0 and not child.is_dirty()
    assert child.file_entries_dict["inner/three.txt"].parent_dataset_id == first.id
    child.finalize()
    assert chunks(task_of(server, child)) == [] and len(content(child.get_local_copy())) == 3


def test_the_last_of_several_parents_wins(make: Make, tmp_path: Path) -> None:
    left = make(write(tmp_path / "left", {"same.txt": "left", "left.txt": "l"}), name="left side")
    right = make(write(tmp_path / "right", {"same.txt": "right", "right.txt": "r"}), name="right side")
    both = make(None, left, right)
    assert (both.name, both.version) == ("numbers", "1.0.0")
    assert content(both.get_local_copy()) == {"same.txt": "right", "left.txt": "l", "right.txt": "r"}
    assert set(both.get_dependency_graph()[both.id]) == {left.id, right.id}


def test_versions_count_on(make: Make, folder: Path, project: str) -> None:
    assert make(folder).version == "1.0.0"
    assert make(folder).version == "1.0.1"
    assert make(folder, dataset_version="2.5").version == "2.5"
    newest = make(folder)
    assert newest.version == "2.6"
    found = Dataset.get(dataset_project=project, dataset_name="numbers")
    assert found.id == newest.id
    assert Dataset.get(dataset_project=project, dataset_name="numbers", dataset_version="1.0.1").version == "1.0.1"
    found.version = "7.0.0"
    assert Dataset.get(dataset_project=project, dataset_name="numbers").version == "7.0.0"
    with pytest.raises(ValueError, match="Could not find"):
        Dataset.get(dataset_project=project, dataset_name="numbers", dataset_version="9")


def test_what_is_not_finished_is_never_used_as_finished(make: Make, folder: Path, project: str) -> None:
    open_one = make(folder, finish=False)
    for use in (open_one.get_local_copy, open_one.publish, open_one.finalize, lambda: make(None, open_one)):
        with pytest.raises(UsageError):
            use()
    assert open_one.finalize(raise_on_error=False) is False and not open_one.is_final()
    assert open_one.get_local_copy(raise_on_error=False) is None
    with pytest.raises(ValueError, match="Could not find"):
        Dataset.get(dataset_project=project, dataset_name="numbers", only_completed=True)
    assert Dataset.list_datasets(dataset_project=project) == []
    open_one.upload()
    assert open_one.finalize() and open_one.is_final() and open_one.publish()
    assert Dataset.get(dataset_project=project, dataset_name="numbers", only_published=True).id == open_one.id
    with pytest.raises(UsageError, match="cannot be changed"):
        open_one.add_files(folder)


def test_another_process_goes_on_where_the_first_stopped(make: Make, folder: Path) -> None:
    made = make(folder, finish=False)
    made.remove_files("two.txt")
    found = Dataset.get(dataset_id=made.id)
    assert found.is_dirty() and found.list_files() == ["inner/three.txt", "one.txt"]
    assert found.finalize(auto_upload=True)
    assert content(found.get_local_copy()) == {"one.txt": "one", "inner/three.txt": "three"}


def test_get_creates_and_copies(make: Make, folder: Path, project: str) -> None:
    made = Dataset.get(dataset_project=project, dataset_name="numbers", auto_create=True)
    assert made.version == "1.0.0" and made.list_files() == []
    made.add_files(folder)
    made.finalize(auto_upload=True)
    writable = Dataset.get(dataset_id=made.id, writable_copy=True)
    assert writable.id != made.id and writable.version == "1.0.1" and writable.list_files() == made.list_files()
    writable.add_tags(["new"])
    assert [one["id"] for one in Dataset.list_datasets(project, only_completed=False, tags=["new"])] == [writable.id]
    listed = Dataset.list_datasets(project, partial_name="umber", only_completed=False)
    assert [(one["name"], one["project"], one["version"]) for one in listed] == [
        ("numbers", project, "1.0.0"),
        ("numbers", project, "1.0.1"),
    ]


def test_squash_stands_on_nothing(server: RunningServer, make: Make, folder: Path) -> None:
    first = make(folder)
    write(folder, {"two.txt": "zwei"})
    (folder / "one.txt").unlink()
    child = make(folder, first)
    squashed = Dataset.squash("squashed", [first, child.id])
    assert squashed.is_final() and squashed.get_dependency_graph() == {squashed.id: []}
    assert content(squashed.get_local_copy()) == {"two.txt": "zwei", "inner/three.txt": "three"}
    Dataset.delete(dataset_id=child.id)
    Dataset.delete(dataset_id=first.id)
    assert Dataset.get(dataset_id=squashed.id).verify_dataset_hash(str(folder)) == []


def test_delete_takes_the_files_and_protects_who_stands_on_them(
    server: RunningServer, make: Make, folder: Path, project: str
) -> None:
    first = make(folder)
    write(folder, {"four.txt": "four"})
    child = make(folder, first)
    uri = next(item["uri"] for item in task_of(server, first)["execution"]["artifacts"] if item["key"] == "data")
    with pytest.raises(UsageError, match=child.id):
        Dataset.delete(dataset_id=first.id)
    with pytest.raises(UsageError, match="2 versions"):
        Dataset.delete(dataset_project=project, dataset_name="numbers", entire_dataset=True)
    assert download(server, uri)
    Dataset.delete(dataset_project=project, dataset_name="numbers", entire_dataset=True, force=True)
    assert Dataset.list_datasets(project, only_completed=False) == []
    with pytest.raises(OSError, match="404"):
        download(server, uri)
    hidden = {"name": f"{project}/.datasets/numbers", "search_hidden": True, "shallow_search": False}
    assert server.call("projects.get_all", hidden)["projects"] == []


def test_a_dataset_moves_with_all_its_versions(make: Make, folder: Path, project: str) -> None:
    first = make(folder)
    child = make(None, first)
    Dataset.rename("figures", project, "numbers")
    assert Dataset.get(dataset_project=project, dataset_name="figures").id == child.id
    Dataset.move_to_project(f"{project}/elsewhere", project, "figures")
    moved = Dataset.get(dataset_project=f"{project}/elsewhere", dataset_name="figures")
    assert (moved.id, moved.project, moved.name) == (child.id, f"{project}/elsewhere", "figures")
    assert {one["id"] for one in Dataset.list_datasets(f"{project}/elsewhere")} == {first.id, child.id}
    with pytest.raises(UsageError, match="there is no dataset"):
        Dataset.rename("again", project, "numbers")
    assert len(content(moved.get_local_copy())) == 3


def test_metadata_comes_back(make: Make, folder: Path) -> None:
    made = make(folder, finish=False)
    made.set_metadata({"lines": 3})
    made.set_metadata("free text", "notes")
    assert (made.get_metadata(), made.get_metadata("notes")) == ({"lines": 3}, "free text")
    assert made.get_metadata("nothing") is None and made.get_metadata("data") is None
    made.set_description("told")
    made.tags = ["a"]
    made.add_tags("b")
    found = Dataset.get(dataset_id=made.id)
    assert found.tags == ["a", "b"] and found._task.comment == "told"


def test_the_task_that_uses_a_dataset_says_so(server: RunningServer, make: Make, folder: Path) -> None:
    made = make(folder)
    user = Task.create("sdk/datasets", "who uses it")
    user.mark_started()
    from clearml_sdk.datasets import consuming

    class Current(Task):
        @classmethod
        def current_task(cls) -> Task:
            return user

    before, consuming.Task = consuming.Task, Current  # type: ignore[misc]  # the task of another process
    try:
        Dataset.get(dataset_id=made.id, alias="training data")
    finally:
        consuming.Task = before  # type: ignore[misc]
    task = server.call("tasks.get_by_id", {"task": user.id})["task"]
    assert task["hyperparams"]["Datasets"]["training data"]["value"] == made.id
    assert task["runtime"]["datasets"] == [made.id]
    assert task["runtime"]["orig_datasets.numbers/1.0.0"] == made.id
