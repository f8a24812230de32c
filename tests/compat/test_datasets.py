"""Datasets by the official SDK, and reports: what they keep in tasks, hidden projects and files."""

from __future__ import annotations

from typing import Any

import pytest

from .helpers import Api, names, shown
from .session import OfficialSession


@pytest.fixture(scope="module")
def dataset(official_session: OfficialSession) -> dict[str, Any]:
    """A finalized dataset of three files, and a child version that adds one and removes one."""

    def create() -> dict[str, Any]:
        import os

        from clearml import Dataset

        os.makedirs("numbers/inner", exist_ok=True)
        for name in ("one.txt", "two.txt", "inner/three.txt"):
            with open(f"numbers/{name}", "w") as out:
                out.write(name * 10)
        first = Dataset.create(dataset_name="numbers", dataset_project="data of tests", dataset_tags=["small"])
        first.add_files("numbers", verbose=False)
        first.upload(show_progress=False, preview=False)
        first.finalize()
        child = Dataset.create(dataset_name="numbers", dataset_project="data of tests", parent_datasets=[first.id])
        with open("four.txt", "w") as out:
            out.write("four")
        child.add_files("four.txt")
        child.remove_files("one.txt")
        child.upload(show_progress=False, preview=False)
        child.finalize()
        return {"first": first.id, "child": child.id}

    return dict(official_session.run(create, timeout_s=150))


@pytest.mark.timeout(200)
def test_dataset_is_a_completed_task_in_a_hidden_project(dataset: dict[str, Any], call: Api) -> None:
    found = shown(call, dataset["first"])
    assert (found["type"], found["status"]) == ("data_processing", "completed")
    assert "dataset" in found["system_tags"]
    assert "state" in {item["key"] for item in found["execution"]["artifacts"]}
    assert found["runtime"]["version"] == "1.0.0"
    project = call("projects.get_by_id", {"project": found["project"]})["project"]
    assert project["name"] == "data of tests/.datasets/numbers"
    assert set(project["system_tags"]) >= {"hidden", "dataset"}
    visible = names(call("projects.get_all", {"name": "data of tests"})["projects"])
    assert visible == ["data of tests"]


@pytest.mark.timeout(200)
def test_dataset_comes_back_by_name_and_version(official: OfficialSession, dataset: dict[str, Any]) -> None:
    def get(version: str | None) -> list[Any]:
        from clearml import Dataset

        found = Dataset.get(dataset_name="numbers", dataset_project="data of tests", dataset_version=version)
        return [found.id, sorted(found.list_files()), found.version]

    assert official.run(get, "1.0.0") == [dataset["first"], ["inner/three.txt", "one.txt", "two.txt"], "1.0.0"]
    latest = official.run(get, None)
    assert latest == [dataset["child"], ["four.txt", "inner/three.txt", "two.txt"], "1.0.1"]


@pytest.mark.timeout(200)
def test_local_copy_holds_the_files_of_both_versions(official: OfficialSession, dataset: dict[str, Any]) -> None:
    def copy(id: str) -> dict[str, str]:
        import os

        from clearml import Dataset

        folder, found = Dataset.get(dataset_id=id).get_local_copy(), {}
        for path, _, files in os.walk(folder):
            for name in files:
                full = os.path.join(path, name)
                with open(full) as file:
                    found[os.path.relpath(full, folder)] = file.read()
        return found

    assert official.run(copy, dataset["child"]) == {
        "four.txt": "four",
        "two.txt": "two.txt" * 10,
        "inner/three.txt": "inner/three.txt" * 10,
    }


@pytest.mark.timeout(200)
def test_datasets_are_listed(official: OfficialSession, dataset: dict[str, Any]) -> None:
    def listed(project: str, tags: list[str] | None) -> list[str]:
        from clearml import Dataset

        return sorted(item["id"] for item in Dataset.list_datasets(dataset_project=project, tags=tags))

    assert official.run(listed, "data of tests", None) == sorted(dataset.values())
    assert official.run(listed, "data of tests", ["small"]) == [dataset["first"]]
    assert official.run(listed, "no such project", None) == []


@pytest.mark.timeout(200)
def test_dataset_is_deleted_with_its_files(official: OfficialSession, call: Api, unique: str) -> None:
    def create(project: str) -> str:
        from clearml import Dataset

        with open("short.txt", "w") as out:
            out.write("short lived")
        made = Dataset.create(dataset_name="short lived", dataset_project=project)
        made.add_files("short.txt")
        made.upload(show_progress=False, preview=False)
        made.finalize()
        return made.id

    made = official.run(create, unique)
    assert shown(call, made)["status"] == "completed"

    def delete(id: str) -> None:
        from clearml import Dataset

        Dataset.delete(dataset_id=id, force=True)

    official.run(delete, made)
    assert call("tasks.get_all", {"id": [made]})["tasks"] == []


def test_report_is_written_and_found(raw: Api, call: Api, unique: str, project: str) -> None:
    made = raw("reports.create", {"name": f"{unique} report", "project": project, "report": "# Title\n", "tags": ["r"]})
    assert set(made) >= {"id", "project_id"}
    fields = ["name", "tags", "status"]
    (found,) = raw("reports.get_all_ex", {"id": [made["id"]], "only_fields": fields})["tasks"]
    assert (found["name"], found["tags"], found["status"]) == (f"{unique} report", ["r"], "created")
    raw("reports.update", {"task": made["id"], "report": "# Changed\n"})
    (kept,) = call("tasks.get_all", {"id": [made["id"]], "only_fields": ["type", "report"]})["tasks"]
    assert (kept["type"], kept["report"]) == ("report", "# Changed\n")
    raw("reports.publish", {"task": made["id"]})
    (found,) = raw("reports.get_all_ex", {"id": [made["id"]], "only_fields": fields})["tasks"]
    assert found["status"] == "published"
