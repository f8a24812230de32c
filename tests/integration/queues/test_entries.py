"""What waits in a queue over HTTP: order, counts, who serves it; and metadata."""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import ApiFailure, RunningServer

MOVE = st.tuples(st.sampled_from(["forward", "backward", "to_front", "to_back"]), st.integers(0, 3), st.integers(1, 5))


def new_queue(server: RunningServer, **more: Any) -> str:
    return str(server.call("queues.create", {"name": f"entries {uuid.uuid4().hex}", **more})["id"])


def fill(server: RunningServer, queue: str, count: int) -> list[str]:
    tasks = [str(server.call("tasks.create", {"name": f"task {i}", "type": "training"})["id"]) for i in range(count)]
    for task in tasks:
        server.call("tasks.enqueue", {"task": task, "queue": queue})
    return tasks


def order(server: RunningServer, queue: str) -> list[str]:
    return [entry["task"] for entry in server.call("queues.get_by_id", {"queue": queue})["queue"]["entries"]]


@settings(max_examples=8, deadline=None)
@given(st.lists(MOVE, max_size=6))
def test_moves_keep_to_a_plain_list(server: RunningServer, moves: list[tuple[str, int, int]]) -> None:
    queue = new_queue(server)
    tasks = fill(server, queue, 4)
    model = list(tasks)
    for how, which, count in moves:
        task = tasks[which]
        at = model.index(task)
        place = {"forward": max(0, at - count), "backward": min(3, at + count), "to_front": 0, "to_back": 3}[how]
        model.insert(place, model.pop(at))
        body = {"queue": queue, "task": task} | ({"count": count} if how in ("forward", "backward") else {})
        assert server.call(f"queues.move_task_{how}", body) == {"position": place}
        assert order(server, queue) == model
    assert server.call("queues.peek_task", {"queue": queue}) == {"task": model[0]}
    assert server.call("queues.get_num_entries", {"queue": queue}) == {"num": 4}
    for task in model:
        assert server.call("queues.get_next_task", {"queue": queue})["entry"]["task"] == task
    assert server.call("queues.peek_task", {"queue": queue}) == {"task": None}


def test_only_some_entries_are_listed_when_asked(server: RunningServer) -> None:
    queue = new_queue(server)
    tasks = fill(server, queue, 3)
    found = server.call("queues.get_by_id", {"queue": queue, "max_task_entries": 2})["queue"]
    assert [entry["task"] for entry in found["entries"]] == tasks[:2]
    for endpoint in ("queues.get_all", "queues.get_all_ex"):
        (found,) = server.call(endpoint, {"id": [queue], "max_task_entries": 1})["queues"]
        assert len(found["entries"]) == 1


def test_the_page_sees_tasks_and_workers_by_name(server: RunningServer) -> None:
    queue, worker = new_queue(server), f"host:{uuid.uuid4().hex}"
    waiting, running = (
        fill(server, queue, 1)[0],
        server.call("tasks.create", {"name": "runs", "type": "training"})["id"],
    )
    report = {"worker": worker, "timestamp": int(time.time() * 1000), "queues": [queue], "task": running}
    server.call("workers.status_report", report)
    (found,) = server.call("queues.get_all_ex", {"id": [queue]})["queues"]
    assert [entry["task"] for entry in found["entries"]] == [{"id": waiting, "name": "task 0"}]
    (shown,) = found["workers"]
    assert (shown["id"], shown["name"], shown["ip"]) == (worker, worker, "127.0.0.1")
    assert shown["task"] == {"id": running, "name": "runs"}
    server.call("workers.unregister", {"worker": worker})
    assert server.call("queues.get_all_ex", {"id": [queue]})["queues"][0]["workers"] == []


