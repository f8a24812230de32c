"""`queues.*` and `workers.*` as official agents and the page use them. Over HTTP, on a real server."""

from __future__ import annotations

import os
import signal
import threading
import time
import uuid
from typing import Any

import pytest

from tests.conftest import ApiFailure, RunningServer


def name() -> str:
    return f"queue {uuid.uuid4().hex}"


@pytest.fixture
def queue(server: RunningServer) -> str:
    return str(server.call("queues.create", {"name": name()})["id"])


def new_task(server: RunningServer, queue: str | None = None) -> str:
    task = str(server.call("tasks.create", {"name": "a task", "type": "training"})["id"])
    if queue:
        server.call("tasks.enqueue", {"task": task, "queue": queue})
    return task


def get(server: RunningServer, task: str) -> dict[str, Any]:
    found: dict[str, Any] = server.call("tasks.get_by_id", {"task": task})["task"]
    return found


def test_an_empty_queue_answers_nothing_and_an_unknown_one_an_error(server: RunningServer, queue: str) -> None:
    assert server.call("queues.get_next_task", {"queue": queue}) == {}
    with pytest.raises(ApiFailure) as unknown:
        server.call("queues.get_next_task", {"queue": "f" * 32})
    assert (unknown.value.code, unknown.value.subcode) == (400, 701)


def test_an_official_agents_way_to_start_a_task(server: RunningServer, queue: str) -> None:
    task = new_task(server, queue)
    assert server.call("queues.get_next_task", {"queue": queue})["entry"]["task"] == task
    assert server.call("queues.get_next_task", {"queue": queue}) == {}
    assert get(server, task)["status"] == "queued"
    assert server.call("tasks.dequeue", {"task": task, "new_status": "in_progress"})["updated"] == 1
    assert server.call("tasks.started", {"task": task, "force": True})["updated"] == 1
    assert get(server, task)["status"] == "in_progress"


def test_a_task_stopped_while_it_waited_is_queued_again_when_it_is_taken(server: RunningServer, queue: str) -> None:
    task = new_task(server)
    server.call("tasks.started", {"task": task})
    server.call("tasks.stopped", {"task": task})
    server.call("queues.add_task", {"queue": queue, "task": task})
    assert get(server, task)["status"] == "stopped"
    assert server.call("queues.get_next_task", {"queue": queue})["entry"]["task"] == task
    assert get(server, task)["status"] == "queued"


def test_names_are_unique_also_after_renaming(server: RunningServer) -> None:
    first, second = name(), name()
    id = server.call("queues.create", {"name": first})["id"]
    with pytest.raises(ApiFailure) as taken:
        server.call("queues.create", {"name": first})
    assert (taken.value.code, taken.value.subcode) == (400, 801)
    server.call("queues.update", {"queue": id, "name": second})
    other = server.call("queues.create", {"name": first})["id"]
    assert other != id
    with pytest.raises(ApiFailure):
        server.call("queues.update", {"queue": other, "name": second})
    server.call("queues.delete", {"queue": id})
    server.call("queues.create", {"name": second})


def test_deleting_a_queue_returns_its_tasks_to_what_they_were(server: RunningServer, queue: str) -> None:
    created, stopped = new_task(server, queue), new_task(server)
    server.call("tasks.started", {"task": stopped})
    server.call("tasks.stopped", {"task": stopped})
    server.call("tasks.enqueue", {"task": stopped, "queue": queue})
    with pytest.raises(ApiFailure) as not_empty:
        server.call("queues.delete", {"queue": queue})
    assert (not_empty.value.code, not_empty.value.subcode) == (400, 702)
    assert server.call("queues.delete", {"queue": queue, "force": True}) == {"deleted": 1}
    assert get(server, created)["status"] == "created"
    assert get(server, stopped)["status"] == "stopped"
    assert get(server, stopped)["status_reason"] == f"Queue {queue} was deleted"


def test_a_queues_tags_are_a_list_even_when_there_are_none(server: RunningServer, queue: str) -> None:
    """The official agent dies of a missing one."""
    answer = server.call("queues.get_all", {"id": [queue], "only_fields": ["id", "tags"]})
    assert answer["queues"] == [{"id": queue, "tags": []}]


