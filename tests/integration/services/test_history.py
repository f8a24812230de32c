"""A task's history: who changed its status, when, over what and why; with the change, and gone with the task."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from tests.conftest import RunningServer
from tests.integration.services.conftest import Api

FIELDS = {"timestamp", "from", "to", "reason", "message", "forced", "operation", "actor", "user", "worker"}


def steps(api: Api, task: str) -> list[tuple[str, str]]:
    return [(entry["from"], entry["to"]) for entry in api.history(task)]


def test_a_draft_has_none(api: Api) -> None:
    assert api.history(api.task()) == []


def test_every_change_is_there_in_its_order(api: Api) -> None:
    task, queue = api.task(), api.queue()
    api("tasks.enqueue", task=task, queue=queue, status_reason="go")
    api("tasks.dequeue", task=task)
    api("tasks.started", task=task, status_message="here I am")
    api("tasks.failed", task=task, status_reason="boom", status_message="out of memory")
    api("tasks.completed", task=task, force=True)
    api("tasks.publish", task=task)
    api("tasks.reset", task=task, force=True)
    found = api.history(task)
    assert steps(api, task) == [
        ("created", "queued"),
        ("queued", "created"),
        ("created", "in_progress"),
        ("in_progress", "failed"),
        ("failed", "completed"),
        ("completed", "published"),
        ("published", "created"),
    ]
    assert all(set(entry) == FIELDS for entry in found)
    assert [entry["forced"] for entry in found] == [False, False, False, False, True, False, False]
    assert [entry["operation"] for entry in found] == [
        f"tasks.{call}" for call in ("enqueue", "dequeue", "started", "failed", "completed", "publish", "reset")
    ]
    assert (found[3]["reason"], found[3]["message"]) == ("boom", "out of memory")
    times = [entry["timestamp"] for entry in found]
    assert times == sorted(times)


def test_a_refused_change_leaves_no_note(api: Api) -> None:
    task = api.task()
    assert api.code("tasks.completed", task=task) == (400, 110)
    assert api.history(task) == []


def test_repeats_without_a_word_leave_no_note(api: Api) -> None:
    task = api.task()
    for _ in range(5):
        api("tasks.started", task=task)
    assert steps(api, task) == [("created", "in_progress")]


def test_archiving_and_clearing_a_queue_are_told_too(api: Api) -> None:
    queue = api.queue()
    waiting, cleared = api.task(), api.task()
    for task in (waiting, cleared):
        api("tasks.enqueue", task=task, queue=queue)
    api("tasks.archive", tasks=[waiting], status_message="bye")
    assert api.history(waiting)[-1]["message"] == "bye"
    assert steps(api, waiting)[-1] == ("queued", "created")
    api("queues.clear_queue", queue=queue)
    assert steps(api, cleared)[-1] == ("queued", "created")
    assert api.history(cleared)[-1]["reason"] == "Queue was cleared"


def test_a_client_names_its_host(server: RunningServer, api: Api) -> None:
    task = api.task()
    server.call("tasks.started", {"task": task}, headers={"X-ClearML-Worker": "host-7"})
    assert api.history(task)[-1]["worker"] == "host-7"


def test_it_goes_with_the_task(api: Api) -> None:
    task = api.task()
    api("tasks.started", task=task)
    api("tasks.delete", task=task, force=True)
    assert api.code("tasks.get_history", task=task) == (400, 101)


def test_it_is_bounded_and_the_newest_stay(api: Api) -> None:
    task = api.task()
    for number in range(210):
        api("tasks.started", task=task, force=True, status_reason=str(number))
    reasons = [entry["reason"] for entry in api.history(task)]
    assert reasons == [str(number) for number in range(10, 210)]


def test_it_survives_the_server(own_server: RunningServer) -> None:
    api = Api(own_server)
    task = api.task()
    api("tasks.started", task=task, status_reason="before")
    own_server.kill()
    own_server.restart()
    assert [entry["reason"] for entry in api.history(task)] == ["before"]


def test_a_run_is_told_from_its_user_by_its_claim(server: RunningServer, api: Api) -> None:
    task, queue = api.task(), api.queue()
    api("tasks.enqueue", task=task, queue=queue)
    worker = api.name("agent").replace(" ", "-")
    api("agents.renew", worker=worker, queues=[queue], claims=[])
    entry = api("agents.wait", worker=worker, queues=[queue], slots=1, timeout_s=5)["entries"][0]
    server.call("tasks.started", {"task": task}, token=entry["token"])
    last = api.history(task)[-1]
    assert (last["actor"], last["worker"], last["to"]) == ("worker", worker, "in_progress")
    assert last["user"] == api.read(task)["user"]
    api("agents.release", worker=worker, task=task, claim=entry["claim"], reason="no room")
    last = api.history(task)[-1]
    assert (last["from"], last["to"], last["reason"], last["actor"]) == ("in_progress", "queued", "no room", "user")


def test_what_the_server_ends_it_signs(new_server: Callable[..., AbstractContextManager[RunningServer]]) -> None:
    quick = {"CLEARML_SERVER_STUCK_AFTER_S": "1", "CLEARML_SERVER_WATCH_PERIOD_S": "1"}
    with new_server(env=quick) as server:
        api = Api(server)
        task = api.task()
        api("tasks.started", task=task)
        deadline = time.monotonic() + 60
        while api.read(task)["status"] == "in_progress" and time.monotonic() < deadline:
            time.sleep(0.1)  # the server acts unasked: there is nothing to await
        last = api.history(task)[-1]
        assert (last["to"], last["actor"], last["operation"]) == ("stopped", "server", "")
        assert "non-responsive" in last["message"]
