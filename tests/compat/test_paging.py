"""Pages and scrolls of the official client until the end: every task once, in order, and then nothing."""

from __future__ import annotations

import pytest

from tests.conftest import RunningServer

from .helpers import Api, make_task
from .session import OfficialError, OfficialSession

MANY = 1_200


@pytest.fixture(scope="module")
def many(server: RunningServer) -> str:
    """The id of a project named "many tasks" with 1,200 tasks."""
    project = str(server.call("projects.create", {"name": "many tasks"})["id"])
    for number in range(MANY):
        make_task(server.call, project, f"task {number:05d}")
    return project


def test_query_tasks_pages_through_all(official: OfficialSession, many: str) -> None:
    def find() -> list[str]:
        from clearml import Task

        return Task.query_tasks(project_name="many tasks", task_filter={"order_by": ["-name"]})

    found = official.run(find)
    assert len(found) == len(set(found)) == MANY


def test_get_tasks_gives_one_full_page(official: OfficialSession, many: str) -> None:
    def find() -> list[str]:
        from clearml import Task

        return [task.name for task in Task.get_tasks(project_name="many tasks")]

    found = official.run(find)  # it stops at 500 by itself, and says that query_tasks gives all
    assert len(found) == len(set(found)) == 500


def test_pages_do_not_overlap_and_end_empty(api: Api, many: str) -> None:
    seen: list[str] = []
    for page in range(4):
        found = api("tasks.get_all", project=[many], order_by=["name"], page=page, page_size=400, only_fields=["name"])
        seen += [item["name"] for item in found]
    assert seen == [f"task {number:05d}" for number in range(MANY)]
    assert found == []


def test_page_without_a_size_holds_500(api: Api, raw: Api, many: str) -> None:
    assert len(raw("tasks.get_all", {"project": [many], "page": 0})["tasks"]) == 500
    assert len(api("tasks.get_all", project=[many], only_fields=["id"])) == 500


def test_scroll_ends_with_an_empty_page(raw: Api, many: str) -> None:
    seen: list[str] = []
    scroll = None
    while True:
        body = {"project": [many], "order_by": ["name"], "size": 500, "scroll_id": scroll, "only_fields": ["name"]}
        answer = raw("tasks.get_all_ex", body)
        if not answer["tasks"]:
            break
        scroll = answer["scroll_id"]
        assert scroll
        seen += [item["name"] for item in answer["tasks"]]
    assert seen == [f"task {number:05d}" for number in range(MANY)]
    again = raw("tasks.get_all_ex", {**body, "scroll_id": scroll, "refresh_scroll": True})["tasks"]
    assert [item["name"] for item in again[:2]] == ["task 00000", "task 00001"]


def test_scroll_of_the_typed_client(api: Api, many: str) -> None:
    found = api("tasks.get_all", project=[many], order_by=["name"], size=3, scroll_id="", only_fields=["name"])
    assert [item["name"] for item in found] == ["task 00000", "task 00001", "task 00002"]


@pytest.mark.parametrize("paging", [{"page": -1}, {"page": 0, "page_size": 0}])
def test_impossible_pages_are_refused(raw: Api, paging: dict[str, int]) -> None:
    with pytest.raises(OfficialError) as refused:
        raw("tasks.get_all", paging)
    assert (refused.value.code, refused.value.subcode) == (400, 12)


def test_project_pages_end_with_an_empty_page(api: Api, call: Api, unique: str) -> None:
    for number in range(5):
        call("projects.create", {"name": f"{unique} {number}"})
    seen: list[str] = []
    for page in range(4):
        found = api("projects.get_all", name=unique, page=page, page_size=2, order_by=["name"])
        seen += [item["name"] for item in found]
    assert seen == [f"{unique} {number}" for number in range(5)]
    assert found == []


@pytest.mark.full
@pytest.mark.timeout(600)
def test_query_tasks_pages_through_5000(official: OfficialSession, call: Api, project: str, unique: str) -> None:
    for number in range(5_000):
        make_task(call, project, f"task {number:05d}")

    def find(name: str) -> list[str]:
        from clearml import Task

        found = Task.query_tasks(project_name=name, additional_return_fields=["name"])
        return sorted(item["name"] for item in found)

    assert official.run(find, unique, timeout_s=300) == [f"task {number:05d}" for number in range(5_000)]
