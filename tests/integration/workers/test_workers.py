"""`workers.*` over HTTP: who is there, and what they reported."""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest

from tests.conftest import ApiFailure, RunningServer

STATS = {
    "cpu_usage": [25.0], "cpu_temperature": [60.5], "gpu_usage": [90.0, 10.0], "gpu_temperature": [70.0, 40.0],
    "gpu_memory_free": [1000, 15000], "gpu_memory_used": [15000, 1000], "memory_free": 1024.5, "memory_used": 3071.5,
    "disk_free_home": 42.0, "disk_read": 1.5, "disk_write": 0.25, "network_tx": 0.5, "network_rx": 2.0,
}  # fmt: skip


@pytest.fixture
def worker() -> str:
    return f"host-{uuid.uuid4().hex}:gpu0,1"


def report(server: RunningServer, worker: str, **more: Any) -> None:
    server.call("workers.status_report", {"worker": worker, "timestamp": int(time.time() * 1000), **more})


def last_hour(interval: int = 3600) -> dict[str, int]:
    now = int(time.time())
    return {"from_date": now - 3600, "to_date": now + 60, "interval": interval}


def stats(server: RunningServer, worker: str, *items: tuple[str, str], **more: Any) -> list[dict[str, Any]]:
    """The metrics answered for one worker."""
    asked = [{"key": key, "category": category} for key, category in items]
    answer = server.call("workers.get_stats", {**last_hour(), "items": asked, "worker_ids": [worker], **more})
    if not answer["workers"]:
        return []
    (found,) = answer["workers"]
    assert found["worker"] == worker
    metrics: list[dict[str, Any]] = found["metrics"]
    return metrics


def values(metric: dict[str, Any]) -> dict[str, list[float]]:
    assert all(len(stat["values"]) == len(metric["dates"]) for stat in metric["stats"])
    return {stat["aggregation"]: stat["values"] for stat in metric["stats"]}


def test_what_a_machine_reports_is_told_for_each_interval(server: RunningServer, worker: str) -> None:
    report(server, worker, machine_stats=STATS)
    items = [("cpu_usage", "avg"), ("gpu_usage", "avg"), ("gpu_usage", "min"), ("gpu_usage", "max")]
    cpu, gpu = stats(server, worker, *items)
    assert (cpu["metric"], gpu["metric"]) == ("cpu_usage", "gpu_usage")
    assert "variant" not in gpu
    assert all(date % 3600 == 0 for date in gpu["dates"])
    assert values(cpu) == {"avg": [25.0]}
    assert values(gpu) == {"avg": [50.0], "min": [10.0], "max": [90.0]}
    split = stats(server, worker, ("gpu_usage", "max"), split_by_variant=True)
    assert {metric["variant"]: values(metric)["max"] for metric in split} == {"0": [90.0], "1": [10.0]}
    (memory,) = stats(server, worker, ("memory_used", "avg"))
    assert values(memory)["avg"] == [pytest.approx(3071.5, rel=3e-4)]
    assert stats(server, worker, ("no_such_metric", "avg")) == []
    assert stats(server, "nobody", ("cpu_usage", "avg")) == []
    everybody = server.call("workers.get_stats", {**last_hour(), "items": [{"key": "cpu_usage"}]})["workers"]
    assert worker in {found["worker"] for found in everybody}


def test_the_names_of_what_is_reported_are_sorted_by_category(server: RunningServer, worker: str) -> None:
    report(server, worker, machine_stats={"cpu_usage": [1.0], "network_rx": 1.0, "memory_free": 5, "weird": 1})
    assert server.call("workers.get_metric_keys", {"worker_ids": [worker]})["categories"] == [
        {"name": "cpu", "metric_keys": ["cpu_usage"]},
        {"name": "memory", "metric_keys": ["memory_free"]},
        {"name": "network", "metric_keys": ["network_rx"]},
    ]
    everything = server.call("workers.get_metric_keys", {})["categories"]
    assert {"cpu", "memory", "network"} <= {category["name"] for category in everything}
    assert server.call("workers.get_metric_keys", {"worker_ids": ["nobody"]}) == {"categories": []}


def test_the_activity_counts_workers_and_those_at_work(own_server: RunningServer) -> None:
    server = own_server
    assert server.call("workers.get_activity_report", last_hour())["total"] == {"dates": [], "counts": []}
    task = server.call("tasks.create", {"name": "work", "type": "training"})["id"]
    report(server, "busy", task=task, machine_stats=STATS)
    report(server, "idle", machine_stats=None)
    for _ in range(2):
        answer = server.call("workers.get_activity_report", last_hour())
        assert max(answer["total"]["counts"]) == 2
        assert max(answer["active"]["counts"]) == 1
        assert answer["total"]["dates"] == answer["active"]["dates"]
        server.kill()
        server.restart()
    assert values(stats(server, "busy", ("cpu_usage", "avg"))[0]) == {"avg": [25.0]}


