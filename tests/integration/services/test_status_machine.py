"""The status machine over the API: every call, from every status, with and without `force`, against the one table."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from control_plane.services.status import Status, is_legal
from tests.integration.services.conftest import Api

PLAIN = {
    "tasks.started": Status.IN_PROGRESS,
    "tasks.stopped": Status.STOPPED,
    "tasks.stop": Status.STOPPED,
    "tasks.failed": Status.FAILED,
    "tasks.close": Status.CLOSED,
    "tasks.completed": Status.COMPLETED,
    "tasks.publish": Status.PUBLISHED,
}
"""Call -> the status it leads to. Nobody runs these tasks, so a stop takes effect at once."""


@pytest.mark.parametrize("current", list(Status))
@pytest.mark.parametrize("call", list(PLAIN))
def test_a_step_is_made_exactly_where_the_table_has_it(
    api: Api, at_status: Callable[[str], str], call: str, current: Status
) -> None:
    for force in (False, True):
        task = at_status(current)
        target = PLAIN[call]
        allowed = is_legal(current, target, force=force)
        if call == "tasks.publish" and current == Status.PUBLISHED:
            allowed = force  # what is published is not published again
        before = api.read(task)
        told = {"status_reason": "because", "status_message": "said"}
        found = api.code(call, task=task, force=force, **told)
        after = api.read(task)
        if not allowed:
            assert found == (400, 110)
            assert after == before
            continue
        assert found == (200, 0)
        assert after["status"] == target
        assert after["status_reason"] == "because"
        assert after["status_message"] == ("Stopped by admin" if call == "tasks.stop" else "said")
        assert after["status_changed"] > before.get("status_changed", "")
        assert after["last_change"] == after["last_update"] == after["status_changed"]
        assert after["last_changed_by"] == after["user"]
        last = api.history(task)[-1]
        assert (last["from"], last["to"], last["reason"]) == (current, target, "because")
        assert last["message"] == after["status_message"]
        assert last["forced"] == (not is_legal(current, target))
        assert (last["actor"], last["user"], last["operation"]) == ("user", after["user"], call)
        assert last["timestamp"] == after["status_changed"]


@pytest.mark.parametrize("current", list(Status))
def test_a_reset_is_refused_to_what_is_published_only(
    api: Api, at_status: Callable[[str], str], current: Status
) -> None:
    for force in (False, True):
        task = at_status(current)
        found = api.code("tasks.reset", task=task, force=force)
        if current == Status.PUBLISHED and not force:
            assert found == (400, 110)
            assert api.read(task)["status"] == current
        else:
            assert found == (200, 0)
            assert api.read(task)["status"] == Status.CREATED
            last = api.history(task)[-1]
            assert (last["from"], last["to"], last["message"]) == (current, "created", "reset")


@pytest.mark.parametrize("current", list(Status))
def test_a_task_is_queued_from_where_the_table_allows(
    api: Api, at_status: Callable[[str], str], current: Status
) -> None:
    task, queue = at_status(current), api.queue()
    found = api.code("tasks.enqueue", task=task, queue=queue)
    waits = {entry["task"] for entry in api("queues.get_by_id", queue=queue)["queue"]["entries"]}
    if is_legal(current, Status.QUEUED):
        assert (found, waits) == ((200, 0), {task})
        assert api.read(task)["status"] == Status.QUEUED
    else:
        assert (found, waits) == ((400, 110), set())
        assert api.read(task)["status"] == current


@pytest.mark.parametrize("current", list(Status))
def test_only_what_waits_or_runs_is_taken_out_of_a_queue(
    api: Api, at_status: Callable[[str], str], current: Status
) -> None:
    task = at_status(current)
    answer = api("tasks.dequeue", task=task)
    assert answer["dequeued"] == 1
    assert answer["updated"] == int(current in (Status.QUEUED, Status.IN_PROGRESS))


def test_a_word_that_is_no_status_is_refused(api: Api) -> None:
    task, queue = api.task(), api.queue()
    api("tasks.enqueue", task=task, queue=queue)
    assert api.code("tasks.dequeue", task=task, new_status="nonsense") == (400, 12)
    assert api.read(task)["status"] == "queued"


def test_times_of_a_run(api: Api) -> None:
    task = api.task()
    started = api("tasks.started", task=task)["fields"]["started"]
    again = api("tasks.started", task=task)["fields"]
    assert again["started"] == started
    ended = api("tasks.completed", task=task)["fields"]
    assert ended["completed"] >= started
    published = api("tasks.publish", task=task)["fields"]["published"]
    found = api.read(task)
    assert (found["started"], found["completed"], found["published"]) == (started, ended["completed"], published)
    assert found["active_duration"] >= 0
    api("tasks.reset", task=task, force=True)
    assert not {"started", "completed", "published", "active_duration", "last_worker"} & set(api.read(task))


def test_a_stop_of_what_a_worker_runs_is_a_message_first(api: Api) -> None:
    task = api.task()
    api("tasks.started", task=task)
    worker = api.name("worker").replace(" ", "-")
    api("workers.register", worker=worker, queues=[])
    api("workers.status_report", worker=worker, task=task, timestamp=1)
    fields = api("tasks.stop", task=task, status_reason="enough")["fields"]
    assert (fields["status"], fields["status_message"]) == ("in_progress", "stopping")
    assert api.read(task)["status"] == "in_progress"
    last = api.history(task)[-1]
    assert (last["from"], last["to"], last["message"], last["reason"]) == (
        "in_progress",
        "in_progress",
        "stopping",
        "enough",
    )
    api("tasks.started", task=task, force=True)
    assert api.read(task)["status_message"] == "stopping"  # "I have started" must not hide the stop from its agent
    api("tasks.stopped", task=task)
    assert api.read(task)["status"] == "stopped"
