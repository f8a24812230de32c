"""Status changes by the official client: the legal ones, the refused ones, and what force does."""

from __future__ import annotations

from typing import Any

import pytest

from .helpers import Api, make_task, running_task, shown, status
from .session import OfficialError, OfficialSession

TO_CALL = {
    "in_progress": "tasks.started",
    "stopped": "tasks.stopped",
    "failed": "tasks.failed",
    "completed": "tasks.completed",
    "closed": "tasks.close",
    "published": "tasks.publish",
}
ILLEGAL = [
    ("created", "completed"),
    ("created", "failed"),
    ("in_progress", "published"),
    ("in_progress", "closed"),
    ("completed", "failed"),
    ("completed", "stopped"),
    ("failed", "completed"),
    ("published", "in_progress"),
    ("published", "stopped"),
]


def bring_to(call: Api, task: str, wanted: str) -> None:
    if wanted == "created":
        return
    call("tasks.started", {"task": task})
    if wanted == "published":
        call("tasks.completed", {"task": task})
    if wanted != "in_progress":
        call(TO_CALL[wanted], {"task": task, "force": True})


@pytest.mark.parametrize(("start", "target"), ILLEGAL)
def test_illegal_change_is_refused_and_changes_nothing(
    api: Api, call: Api, project: str, start: str, target: str
) -> None:
    task = make_task(call, project)
    bring_to(call, task, start)
    before = shown(call, task)
    with pytest.raises(OfficialError) as refused:
        api(TO_CALL[target], task=task)
    assert (refused.value.code, refused.value.subcode) == (400, 110)
    assert f"current_status={start}" in refused.value.text
    assert f"new_status={target}" in refused.value.text
    assert shown(call, task) == before


def test_force_makes_an_illegal_change(api: Api, call: Api, project: str) -> None:
    task = make_task(call, project)
    answer = api("tasks.completed", task=task, force=True, status_reason="by hand", status_message="done anyway")
    assert answer["updated"] == 1
    assert answer["fields"]["status"] == "completed"
    found = shown(call, task)
    assert (found["status"], found["status_reason"], found["status_message"]) == ("completed", "by hand", "done anyway")


def test_sdk_marks_a_task_through_its_life(official: OfficialSession, call: Api, project: str) -> None:
    task = make_task(call, project)

    def live(id: str) -> list[str]:
        from clearml import Task

        task, seen = Task.get_task(task_id=id), []
        for step in (task.mark_started, task.mark_stopped, task.mark_started, task.mark_completed, task.publish):
            step()
            task.reload()
            seen.append(str(task.status))
        return seen

    assert official.run(live, task) == ["in_progress", "stopped", "in_progress", "completed", "published"]
    found = shown(call, task)
    assert found["status"] == "published"
    assert found["started"] <= found["completed"] <= found["published"]


def test_failed_keeps_its_reason_and_message(official: OfficialSession, call: Api, project: str) -> None:
    task = running_task(call, project)

    def fail(id: str) -> str:
        from clearml import Task

        task = Task.get_task(task_id=id)
        task.mark_failed(status_reason="diverged", status_message="loss is nan")
        return task.get_status()

    assert official.run(fail, task) == "failed"
    found = shown(call, task)
    assert (found["status_reason"], found["status_message"]) == ("diverged", "loss is nan")


def test_stop_of_a_running_task_only_asks(api: Api, call: Api, project: str, unique: str) -> None:
    task = running_task(call, project)
    call("workers.status_report", {"worker": unique, "task": task, "timestamp": 1_790_000_000_000})
    answer = api("tasks.stop", task=task)
    assert answer["updated"] == 1
    found = shown(call, task)
    assert (found["status"], found["status_message"]) == ("in_progress", "stopping")
    call("workers.unregister", {"worker": unique})


def test_stop_of_a_development_task_stops_it(api: Api, call: Api, project: str) -> None:
    task = running_task(call, project, system_tags=["development"])
    api("tasks.stop", task=task)
    found = shown(call, task)
    assert found["status"] == "stopped"
    assert found["status_message"].startswith("Stopped by ")


