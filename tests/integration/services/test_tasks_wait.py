"""`tasks.wait` tells of changes of status as they happen; the SDK's watch makes one call for many tasks."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from clearml_sdk.api_settings import ApiSettings
from clearml_sdk.session import Session
from clearml_sdk.status_watch import GONE, StatusWatch, changed
from tests.conftest import ApiFailure, RunningServer

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def session(server: RunningServer) -> Session:
    return Session(ApiSettings(server.api, access_key=server.access_key, secret_key=server.secret_key))


def new_task(server: RunningServer) -> str:
    return str(server.call("tasks.create", {"name": "waited for", "type": "training"})["id"])


def soon(call: Any) -> threading.Thread:
    thread = threading.Timer(0.3, call)
    thread.start()
    return thread


def test_change_is_told_when_it_happens(server: RunningServer) -> None:
    tasks = [new_task(server) for _ in range(3)]
    thread = soon(lambda: server.call("tasks.started", {"task": tasks[1]}))
    found = server.call("tasks.wait", {"known": dict.fromkeys(tasks, "created"), "timeout_s": 25})["tasks"]
    thread.join()
    assert [(task["id"], task["status"]) for task in found] == [(tasks[1], "in_progress")]


def test_what_is_not_as_known_is_told_at_once(server: RunningServer) -> None:
    task = new_task(server)
    found = server.call("tasks.wait", {"known": {task: "queued", "0" * 32: "created"}})["tasks"]
    assert {one["id"]: one["status"] for one in found} == {task: "created", "0" * 32: None}
    assert server.call("tasks.wait", {"known": {task: "created"}, "timeout_s": 0}) == {"tasks": []}
    with pytest.raises(ApiFailure, match="timeout_s"):
        server.call("tasks.wait", {"known": {task: "created"}, "timeout_s": 26})


def test_a_report_is_no_news(server: RunningServer) -> None:
    task = new_task(server)
    server.call("tasks.started", {"task": task})
    event = {"type": "training_stats_scalar", "task": task, "iter": 1, "metric": "m", "variant": "v", "value": 1.0}
    thread = soon(lambda: server.call("events.add", event))
    assert server.call("tasks.wait", {"known": {task: "in_progress"}, "timeout_s": 1}) == {"tasks": []}
    thread.join()


@pytest.mark.parametrize("lacks_wait", [False, True], ids=["long call", "a server without it"])
def test_watch_tells_of_tasks_that_were_added_while_it_waits(
    server: RunningServer, session: Session, lacks_wait: bool
) -> None:
    session.lacks_wait = lacks_wait
    watch = StatusWatch(session)
    try:
        first, second, third = (new_task(server) for _ in range(3))
        watch.add(first, "created")
        assert watch.wait(0.3) == {}
        watch.add(second, "created")
        watch.add(third, "created")
        server.call("tasks.started", {"task": second})
        assert watch.wait(20)[second]["status"] == "in_progress"
        server.call("tasks.completed", {"task": second})
        server.call("tasks.delete", {"task": first, "force": True})
        told: dict[str, Any] = {}
        deadline = time.monotonic() + 30
        while set(told) != {first, second} and time.monotonic() < deadline:
            told |= watch.wait(5)
        assert {task: one["status"] for task, one in told.items()} == {first: GONE, second: "completed"}
        watch.wake()
        assert watch.wait(20) == {}
    finally:
        watch.close()


def test_server_without_the_call_is_asked_again_and_again(server: RunningServer, session: Session) -> None:
    class Older(Session):
        """As a server that does not know `tasks.wait`."""

        def call(self, endpoint: str, *arguments: Any, **options: Any) -> dict[str, Any]:
            return super().call("tasks.wait_unknown" if endpoint == "tasks.wait" else endpoint, *arguments, **options)

    older = Older(session.settings)
    task = new_task(server)
    thread = soon(lambda: server.call("tasks.started", {"task": task}))
    assert changed(older, {task: "created"}, 20)[task]["status"] == "in_progress"
    assert older.lacks_wait
    thread.join()
