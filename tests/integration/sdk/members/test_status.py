"""The states of a task, and what brings it from one to the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from clearml_sdk import OutputModel, Task
from clearml_sdk.errors import ApiError
from tests.conftest import RunningServer

Make = Callable[..., Task]
Read = Callable[[Task], dict[str, Any]]


@pytest.mark.rows("S2-138", "S1-082")
def test_starting(task: Task, read: Read) -> None:
    task.mark_started()
    assert read(task)["status"] == "in_progress"
    task.mark_completed()
    task.publish()
    with pytest.raises(ApiError):
        task.mark_started()
    assert task.started() is None, "errors are ignored where the caller asks for that"


@pytest.mark.rows("S2-089", "S2-140", "S2-068")
def test_stopping(running: Task, make: Make, read: Read) -> None:
    running.mark_stopped(status_message="enough")
    assert (read(running)["status"], read(running)["status_message"]) == ("stopped", "enough")
    assert running.get_status_message() == ("stopped", "enough")
    other = make("another")
    other.mark_started()
    other.stopped(status_reason="why", status_message="what")
    found = read(other)
    assert (found["status"], found["status_reason"], found["status_message"]) == ("stopped", "why", "what")


@pytest.mark.rows("S2-087")
def test_failing(running: Task, read: Read) -> None:
    running.mark_failed(status_reason="why", status_message="what")
    found = read(running)
    assert (found["status"], found["status_reason"], found["status_message"]) == ("failed", "why", "what")


@pytest.mark.rows("S2-008", "S2-098")
def test_completing_and_publishing(running: Task, read: Read) -> None:
    running.completed()
    assert read(running)["status"] == "completed"
    running.publish()
    assert read(running)["status"] == "published"


@pytest.mark.rows("S2-149")
def test_waiting_for_a_status(running: Task, make: Make) -> None:
    running.mark_completed()
    running.wait_for_status(check_interval_sec=0.01)
    failed = make("failed")
    failed.mark_started()
    failed.mark_failed()
    with pytest.raises(RuntimeError, match="failed"):
        failed.wait_for_status(check_interval_sec=0.01)
    failed.wait_for_status(status=(Task.TaskStatusEnum.failed,), raise_on_status=None, check_interval_sec=0.01)


@pytest.mark.rows("S1-085", "S1-088", "S2-106")
def test_a_reset_leaves_no_output(running: Task, server: RunningServer, read: Read) -> None:
    running.set_parameters({"Args/a": 1})
    running.get_logger().report_scalar("t", "s", value=1, iteration=1)
    assert running.flush(wait_for_uploads=True)
    OutputModel(running, name="lost").update_weights(register_uri="https://example.org/x.pt")
    running.mark_stopped()
    running.reset()
    found = read(running)
    assert found["status"] == "created" and found["hyperparams"]["Args"]["a"]["value"] == "1"
    assert found["models"]["output"] == [] and found["last_metrics"] == {}
    assert server.call("events.scalar_metrics_iter_histogram", {"task": running.id}) == {}
    running.reset(set_started_on_success=True)
    assert running.status == "in_progress"


@pytest.mark.rows("S2-046", "S1-081")
def test_waiting_tasks_are_counted(make: Make, server: RunningServer, project: str) -> None:
    queue = server.call("queues.create", {"name": f"{project} counted"})["id"]
    first, second = make("first"), make("second")
    for task in (first, second):
        Task.enqueue(task, queue_id=queue)
    assert Task.get_num_enqueued_tasks(queue_name=f"{project} counted") == 2
    Task.dequeue(first)
    assert Task.get_num_enqueued_tasks(queue_id=queue) == 1 and first.status == "created"
    Task.dequeue(second.id)


@pytest.mark.rows("S1-065", "S1-067", "S1-008")
def test_clones_are_drafts_of_their_own(make: Make) -> None:
    source = Task.get_task(task_id=make("source").id)
    copies = [Task.clone(source) for _ in range(3)]
    assert len({copy.id for copy in copies} | {source.id}) == 4
    assert copies[0].name == "Clone Of source" and copies[0].project == source.project
    assert copies[0].status == "created"
    copies[0].set_parameters({"Args/a": 1})
    assert copies[0].get_parameters() == {"Args/a": "1"} and copies[1].get_parameters() == {}


@pytest.mark.rows("S1-076", "S1-086")
def test_a_clone_has_what_describes_its_source_and_no_output(running: Task, server: RunningServer, read: Read) -> None:
    running.set_parameters({"Args/a": 1})
    running.set_script("https://example.org/r.git", "main", "abc", entry_point="t.py")
    running.set_configuration_object("c", "text")
    running.get_logger().report_scalar("t", "s", value=1, iteration=1)
    running.upload_artifact("a", {"x": 1}, wait_on_upload=True)
    running.mark_completed()
    copy, source = read(Task.clone(running)), read(running)
    for field in ("hyperparams", "configuration", "type", "project"):
        assert copy[field] == source[field]
    assert copy["script"]["version_num"] == "abc" and copy["status"] == "created"
    assert copy["execution"].get("artifacts") in (None, []) and copy["last_metrics"] == {}
    assert server.call("events.scalar_metrics_iter_histogram", {"task": copy["id"]}) == {}


@pytest.mark.rows("S1-009", "S1-010", "S1-011")
def test_a_clone_is_changed(make: Make, read: Read) -> None:
    source = make("source")
    source.set_parameters({"Args/a": 1})
    copy = Task.clone(source)
    copy.set_parameters({"Args/a": 2})
    copy.set_repo("https://example.org/r.git", commit="def")
    copy.set_packages(["torch"])
    copy.set_configuration_object("c", "changed")
    found = read(copy)
    assert found["hyperparams"]["Args"]["a"]["value"] == "2" and found["script"]["version_num"] == "def"
    assert found["script"]["requirements"]["pip"] == "torch" and found["configuration"]["c"]["value"] == "changed"
    assert read(source)["hyperparams"]["Args"]["a"]["value"] == "1" and not read(source)["configuration"]


@pytest.mark.rows("S2-G05")
def test_every_new_task_has_an_id_of_its_own(make: Make) -> None:
    assert make("same name").id != make("same name").id