def test_a_report_of_a_change_does_not_hide_the_next_measurement(server: RunningServer, worker: str) -> None:
    report(server, worker)
    report(server, worker, machine_stats=STATS)
    report(server, worker, machine_stats={**STATS, "cpu_usage": [99.0]})
    (cpu,) = stats(server, worker, ("cpu_usage", "max"))
    assert values(cpu) == {"max": [25.0]}  # the third came a moment after the second


@pytest.mark.parametrize(
    ("endpoint", "wrong"),
    [
        ("get_stats", {"items": []}),
        ("get_stats", {"items": [{"key": "cpu_usage", "category": "median"}]}),
        ("get_stats", {"interval": 0, "items": [{"key": "cpu_usage"}]}),
        ("get_stats", {"to_date": 0, "items": [{"key": "cpu_usage"}]}),
        ("get_activity_report", {"from_date": None}),
        ("get_activity_report", {"to_date": 0}),
    ],
)
def test_a_request_that_cannot_be_is_refused(server: RunningServer, endpoint: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(ApiFailure) as refused:
        server.call(f"workers.{endpoint}", {**last_hour(), **wrong})
    assert (refused.value.code, refused.value.subcode) == (400, 12)


def test_a_worker_is_registered_listed_and_gone(server: RunningServer, worker: str) -> None:
    queue = server.call("queues.create", {"name": f"queue of {worker}"})["id"]
    body = {"worker": worker, "queues": [queue], "timeout": 300, "tags": ["a"], "system_tags": ["s"]}
    for _ in range(2):
        assert server.call("workers.register", body) == {}
    (found,) = server.call("workers.get_all", {"worker_pattern": worker})["workers"]
    assert found["ip"] == "127.0.0.1"
    assert (found["id"], found["register_timeout"]) == (worker, 300)
    assert (found["tags"], found["system_tags"]) == (["a"], ["s"])
    assert [(q["id"], q["num_tasks"]) for q in found["queues"]] == [(queue, 0)]
    assert {"register_time", "last_activity_time", "user", "company", "key"} <= found.keys()
    for private in ("recorded_ms", "measured_ms", "worker", "machine_stats"):
        assert private not in found
    for tags, count in ((["a"], 1), (["b"], 0), (["__$not", "a"], 0)):
        assert server.call("workers.get_count", {"worker_pattern": worker, "tags": tags}) == {"count": count}
    assert server.call("workers.get_count", {"worker_pattern": worker, "system_tags": ["s"]}) == {"count": 1}
    for _ in range(2):
        assert server.call("workers.unregister", {"worker": worker}) == {}
    assert server.call("workers.get_all", {"worker_pattern": worker, "last_seen": 0}) == {"workers": []}


def test_a_worker_tells_what_it_runs(server: RunningServer, worker: str) -> None:
    queue = server.call("queues.create", {"name": f"queue of {worker}"})["id"]
    project = server.call("projects.create", {"name": f"project of {worker}"})["id"]
    task = server.call("tasks.create", {"name": "work", "type": "training", "project": project})["id"]
    waiting = server.call("tasks.create", {"name": "next", "type": "training"})["id"]
    server.call("tasks.enqueue", {"task": waiting, "queue": queue})
    server.call("tasks.started", {"task": task})
    report(server, worker, task=task, queue=queue, queues=[queue], machine_stats=STATS)
    (found,) = server.call("workers.get_all", {"worker_pattern": worker})["workers"]
    assert (found["task"]["id"], found["task"]["name"]) == (task, "work")
    assert found["task"]["running_time"] >= 0
    assert found["project"] == {"id": project, "name": f"project of {worker}"}
    assert found["queue"]["id"] == queue
    assert found["queues"][0]["next_task"] == {"id": waiting, "name": "next"}
    assert found["queues"][0]["num_tasks"] == 1
    document = server.call("tasks.get_by_id", {"task": task})["task"]
    assert document["last_worker"] == worker
    report(server, worker)
    assert "task" not in server.call("workers.get_all", {"worker_pattern": worker})["workers"][0]
    with pytest.raises(ApiFailure) as unknown:
        report(server, worker, task="f" * 32)
    assert (unknown.value.code, unknown.value.subcode) == (400, 101)
