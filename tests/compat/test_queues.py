"""Queues and workers by the official client: order, counts, metadata, reports and statistics."""

from __future__ import annotations

import time
from typing import Any

import pytest

from .helpers import Api, make_task, names, running_task, shown, status
from .session import OfficialError


@pytest.fixture
def queue(call: Api, unique: str) -> str:
    """The id of a queue of the test's own, named `unique`."""
    return str(call("queues.create", {"name": unique})["id"])


@pytest.fixture
def queued(call: Api, project: str, queue: str) -> list[str]:
    """Four tasks in the queue, in this order."""
    tasks = [make_task(call, project, f"task {n}") for n in range(4)]
    for task in tasks:
        call("tasks.enqueue", {"task": task, "queue": queue})
    return tasks


def entries(call: Api, queue: str) -> list[str]:
    return [entry["task"] for entry in call("queues.get_by_id", {"queue": queue})["queue"]["entries"]]


def test_create_and_rename(api: Api, call: Api, unique: str) -> None:
    made = api("queues.create", name=unique, tags=["gpu"], system_tags=["s"])
    found = call("queues.get_by_id", {"queue": made["id"]})["queue"]
    assert (found["name"], found["tags"], found["system_tags"], found["entries"]) == (unique, ["gpu"], ["s"], [])
    answer = api("queues.update", queue=made["id"], name=f"{unique} b", tags=[])
    assert answer["updated"] == 1
    found = call("queues.get_by_id", {"queue": made["id"]})["queue"]
    assert (found["name"], found["tags"]) == (f"{unique} b", [])


def test_name_is_unique(api: Api, queue: str, unique: str) -> None:
    with pytest.raises(OfficialError) as refused:
        api("queues.create", name=unique)
    assert (refused.value.code, refused.value.subcode) == (400, 801)


def test_unknown_queue_is_an_error(api: Api) -> None:
    with pytest.raises(OfficialError) as refused:
        api("queues.get_by_id", queue="0" * 32)
    assert (refused.value.code, refused.value.subcode) == (400, 701)


def test_default_queue(api: Api, call: Api) -> None:
    found = api("queues.get_default")
    assert found["name"] == "default"
    assert "default" in call("queues.get_by_id", {"queue": found["id"]})["queue"]["system_tags"]


def test_tasks_move_within_the_queue(api: Api, call: Api, queue: str, queued: list[str]) -> None:
    a, b, c, d = queued
    assert api("queues.move_task_to_front", queue=queue, task=c)["position"] == 0
    assert entries(call, queue) == [c, a, b, d]
    assert api("queues.move_task_to_back", queue=queue, task=a)["position"] == 3
    assert entries(call, queue) == [c, b, d, a]
    assert api("queues.move_task_forward", queue=queue, task=a, count=2)["position"] == 1
    assert entries(call, queue) == [c, a, b, d]
    assert api("queues.move_task_backward", queue=queue, task=c)["position"] == 1
    assert entries(call, queue) == [a, c, b, d]


def test_next_task_is_taken_in_order(api: Api, call: Api, queue: str, queued: list[str]) -> None:
    first = api("queues.get_next_task", queue=queue)
    assert first["entry"]["task"] == queued[0]
    assert status(call, queued[0]) == "queued"
    assert api("queues.get_num_entries", queue=queue) == {"num": 3}
    assert api("queues.peek_task", queue=queue)["task"] == queued[1]
    assert entries(call, queue) == queued[1:]


def test_empty_queue_gives_nothing(api: Api, raw: Api, queue: str) -> None:
    assert raw("queues.get_next_task", {"queue": queue}) == {}
    assert api("queues.get_num_entries", queue=queue) == {"num": 0}


def test_removed_task_returns_to_where_it_was(raw: Api, api: Api, call: Api, queue: str, queued: list[str]) -> None:
    assert raw("queues.remove_task", {"queue": queue, "task": queued[1], "update_task_status": True})["removed"] == 1
    assert entries(call, queue) == [queued[0], *queued[2:]]
    assert status(call, queued[1]) == "created"
    with pytest.raises(OfficialError) as refused:
        api("queues.remove_task", queue=queue, task=queued[1])
    assert (refused.value.code, refused.value.subcode) == (400, 703)


def test_delete_of_a_queue_with_tasks_needs_force(api: Api, call: Api, queue: str, queued: list[str]) -> None:
    with pytest.raises(OfficialError) as refused:
        api("queues.delete", queue=queue)
    assert (refused.value.code, refused.value.subcode) == (400, 702)
    api("queues.delete", queue=queue, force=True)
    assert call("queues.get_all", {"id": [queue]})["queues"] == []
    assert {status(call, task) for task in queued} == {"created"}


