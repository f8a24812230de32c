"""Calls on many tasks or models at once: what can be done is done, the rest is named with its reason."""

from __future__ import annotations

from typing import Any

import pytest

from .helpers import Api, make_task, running_task, shown, status

UNKNOWN = "0" * 32


def outcome(answer: dict[str, Any]) -> tuple[list[str], dict[str, list[int]]]:
    """(ids that were done, {id: [code, subcode]} of the others)"""
    failed = {item["id"]: item["error"]["codes"] for item in answer["failed"]}
    return sorted(item["id"] for item in answer["succeeded"]), failed


def test_enqueue_many(api: Api, call: Api, project: str, unique: str) -> None:
    drafts = sorted(make_task(call, project, f"draft {n}") for n in range(3))
    running = running_task(call, project)
    queue = call("queues.create", {"name": unique})["id"]
    done, failed = outcome(api("tasks.enqueue_many", ids=[*drafts, running, UNKNOWN], queue=queue))
    assert done == drafts
    assert failed == {running: [400, 110], UNKNOWN: [400, 101]}
    entries = call("queues.get_by_id", {"queue": queue})["queue"]["entries"]
    assert [entry["task"] for entry in entries] == drafts
    assert status(call, running) == "in_progress"


def test_dequeue_many(api: Api, call: Api, project: str, unique: str) -> None:
    task = make_task(call, project)
    queue = call("queues.create", {"name": unique})["id"]
    call("tasks.enqueue", {"task": task, "queue": queue})
    done, _ = outcome(api("tasks.dequeue_many", ids=[task]))
    assert done == [task]
    assert status(call, task) == "created"
    assert call("queues.get_by_id", {"queue": queue})["queue"]["entries"] == []


def test_stop_many(api: Api, call: Api, project: str) -> None:
    running = sorted(running_task(call, project, f"run {n}", system_tags=["development"]) for n in range(2))
    done, failed = outcome(api("tasks.stop_many", ids=[*running, UNKNOWN]))
    assert done == running
    assert failed == {UNKNOWN: [400, 101]}
    assert {status(call, task) for task in running} == {"stopped"}


def test_reset_many(api: Api, call: Api, project: str) -> None:
    stopped, published = running_task(call, project), running_task(call, project)
    call("tasks.stopped", {"task": stopped})
    call("tasks.completed", {"task": published, "publish": True})
    done, failed = outcome(api("tasks.reset_many", ids=[stopped, published]))
    assert done == [stopped]
    assert list(failed) == [published]
    assert (status(call, stopped), status(call, published)) == ("created", "published")


def test_publish_many(api: Api, call: Api, project: str) -> None:
    completed, draft = running_task(call, project), make_task(call, project)
    call("tasks.completed", {"task": completed})
    done, failed = outcome(api("tasks.publish_many", ids=[completed, draft]))
    assert done == [completed]
    assert failed == {draft: [400, 110]}
    assert (status(call, completed), status(call, draft)) == ("published", "created")


def test_archive_and_unarchive_many(api: Api, call: Api, project: str) -> None:
    tasks = sorted(make_task(call, project, f"draft {n}") for n in range(2))
    done, failed = outcome(api("tasks.archive_many", ids=[*tasks, UNKNOWN]))
    assert done == tasks
    assert failed == {UNKNOWN: [400, 101]}
    assert all("archived" in shown(call, task)["system_tags"] for task in tasks)
    done, _ = outcome(api("tasks.unarchive_many", ids=tasks))
    assert done == tasks
    assert not any("archived" in shown(call, task)["system_tags"] for task in tasks)


def test_delete_many(api: Api, call: Api, project: str) -> None:
    draft, completed = make_task(call, project), running_task(call, project)
    call("tasks.completed", {"task": completed})
    done, failed = outcome(api("tasks.delete_many", ids=[draft, completed, UNKNOWN]))
    assert done == [draft]
    assert failed == {completed: [400, 123], UNKNOWN: [400, 101]}
    assert [item["id"] for item in call("tasks.get_all", {"id": [draft, completed]})["tasks"]] == [completed]
    done, _ = outcome(api("tasks.delete_many", ids=[completed], force=True))
    assert done == [completed]
    assert call("tasks.get_all", {"id": [completed]})["tasks"] == []


def make_model(call: Api, name: str, **fields: Any) -> str:
    return str(call("models.create", {"uri": f"file:///{name}", "name": name, "labels": {}, **fields})["id"])


def test_models_archive_publish_and_delete_many(api: Api, call: Api, unique: str) -> None:
    draft, ready = make_model(call, f"{unique} a", ready=False), make_model(call, f"{unique} b", ready=True)
    done, failed = outcome(api("models.publish_many", ids=[draft, UNKNOWN]))
    assert (done, failed) == ([draft], {UNKNOWN: [400, 201]})
    assert call("models.get_by_id", {"model": draft})["model"]["ready"] is True
    done, failed = outcome(api("models.archive_many", ids=[draft, ready, UNKNOWN]))
    assert (done, failed) == (sorted([draft, ready]), {UNKNOWN: [400, 201]})
    assert "archived" in call("models.get_by_id", {"model": ready})["model"]["system_tags"]
    done, _ = outcome(api("models.unarchive_many", ids=[ready]))
    assert done == [ready]
    assert "archived" not in call("models.get_by_id", {"model": ready})["model"]["system_tags"]
    done, failed = outcome(api("models.delete_many", ids=[draft, UNKNOWN]))
    assert (done, failed) == ([draft], {UNKNOWN: [400, 201]})
    assert [item["id"] for item in call("models.get_all", {"id": [draft, ready]})["models"]] == [ready]


@pytest.mark.parametrize("endpoint", ["tasks.archive_many", "tasks.delete_many", "models.delete_many"])
def test_batch_of_unknown_ids_is_no_error_of_the_call(api: Api, endpoint: str) -> None:
    done, failed = outcome(api(endpoint, ids=[UNKNOWN]))
    assert done == []
    assert list(failed) == [UNKNOWN]
