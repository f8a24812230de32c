"""Projects: unique paths, also under concurrency, and moves that take everything along."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from tests.conftest import ApiFailure


@pytest.fixture
def top() -> str:
    """A name of the test's own."""
    return f"top {uuid4().hex[:8]}"


def make(server: Any, name: str) -> str:
    return str(server.call("projects.create", {"name": name})["id"])


def name_of(server: Any, project: str) -> str:
    return str(server.call("projects.get_by_id", {"project": project})["project"]["name"])


def test_of_many_who_make_a_path_at_once_one_does(server: Any, top: str) -> None:
    server.login()

    def one(_: int) -> Any:
        try:
            return make(server, f"{top}/a/b")
        except ApiFailure as failure:
            return (failure.code, failure.subcode)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(one, range(8)))
    assert answers.count((400, 801)) == 7
    found = server.call("projects.get_all", {"name": f"^{top}", "only_fields": ["name"]})["projects"]
    assert sorted(item["name"] for item in found) == [top, f"{top}/a", f"{top}/a/b"]


def test_a_rename_takes_everything_below_along(server: Any, top: str) -> None:
    deep = make(server, f"{top}/a/b/c")
    project = server.call("projects.get_all", {"name": f"^{top}$"})["projects"][0]["id"]
    server.call("projects.update", {"project": project, "name": f"{top} new"})
    assert name_of(server, deep) == f"{top} new/a/b/c"
    make(server, f"{top}/a")  # the old names are free again


def test_a_move_carries_paths_and_parents(server: Any, top: str) -> None:
    moved = make(server, f"{top}/from/me")
    below = make(server, f"{top}/from/me/below")
    server.call("projects.move", {"project": moved, "new_location": f"{top}/to/here"})
    assert name_of(server, below) == f"{top}/to/here/me/below"
    document = server.call("projects.get_by_id", {"project": below})["project"]
    parents = [name_of(server, parent) for parent in document["path"]]
    assert parents == [top, f"{top}/to", f"{top}/to/here", f"{top}/to/here/me"]
    assert document["parent"] == moved
    with pytest.raises(ApiFailure) as caught:
        server.call("projects.move", {"project": moved, "new_location": f"{top}/to/here/me/below"})
    assert caught.value.subcode == 411


def test_a_merge_moves_tasks_and_subprojects(server: Any, top: str) -> None:
    source, target = make(server, f"{top}/source"), make(server, f"{top}/target")
    make(server, f"{top}/source/sub")
    task = server.call("tasks.create", {"name": "moves", "type": "training", "project": source})["id"]
    answer = server.call("projects.merge", {"project": source, "destination_project": target})
    assert answer == {"moved_entities": 1, "moved_projects": 1}
    assert server.call("tasks.get_by_id", {"task": task})["task"]["project"] == target
    assert server.call("projects.get_all", {"name": f"^{top}/target/sub$"})["projects"]
    with pytest.raises(ApiFailure):
        server.call("projects.get_by_id", {"project": source})


def test_a_project_with_work_in_it_is_deleted_only_with_force(server: Any, top: str) -> None:
    project = make(server, f"{top}/full")
    task = server.call("tasks.create", {"name": "inside", "type": "training", "project": project})["id"]
    with pytest.raises(ApiFailure) as caught:
        server.call("projects.delete", {"project": project})
    assert caught.value.subcode == 402
    answer = server.call("projects.delete", {"project": project, "force": True})
    assert answer["disassociated_tasks"] == 1
    assert server.call("tasks.get_by_id", {"task": task})["task"].get("project") is None


def test_nothing_is_put_into_a_project_that_is_gone(server: Any, top: str) -> None:
    project = make(server, f"{top}/gone")
    server.call("projects.delete", {"project": project})
    for endpoint, body in (
        ("tasks.create", {"name": "late", "type": "training", "project": project}),
        ("models.create", {"name": "late", "uri": "u", "project": project}),
    ):
        with pytest.raises(ApiFailure) as caught:
            server.call(endpoint, body)
        assert caught.value.code == 400


def test_statistics_count_what_is_below_too(server: Any, top: str) -> None:
    sub = make(server, f"{top}/sub")
    project = server.call("projects.get_all", {"name": f"^{top}$"})["projects"][0]["id"]
    for holder in (project, sub, sub):
        server.call("tasks.create", {"name": "counted", "type": "training", "project": holder})
    found = server.call("projects.get_all_ex", {"id": [project], "include_stats": True})["projects"][0]
    assert found["stats"]["active"]["status_count"]["created"] == 3
    assert [item["name"] for item in found["sub_projects"]] == [f"{top}/sub"]


def test_a_report_is_hidden_and_lives_its_own_life(server: Any) -> None:
    report = server.call("reports.create", {"name": "a report", "report": "# text"})["id"]
    assert not server.call("tasks.get_all", {"name": "^a report$"})["tasks"]
    found = server.call("reports.get_all_ex", {"id": [report]})["tasks"][0]
    assert found["type"] == "report" and "report" not in found
    server.call("reports.publish", {"task": report})
    with pytest.raises(ApiFailure) as caught:
        server.call("reports.update", {"task": report, "report": "late"})
    assert caught.value.subcode == 110
    assert server.call("reports.delete", {"task": report}) == {"deleted": 1}


def test_a_pipeline_runs_again_with_other_arguments(server: Any, top: str) -> None:
    project = make(server, f"{top}/.pipelines/pipe")
    params = {"Args": {"x": {"section": "Args", "name": "x", "value": "1"}}}
    body = {"name": "controller", "type": "controller", "project": project, "hyperparams": params}
    task = server.call("tasks.create", body)["id"]
    queue = server.call("queues.create", {"name": f"pipes {top}"})["id"]
    run = server.call("pipelines.start_pipeline", {"task": task, "queue": queue, "args": [{"name": "x", "value": 5}]})
    found = server.call("tasks.get_by_id", {"task": run["pipeline"]})["task"]
    assert (found["status"], found["name"]) == ("queued", "pipe")
    assert found["hyperparams"]["Args"]["x"]["value"] == "5"