def test_metadata_of_a_queue(api: Api, raw: Api, call: Api, queue: str) -> None:
    def items(*pairs: tuple[str, str]) -> list[dict[str, str]]:
        return [{"key": key, "type": "str", "value": value} for key, value in pairs]

    raw("queues.add_or_update_metadata", {"queue": queue, "metadata": items(("a", "1"), ("b", "2"))})
    found = call("queues.get_by_id", {"queue": queue})["queue"]["metadata"]
    assert {key: item["value"] for key, item in found.items()} == {"a": "1", "b": "2"}
    assert names(call("queues.get_all", {"id": [queue], "metadata.a.value": ["1"]})["queues"])
    api("queues.delete_metadata", queue=queue, keys=["a"])
    assert list(call("queues.get_by_id", {"queue": queue})["queue"]["metadata"]) == ["b"]


def test_queue_metrics_measure_lengths(api: Api, call: Api, queue: str, queued: list[str]) -> None:
    now = time.time()
    answer = api(
        "queues.get_queue_metrics", queue_ids=[queue], from_date=now - 60, to_date=now + 60, interval=10, refresh=True
    )
    (found,) = answer["queues"]
    assert found["queue"] == queue
    assert len(found["dates"]) == len(found["avg_waiting_times"]) == len(found["queue_lengths"])
    assert max(found["queue_lengths"]) == 4


def worker_of(api: Api, id: str, **how: Any) -> dict[str, Any] | None:
    return next((worker for worker in api("workers.get_all", **how) if worker["id"] == id), None)


def test_worker_registers_and_leaves(api: Api, queue: str, unique: str) -> None:
    api("workers.register", worker=unique, queues=[queue], timeout=300, tags=["gpu"])
    found = worker_of(api, unique)
    assert found is not None
    assert [item["id"] for item in found["queues"]] == [queue]
    assert found["tags"] == ["gpu"]
    api("workers.unregister", worker=unique)
    assert worker_of(api, unique) is None


def test_second_unregister_is_tolerated(api: Api, unique: str) -> None:
    api("workers.register", worker=unique)
    for _ in range(2):  # the agent sends it twice when it ends
        api("workers.unregister", worker=unique)
    assert worker_of(api, unique) is None


def test_report_names_the_task_of_a_worker(api: Api, call: Api, project: str, queue: str, unique: str) -> None:
    task = running_task(call, project, "the running one")
    api("workers.register", worker=unique, queues=[queue])
    api(
        "workers.status_report",
        worker=unique,
        timestamp=int(time.time() * 1000),
        task=task,
        queue=queue,
        queues=[queue],
    )
    found = worker_of(api, unique)
    assert found is not None
    assert (found["task"]["id"], found["task"]["name"]) == (task, "the running one")
    assert found["queue"]["id"] == queue
    assert shown(call, task)["last_worker"] == unique
    api("workers.status_report", worker=unique, timestamp=int(time.time() * 1000), queues=[queue])
    found = worker_of(api, unique)
    assert found is not None
    assert not found.get("task")
    api("workers.unregister", worker=unique)


def test_report_of_an_unknown_task_is_refused(api: Api, unique: str) -> None:
    with pytest.raises(OfficialError) as refused:
        api("workers.status_report", worker=unique, timestamp=int(time.time() * 1000), task="0" * 32)
    assert (refused.value.code, refused.value.subcode) == (400, 101)


def report_machine(raw: Api, worker: str, *loads: float) -> None:
    """One report of a machine with a processor for each load."""
    stats = {"cpu_usage": list(loads), "memory_used": 1024}
    raw("workers.status_report", {"worker": worker, "timestamp": int(time.time() * 1000), "machine_stats": stats})


def test_machine_statistics_of_a_worker(api: Api, raw: Api, unique: str) -> None:
    report_machine(raw, unique, 1.0, 3.0)
    keys = api("workers.get_metric_keys", worker_ids=[unique])["categories"]
    assert "cpu_usage" in str(keys)
    now = time.time()
    items = [{"key": "cpu_usage", "category": "avg"}, {"key": "memory_used", "category": "max"}]
    body = {"worker_ids": [unique], "from_date": now - 60, "to_date": now + 1, "interval": 3600, "items": items}
    (found,) = raw("workers.get_stats", body)["workers"]
    assert found["worker"] == unique
    by_metric = {item["metric"]: item["stats"][0] for item in found["metrics"]}
    assert by_metric["cpu_usage"]["values"] == [2.0]
    assert by_metric["memory_used"]["values"] == [1024]
    raw("workers.unregister", {"worker": unique})


def test_activity_counts_workers(api: Api, raw: Api, unique: str) -> None:
    report_machine(raw, unique, 1.0)
    now = time.time()
    found = api("workers.get_activity_report", from_date=now - 60, to_date=now + 1, interval=3600)
    assert set(found) >= {"total", "active"}
    assert len(found["total"]["dates"]) == len(found["total"]["counts"]) >= 1
    assert max(found["total"]["counts"]) >= 1
    raw("workers.unregister", {"worker": unique})