def test_a_report_registers_an_unknown_worker_and_keeps_its_task_alive(server: RunningServer, queue: str) -> None:
    task, worker = new_task(server, queue), f"host:{uuid.uuid4().hex}"
    server.call(
        "workers.status_report",
        {"worker": worker, "timestamp": 1, "task": task, "queue": queue, "queues": [queue], "tags": None},
    )
    found = get(server, task)
    assert found["last_worker"] == worker
    assert found["last_worker_report"]
    [shown] = server.call("workers.get_all", {"worker_pattern": worker})["workers"]
    assert shown["task"]["id"] == task
    for pattern, count in (("host:*", 1), (f"*{worker[-8:-1]}?", 1), (f"[gh]ost{worker[4:]}", 1), (worker[1:], 0)):
        found = server.call("workers.get_all", {"worker_pattern": pattern})["workers"]
        assert len([one for one in found if one["id"] == worker]) == count, pattern
    with pytest.raises(ApiFailure, match="400/21"):
        server.call("workers.get_all", {"worker_pattern": "[ab]" * 100_000})
    assert shown["queue"]["id"] == queue
    assert shown["queues"][0]["num_tasks"] == 1
    assert shown["queues"][0]["next_task"]["id"] == task
    server.call("workers.status_report", {"worker": worker, "timestamp": 2})
    [shown] = server.call("workers.get_all", {"worker_pattern": worker})["workers"]
    assert "task" not in shown
    for _ in range(2):
        assert server.call("workers.unregister", {"worker": worker}) == {}
    assert server.call("workers.get_all", {"worker_pattern": worker})["workers"] == []


def test_only_a_living_worker_watches_a_queue(server: RunningServer, queue: str) -> None:
    task, worker = new_task(server), f"host:{uuid.uuid4().hex}"

    def is_watched() -> bool:
        server.call("tasks.dequeue", {"task": task})
        answer = server.call("tasks.enqueue", {"task": task, "queue": queue, "verify_watched_queue": True})
        return bool(answer["queue_watched"])

    assert not is_watched()
    server.call("workers.register", {"worker": worker, "queues": [queue]})
    assert is_watched()
    server.call("workers.unregister", {"worker": worker})
    assert not is_watched()


@pytest.mark.parametrize("endpoint", ["workers.get_runtime_properties", "workers.set_runtime_properties"])
def test_runtime_properties_are_unknown(server: RunningServer, endpoint: str) -> None:
    """An empty answer instead of 404 kills the official agent."""
    with pytest.raises(ApiFailure) as unknown:
        server.call(endpoint, {"worker": "w"})
    assert unknown.value.code == 404


@pytest.mark.embedded
def test_every_acknowledged_enqueue_survives_the_stores_death_exactly_once(own_server: RunningServer) -> None:
    """The embedded store is killed while four clients enqueue; their calls wait for it and go on."""
    server = own_server
    queue = server.call("queues.create", {"name": name()})["id"]
    server.call("debug.ping")
    acknowledged: list[str] = []
    failures: list[BaseException] = []
    done = threading.Event()

    def enqueue() -> None:
        try:
            while not done.is_set():
                acknowledged.append(new_task(server, queue))
        except BaseException as error:  # noqa: BLE001 - shown below
            failures.append(error)

    clients = [threading.Thread(target=enqueue) for _ in range(4)]
    for client in clients:
        client.start()
    try:
        for kills in range(1, 5):
            while len(acknowledged) < 25 * kills and not failures:
                time.sleep(0.005)  # another process's progress: there is no event
            if kills < 4:
                os.kill(int((server.data_dir / "store" / "pid").read_text()), signal.SIGKILL)
    finally:
        done.set()
        for client in clients:
            client.join(60)
    assert failures == []
    entries = server.call("queues.get_by_id", {"queue": queue})["queue"]["entries"]
    waiting = [entry["task"] for entry in entries]
    assert sorted(waiting) == sorted(set(waiting))
    assert set(waiting) == set(acknowledged)