def test_a_taken_task_tells_of_its_owner_when_asked(server: RunningServer) -> None:
    queue = new_queue(server)
    (task,) = fill(server, queue, 1)
    answer = server.call("queues.get_next_task", {"queue": queue, "get_task_info": True, "task": "ignored"})
    assert answer["entry"]["task"] == task
    document = server.call("tasks.get_by_id", {"task": task})["task"]
    assert answer["task_info"] == {"company": document["company"], "user": document["user"]}


def test_metadata_is_added_replaced_and_removed(server: RunningServer) -> None:
    queue = new_queue(server)

    def item(key: str, value: str) -> dict[str, str]:
        return {"key": key, "type": "str", "value": value}

    def add(*items: dict[str, str], replace: bool = False) -> dict[str, Any]:
        body = {"queue": queue, "metadata": list(items), "replace_metadata": replace}
        assert server.call("queues.add_or_update_metadata", body) == {"updated": 1}
        found: dict[str, Any] = server.call("queues.get_by_id", {"queue": queue})["queue"]["metadata"]
        return found

    assert add(item("a", "1"), item("b.c", "2")) == {"a": item("a", "1"), "b.c": item("b.c", "2")}
    assert add(item("a", "3"))["a"]["value"] == "3"
    found = server.call("queues.get_all", {"id": [queue], "metadata.a.value": "3", "only_fields": ["name"]})["queues"]
    assert len(found) == 1
    assert add(item("d", "4"), replace=True) == {"d": item("d", "4")}
    assert server.call("queues.delete_metadata", {"queue": queue, "keys": ["d", "none"]}) == {"updated": 1}
    assert server.call("queues.get_by_id", {"queue": queue})["queue"]["metadata"] == {}


@pytest.mark.parametrize(
    ("endpoint", "body", "code"),
    [
        ("get_num_entries", {}, 701),
        ("peek_task", {}, 701),
        ("clear_queue", {}, 701),
        ("delete", {"force": True}, 701),
        ("update", {"name": "another name"}, 701),
        ("add_or_update_metadata", {"metadata": []}, 701),
        ("delete_metadata", {"keys": ["k"]}, 701),
        ("remove_task", {"task": "t"}, 701),
        ("move_task_to_front", {"task": "t"}, 703),
        ("move_task_forward", {"task": "t", "count": 0}, 12),
    ],
)
def test_a_queue_that_is_not_there_is_named(
    server: RunningServer, endpoint: str, body: dict[str, Any], code: int
) -> None:
    with pytest.raises(ApiFailure) as refused:
        server.call(f"queues.{endpoint}", {"queue": "f" * 32, **body})
    assert (refused.value.code, refused.value.subcode) == (400, code)


def test_a_task_waits_in_one_queue_at_a_time(server: RunningServer) -> None:
    first, second = new_queue(server), new_queue(server)
    (task,) = fill(server, first, 1)
    with pytest.raises(ApiFailure) as twice:
        server.call("queues.add_task", {"queue": first, "task": task})
    assert (twice.value.code, twice.value.subcode) == (400, 706)
    assert server.call("queues.add_task", {"queue": second, "task": task}) == {"added": 1}
    assert (order(server, first), order(server, second)) == ([], [task])
    assert server.call("tasks.get_by_id", {"task": task})["task"]["execution"]["queue"] == second
    with pytest.raises(ApiFailure) as gone:
        server.call("queues.remove_task", {"queue": first, "task": task})
    assert (gone.value.code, gone.value.subcode) == (400, 703)
    assert server.call("queues.remove_task", {"queue": second, "task": task, "update_task_status": True}) == {
        "removed": 1
    }
    assert server.call("tasks.get_by_id", {"task": task})["task"]["status"] == "created"


def test_a_cleared_queue_gives_its_tasks_back(server: RunningServer) -> None:
    queue = new_queue(server)
    tasks = fill(server, queue, 3)
    assert server.call("queues.clear_queue", {"queue": queue})["removed_tasks"] == tasks
    found = server.call("tasks.get_all", {"id": tasks, "only_fields": ["status"]})["tasks"]
    assert [task["status"] for task in found] == ["created"] * 3
