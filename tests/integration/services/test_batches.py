"""`*_many`: each item succeeds or fails alone, and the answer says which and why."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.services.conftest import Api

NOBODY = "0" * 32


def split(answer: dict[str, Any]) -> tuple[dict[str, dict[str, Any]], dict[str, tuple[int, int]]]:
    """(what succeeded by id, result code and subcode of what failed by id)."""
    assert set(answer) >= {"succeeded", "failed"}
    for item in answer["failed"]:
        assert set(item) == {"id", "error"}
        assert set(item["error"]) == {"codes", "msg", "data"}
        assert item["error"]["msg"]
    failed = {item["id"]: tuple(item["error"]["codes"]) for item in answer["failed"]}
    return {item["id"]: item for item in answer["succeeded"]}, failed  # type: ignore[return-value]


CALLS: list[tuple[str, str, dict[str, Any]]] = [
    ("tasks.stop_many", "created", {}),
    ("tasks.publish_many", "created", {}),
    ("tasks.reset_many", "published", {}),
    ("tasks.delete_many", "completed", {}),
]


@pytest.mark.parametrize(("call", "status", "more"), CALLS)
def test_some_fail_and_the_others_are_done(
    api: Api, at_status: Any, call: str, status: str, more: dict[str, Any]
) -> None:
    good = {"tasks.reset_many": "completed", "tasks.delete_many": "created"}.get(call, "stopped")
    fine, refused = at_status(good), at_status(status)
    done, failed = split(api(call, ids=[fine, refused, NOBODY], **more))
    assert set(done) == {fine}
    assert failed == {refused: (400, 123 if call == "tasks.delete_many" else 110), NOBODY: (400, 101)}


def test_stopping_says_what_changed(api: Api, at_status: Any) -> None:
    running = at_status("in_progress")
    done, _ = split(api("tasks.stop_many", ids=[running], status_reason="enough"))
    assert done[running]["updated"] == 1
    assert done[running]["fields"]["status"] == "stopped"
    assert done[running]["fields"]["status_reason"] == "enough"


def test_enqueueing_keeps_the_order_given(api: Api) -> None:
    queue = api.queue()
    tasks = [api.task() for _ in range(4)]
    done, failed = split(api("tasks.enqueue_many", ids=[*tasks, NOBODY], queue=queue, verify_watched_queue=True))
    assert set(done) == set(tasks)
    assert all(item["queued"] and item["fields"]["execution.queue"] == queue for item in done.values())
    assert failed == {NOBODY: (400, 101)}
    entries = api("queues.get_by_id", queue=queue)["queue"]["entries"]
    assert [entry["task"] for entry in entries] == tasks
    done, failed = split(api("tasks.dequeue_many", ids=[*tasks[:2], NOBODY]))
    assert all(item["dequeued"] for item in done.values())
    assert api("queues.get_num_entries", queue=queue)["num"] == 2


def test_enqueueing_can_check_what_a_task_names(api: Api) -> None:
    project = api.project()
    whole, broken = api.task(), api.task(project=project)
    model = api.model()
    api("tasks.add_or_update_model", task=broken, name="start", type="input", model=model)
    api("models.delete", model=model, force=True)
    queue = api.queue()
    done, failed = split(api("tasks.enqueue_many", ids=[whole, broken], queue=queue, validate_tasks=True))
    assert set(done) == {whole}
    assert failed == {broken: (400, 201)}


def test_archiving_and_bringing_back(api: Api, at_status: Any) -> None:
    queued, running, done_ = at_status("queued"), at_status("in_progress"), at_status("completed")
    done, failed = split(api("tasks.archive_many", ids=[queued, running, done_, NOBODY]))
    assert set(done) == {queued, running, done_}
    assert failed == {NOBODY: (400, 101)}
    found = {task: api.read(task) for task in (queued, running, done_)}
    assert [found[task]["status"] for task in (queued, running, done_)] == ["created", "stopped", "completed"]
    assert all(task["system_tags"] == ["archived"] for task in found.values())
    done, failed = split(api("tasks.unarchive_many", ids=[queued, NOBODY], status_message="back"))
    assert set(done) == {queued}
    assert failed == {NOBODY: (400, 101)}
    assert api.read(queued)["system_tags"] == []
    assert api.read(queued)["status_message"] == "back"


def test_models_in_batches(api: Api) -> None:
    draft, ready = api.model(), api.model(ready=True)
    done, failed = split(api("models.publish_many", ids=[draft, ready, NOBODY]))
    assert set(done) == {draft}
    assert failed == {ready: (400, 203), NOBODY: (400, 201)}
    done, failed = split(api("models.archive_many", ids=[draft, NOBODY]))
    assert (set(done), failed) == ({draft}, {NOBODY: (400, 201)})
    assert api("models.get_by_id", model=draft)["model"]["system_tags"] == ["archived"]
    done, _ = split(api("models.unarchive_many", ids=[draft]))
    assert api("models.get_by_id", model=draft)["model"]["system_tags"] == []
    used = api.task()
    api("tasks.add_or_update_model", task=used, name="in", type="input", model=draft)
    done, failed = split(api("models.delete_many", ids=[draft, ready, NOBODY]))
    assert set(done) == {ready}
    assert done[ready]["deleted"] is True
    assert done[ready]["url"] == "http://files.local/m"
    assert failed == {draft: (400, 205), NOBODY: (400, 201)}
    done, _ = split(api("models.delete_many", ids=[draft], force=True))
    assert set(done) == {draft}
    assert api.read(used)["models"]["input"][0]["model"] == f"__DELETED__{draft}"


def test_deleting_answers_what_is_left_elsewhere(api: Api) -> None:
    task = api.task()
    api("tasks.started", task=task)
    api("tasks.add_or_update_artifacts", task=task, artifacts=[{"key": "a", "type": "custom", "uri": "s3://b/a"}])
    draft = api.model(task=task, uri="s3://b/draft")
    kept = api.model(task=task, uri="s3://b/ready", ready=True)
    figure = '{"layout": {"images": [{"source": "s3://b/plot.png"}, {"source": "data:image/png;base64,AA"}]}}'
    event = {"task": task, "metric": "m", "variant": "v", "iter": 1, "timestamp": 1}
    api.events(
        {**event, "type": "training_debug_image", "url": "s3://b/image.png", "key": "image.png"},
        {**event, "type": "plot", "plot_str": figure},
    )
    child = api.task(parent=task)
    done, _ = split(api("tasks.delete_many", ids=[task], force=True, return_file_urls=True))
    assert done[task]["urls"] == {
        "model_urls": ["s3://b/draft"],
        "artifact_urls": ["s3://b/a"],
        "event_urls": ["s3://b/image.png", "s3://b/plot.png"],
    }
    assert (done[task]["deleted_models"], done[task]["updated_models"], done[task]["updated_children"]) == (1, 1, 1)
    assert api.code("models.get_by_id", model=draft) == (400, 201)
    assert api("models.get_by_id", model=kept)["model"]["task"] == f"__DELETED__{task}"
    assert api.read(child)["parent"] == f"__DELETED__{task}"
    assert api.code("tasks.get_by_id", task=task) == (400, 101)


class TestPipelines:
    """A controller's steps go with it where the call asks for that."""

    def pipeline(self, api: Api) -> tuple[str, list[str]]:
        controller = api.task(type="controller", system_tags=["pipeline"])
        steps = [api.task(parent=controller) for _ in range(3)]
        for task in (controller, steps[0], steps[1]):
            api("tasks.started", task=task)
        api("tasks.completed", task=steps[1])
        return controller, steps

    def test_stop(self, api: Api) -> None:
        controller, steps = self.pipeline(api)
        api("tasks.stop", task=controller, include_pipeline_steps=True)
        assert [api.read(task)["status"] for task in (controller, *steps)] == [
            "stopped",
            "stopped",
            "completed",
            "created",
        ]

    def test_without_asking_the_steps_stay(self, api: Api) -> None:
        controller, steps = self.pipeline(api)
        api("tasks.stop", task=controller)
        assert api.read(steps[0])["status"] == "in_progress"

    def test_archive_and_back(self, api: Api) -> None:
        controller, steps = self.pipeline(api)
        api("tasks.archive_many", ids=[controller], include_pipeline_steps=True)
        assert all("archived" in api.read(task)["system_tags"] for task in (controller, *steps))
        api("tasks.unarchive_many", ids=[controller], include_pipeline_steps=True)
        assert not any("archived" in api.read(task)["system_tags"] for task in (controller, *steps))

    def test_delete(self, api: Api) -> None:
        controller, steps = self.pipeline(api)
        api(
            "tasks.add_or_update_artifacts",
            task=steps[0],
            artifacts=[{"key": "a", "type": "custom", "uri": "s3://b/step"}],
        )
        answer = api("tasks.delete", task=controller, force=True, include_pipeline_steps=True, return_file_urls=True)
        assert answer["urls"]["artifact_urls"] == ["s3://b/step"]
        assert [api.code("tasks.get_by_id", task=task) for task in (controller, *steps)] == [(400, 101)] * 4

    def test_children_of_any_other_task_are_no_steps(self, api: Api) -> None:
        parent = api.task()
        child = api.task(parent=parent)
        api("tasks.delete", task=parent, force=True, include_pipeline_steps=True)
        assert api.read(child)["parent"] == f"__DELETED__{parent}"
