"""What waiting agents hear at once: drain, undrain, a queue that is gone. And a real agent that lives through it."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.conftest import RunningServer

WAIT_S = 25
"""The longest that an agent may wait."""
LOOK_S = 9.0
"""Shorter than the 10 s after which a waiting call looks again by itself."""
LIMIT_S = 60.0


def waits(server: RunningServer, **more: Any) -> Callable[[], dict[str, Any]]:
    body = {"slots": 1, "known_drain": False, "known_missing": [], "timeout_s": WAIT_S, **more}

    def call() -> dict[str, Any]:
        answer: dict[str, Any] = server.call("agents.wait", body)
        return answer

    return call


def hears(server: RunningServer, wait: Callable[[], dict[str, Any]], act: Callable[[], Any]) -> dict[str, Any]:
    """What a waiting call answers when something happens, which has to be at once."""
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(wait)
        threading.Event().wait(0.3)  # until it waits; a shorter wait only proves less
        begun = time.monotonic()
        act()
        answer = call.result(LIMIT_S)
    assert time.monotonic() - begun < LOOK_S, "nobody woke it"
    return answer


def test_a_waiting_agent_hears_of_drain_and_of_its_end_at_once(server: RunningServer) -> None:
    worker, queue = f"w:{uuid.uuid4().hex}", server.call("queues.create", {"name": uuid.uuid4().hex})["id"]
    server.call("workers.register", {"worker": worker, "queues": [queue]})

    def drain(wanted: bool) -> Callable[[], Any]:
        return lambda: server.call("agents.drain", {"worker": worker, "drain": wanted})

    said = hears(server, waits(server, worker=worker, queues=[queue]), drain(True))
    assert (said["drain"], said["entries"]) == (True, [])
    said = hears(server, waits(server, worker=worker, queues=[queue], slots=0, known_drain=True), drain(False))
    assert said["drain"] is False


def test_a_served_queue_that_is_deleted_is_news_once_and_the_others_are_served(server: RunningServer) -> None:
    worker = f"w:{uuid.uuid4().hex}"
    gone, kept = (server.call("queues.create", {"name": uuid.uuid4().hex})["id"] for _ in range(2))
    wait = waits(server, worker=worker, queues=[gone, kept])
    assert hears(server, wait, lambda: server.call("queues.delete", {"queue": gone}))["missing"] == [gone]
    task = server.call("tasks.create", {"name": "a task", "type": "training"})["id"]
    wait = waits(server, worker=worker, queues=[gone, kept], known_missing=[gone])
    said = hears(server, wait, lambda: server.call("tasks.enqueue", {"task": task, "queue": kept}))
    assert [entry["task"] for entry in said["entries"]] == [task]
    assert said["missing"] == [gone]


def test_many_agents_wait_at_once_and_each_task_goes_to_one(server: RunningServer) -> None:
    """60 agents on one queue; every task is given once, and nobody asks again and again."""
    queue = server.call("queues.create", {"name": uuid.uuid4().hex})["id"]
    tasks = {server.call("tasks.create", {"name": "a task", "type": "training"})["id"] for _ in range(60)}
    with ThreadPoolExecutor(60) as pool:
        calls = [
            pool.submit(waits(server, worker=f"w:{number}:{uuid.uuid4().hex}", queues=[queue])) for number in range(60)
        ]
        threading.Event().wait(1.0)  # until most of them wait
        for task in tasks:
            server.call("tasks.enqueue", {"task": task, "queue": queue})
        given = [entry["task"] for call in calls for entry in call.result(LIMIT_S)["entries"]]
    assert sorted(given) == sorted(tasks)
