"""What our agents ask of the server about a task that they took: to give it back, whose it is, a token for it."""

from __future__ import annotations

import base64
import json
import time
from typing import Any
from uuid import uuid4

import pytest

from tests.conftest import ApiFailure, RunningServer


class World:
    """A queue and a worker of the test's own."""

    def __init__(self, server: RunningServer) -> None:
        self.server, self.call = server, server.call
        self.worker = f"host:{uuid4().hex[:8]}"
        self.queue = str(server.call("queues.create", {"name": f"q {uuid4().hex}"})["id"])

    def enqueue(self, **properties: str) -> str:
        task = str(self.call("tasks.create", {"name": "a task", "type": "training"})["id"])
        if properties:
            items = [{"section": "properties", "name": name, "value": value} for name, value in properties.items()]
            self.call("tasks.edit_hyper_params", {"task": task, "hyperparams": items})
        self.call("tasks.enqueue", {"task": task, "queue": self.queue})
        return task

    def wait(self, **changes: Any) -> list[dict[str, Any]]:
        body = {"worker": self.worker, "queues": [self.queue], "slots": 1, "timeout_s": 0.3, **changes}
        return list(self.call("agents.wait", body)["entries"])

    def take(self, **changes: Any) -> dict[str, Any]:
        """Take the next task and start it."""
        (entry,) = self.wait(**{"timeout_s": 10, **changes})
        self.call("tasks.started", {"task": entry["task"], "force": True}, token=entry["token"])
        return entry

    def release(self, entry: dict[str, Any], **changes: Any) -> int:
        body = {"worker": self.worker, "task": entry["task"], "claim": entry["claim"], "reason": "gone", **changes}
        return int(self.call("agents.release", body)["released"])

    def get(self, task: str) -> dict[str, Any]:
        return dict(self.call("tasks.get_by_id", {"task": task})["task"])


@pytest.fixture
def world(server: RunningServer) -> World:
    return World(server)


def test_a_started_task_that_is_given_back_is_the_next_and_its_old_run_is_fenced(world: World) -> None:
    task, other = world.enqueue(), world.enqueue()
    entry = world.take()
    assert entry["task"] == task
    assert world.release(entry) == 1
    found = world.get(task)
    assert (found["status"], found["status_reason"]) == ("queued", "gone")
    with pytest.raises(ApiFailure, match="claim"):
        world.call("tasks.edit", {"task": task, "force": True, "comment": "late"}, token=entry["token"])
    assert world.release(entry) == 0
    assert [world.take()["task"], world.take()["task"]] == [task, other]


def test_a_task_that_somebody_wants_stopped_is_not_given_back(world: World) -> None:
    world.enqueue()
    entry = world.take()
    world.call("tasks.stop", {"task": entry["task"]})
    assert world.release(entry) == 0
    assert world.get(entry["task"])["status"] == "in_progress"


def test_a_lost_run_is_repeated_as_often_as_the_task_asks(world: World) -> None:
    task = world.enqueue(retries="2")
    for number in (1, 2):
        assert world.release(world.take(), is_lost=True) == 1
        found = world.get(task)
        assert found["status"] == "queued"
        assert found["status_message"] == f"Queued again ({number} of 2): gone"
    assert world.release(world.take(), is_lost=True) == 0
    assert world.get(task)["status"] == "in_progress"


def test_a_lost_run_of_a_task_that_asks_for_nothing_is_not_repeated(world: World) -> None:
    world.enqueue()
    assert world.release(world.take(), is_lost=True) == 0


def test_tags_of_a_queue_go_before_the_timetable(world: World) -> None:
    task = world.enqueue()
    assert world.wait(is_off_duty=True) == []
    world.call("queues.update", {"queue": world.queue, "tags": ["force_workers:off"]})
    assert world.wait() == []
    world.call("queues.update", {"queue": world.queue, "tags": ["force_workers:on"]})
    (entry,) = world.wait(is_off_duty=True)
    assert entry["task"] == task


def claims(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))


def test_a_task_runs_as_its_owner_where_the_agent_may_act_for_others(world: World, server: RunningServer) -> None:
    user = uuid4().hex
    server.call("users.create", {"id": user, "name": f"owner {user[:6]}", "role": "user"})
    task = server.call("tasks.create", {"name": "a task", "type": "training"}, headers={"X-Clearml-Act-As": user})["id"]
    world.call("tasks.enqueue", {"task": task, "queue": world.queue})
    entry = world.take(use_owner_token=True)
    assert claims(entry["token"])["identity"]["user"] == user
    assert server.call("users.get_current_user", token=entry["token"])["user"]["id"] == user
    server.call("tasks.edit", {"task": task, "force": True, "comment": "mine"}, token=entry["token"])
    again = server.call(
        "agents.token", {"worker": world.worker, "task": task, "claim": entry["claim"], "use_owner_token": True}
    )
    assert claims(again["token"])["identity"]["user"] == user
    assert world.release(entry) == 1
    with pytest.raises(ApiFailure, match="claim"):
        server.call("tasks.edit", {"task": task, "force": True, "comment": "late"}, token=again["token"])


def test_an_agents_key_may_not_run_tasks_as_their_owners(world: World, server: RunningServer) -> None:
    key = server.call("auth.create_credentials", {"role": "agent"})["credentials"]
    limited = RunningServer(server.data_dir, server.runtime_dir, server.process, {**server.facts, **key}).login()
    body = {"worker": world.worker, "queues": [world.queue], "use_owner_token": True, "timeout_s": 0}
    with pytest.raises(ApiFailure, match="administrator"):
        server.call("agents.wait", body, token=limited)


def test_a_claim_whose_token_has_expired_gets_another(world: World, server: RunningServer) -> None:
    task = world.enqueue()
    entry = world.take()
    short = server.call("auth.login", {"expiration_sec": 1}, token=entry["token"])["token"]
    assert claims(short)["claim"] == claims(entry["token"])["claim"]
    time.sleep(2.1)  # until it has expired
    with pytest.raises(ApiFailure, match="401"):
        server.call("tasks.ping", {"task": task}, token=short)
    body = {"worker": world.worker, "task": task, "claim": entry["claim"]}
    fresh = server.call("agents.token", body)["token"]
    server.call("tasks.ping", {"task": task}, token=fresh)
    assert claims(fresh)["claim"] == claims(entry["token"])["claim"]
