"""`queues.get_queue_metrics` over HTTP."""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest

from tests.conftest import ApiFailure, RunningServer


def new_queue(server: RunningServer) -> str:
    return str(server.call("queues.create", {"name": f"metrics {uuid.uuid4().hex}"})["id"])


def enqueue(server: RunningServer, queue: str) -> str:
    task = str(server.call("tasks.create", {"name": "a task", "type": "training"})["id"])
    server.call("tasks.enqueue", {"task": task, "queue": queue})
    return task


def metrics(server: RunningServer, *queues: str, **more: Any) -> list[dict[str, Any]]:
    now = int(time.time())
    body = {"from_date": now - 3600, "to_date": now + 60, "interval": 3600, "queue_ids": list(queues), **more}
    found: list[dict[str, Any]] = server.call("queues.get_queue_metrics", body)["queues"]
    return found


def test_lengths_and_waits_are_told_for_each_queue(server: RunningServer) -> None:
    busy, idle = new_queue(server), new_queue(server)
    before = time.time()
    for _ in range(3):
        enqueue(server, busy)
    for _ in range(3):
        server.call("queues.get_next_task", {"queue": busy})
    took = time.time() - before
    of_busy, of_idle = metrics(server, busy, idle)
    assert of_idle == {"queue": idle, "dates": [], "avg_waiting_times": [], "queue_lengths": []}
    assert of_busy["queue"] == busy
    assert all(date % 3600 == 0 for date in of_busy["dates"])
    assert max(of_busy["queue_lengths"]) == 3
    assert 0 < max(of_busy["avg_waiting_times"]) <= took


def test_what_waits_now_is_seen_on_refresh(server: RunningServer) -> None:
    queue = new_queue(server)
    task = enqueue(server, queue)
    since = time.time()
    fresh: dict[str, Any] = {"avg_waiting_times": [0]}
    while not max(fresh["avg_waiting_times"]):  # waits for the clock: a wait is what is measured
        assert time.time() - since < 60
        (fresh,) = metrics(server, queue, refresh=True)
    assert max(fresh["avg_waiting_times"]) <= time.time() - since + 1
    assert max(fresh["queue_lengths"]) == 1
    server.call("queues.remove_task", {"queue": queue, "task": task})
    assert max(metrics(server, queue)[0]["queue_lengths"]) == 1


def test_without_queues_the_mean_of_all_is_told(server: RunningServer) -> None:
    enqueue(server, new_queue(server))
    (total,) = metrics(server, refresh=True)
    assert total["queue"] == "total"
    assert len(total["dates"]) == len(total["avg_waiting_times"]) == len(total["queue_lengths"]) >= 1
    assert all(isinstance(length, int) for length in total["queue_lengths"])


@pytest.mark.parametrize("wrong", [{"interval": 0}, {"to_date": 1}, {"from_date": None}])
def test_a_time_that_cannot_be_is_refused(server: RunningServer, wrong: dict[str, Any]) -> None:
    with pytest.raises(ApiFailure) as refused:
        metrics(server, **wrong)
    assert (refused.value.code, refused.value.subcode) == (400, 12)


def test_an_unknown_queue_is_named(server: RunningServer) -> None:
    with pytest.raises(ApiFailure) as refused:
        metrics(server, "f" * 32)
    assert (refused.value.code, refused.value.subcode) == (400, 701)


def test_what_is_known_survives_the_server(own_server: RunningServer) -> None:
    queue = new_queue(own_server)
    enqueue(own_server, queue)
    before = metrics(own_server, queue)
    own_server.kill()
    own_server.restart()
    assert metrics(own_server, queue)[0]["queue_lengths"] == before[0]["queue_lengths"] == [1]