def test_stop_of_a_queued_task_takes_it_out_of_its_queue(api: Api, call: Api, project: str, unique: str) -> None:
    task = make_task(call, project)
    queue = call("queues.create", {"name": unique})["id"]
    call("tasks.enqueue", {"task": task, "queue": queue})
    api("tasks.stop", task=task)
    assert status(call, task) == "stopped"
    assert call("queues.get_by_id", {"queue": queue})["queue"]["entries"] == []


def test_edit_of_a_started_task_needs_force(api: Api, call: Api, project: str) -> None:
    task = running_task(call, project)
    with pytest.raises(OfficialError) as refused:
        api("tasks.edit", task=task, script={"branch": "main"})
    assert (refused.value.code, refused.value.subcode) == (400, 110)
    api("tasks.edit", task=task, script={"branch": "main"}, force=True)
    assert shown(call, task)["script"]["branch"] == "main"


def test_reset_forgets_the_run_and_keeps_the_input(api: Api, call: Api, project: str) -> None:
    artifacts = [
        {"key": "in", "type": "custom", "mode": "input", "uri": "http://x/in"},
        {"key": "out", "type": "custom", "mode": "output", "uri": "http://x/out"},
    ]
    task = running_task(
        call, project, execution={"artifacts": artifacts}, script={"branch": "main"}, hyperparams=section("lr", "1")
    )
    call("events.add", event(task))
    api("tasks.reset", task=task)
    found = shown(call, task)
    assert found["status"] == "created"
    assert [item["key"] for item in found["execution"]["artifacts"]] == ["in"]
    assert found["hyperparams"]["Args"]["lr"]["value"] == "1"
    assert found["script"]["branch"] == "main"
    assert not found.get("started")
    assert not found["last_metrics"]
    assert call("events.get_task_events", {"task": task})["events"] == []


def test_reset_of_a_published_task_needs_force(api: Api, call: Api, project: str) -> None:
    task = make_task(call, project)
    bring_to(call, task, "published")
    with pytest.raises(OfficialError) as refused:
        api("tasks.reset", task=task)
    assert refused.value.code == 400
    assert status(call, task) == "published"
    api("tasks.reset", task=task, force=True)
    assert status(call, task) == "created"


def test_completed_publishes_when_asked(raw: Api, call: Api, project: str) -> None:
    task = running_task(call, project)
    answer = raw("tasks.completed", {"task": task, "publish": True})
    assert (answer["updated"], answer["published"]) == (1, 1)
    assert status(call, task) == "published"


def test_published_task_takes_no_events(raw: Api, call: Api, project: str) -> None:
    task = make_task(call, project)
    bring_to(call, task, "published")
    with pytest.raises(OfficialError) as refused:
        raw("events.add", event(task))
    assert (refused.value.code, refused.value.subcode) == (400, 131)
    assert call("events.get_task_events", {"task": task})["events"] == []


def test_wait_for_status_sees_the_end(official: OfficialSession, call: Api, project: str) -> None:
    task = running_task(call, project)

    def wait(id: str) -> str:
        import threading

        from clearml import Task

        task = Task.get_task(task_id=id)
        end = threading.Timer(0.5, lambda: Task.get_task(task_id=id).mark_completed())
        end.start()
        task.wait_for_status(status=("completed",), check_interval_sec=0.2)
        end.join()
        return task.get_status()

    assert official.run(wait, task) == "completed"


def test_unknown_task_is_an_error_of_the_api(official: OfficialSession, api: Api) -> None:
    with pytest.raises(OfficialError) as refused:
        api("tasks.get_by_id", task="0" * 32)
    assert (refused.value.code, refused.value.subcode) == (400, 101)

    def get(id: str) -> None:
        from clearml import Task

        Task.get_task(task_id=id)

    with pytest.raises(OfficialError, match="could not be found"):
        official.run(get, "0" * 32)


def section(name: str, value: str) -> dict[str, Any]:
    return {"Args": {name: {"section": "Args", "name": name, "value": value}}}


def event(task: str) -> dict[str, Any]:
    return {"type": "training_stats_scalar", "task": task, "metric": "m", "variant": "v", "iter": 1, "value": 1.0}
