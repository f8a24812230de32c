"""What nobody reports about any more is brought to an end, by a real server with short times."""

import time
from datetime import datetime
from typing import Any

import pytest

from tests.conftest import ApiFailure

SHORT = {
    "CLEARML_SERVER_WATCH_PERIOD_S": "1",
    "CLEARML_SERVER_LEASE_S": "2",
    "CLEARML_SERVER_LOST_AFTER_S": "2",
    "CLEARML_SERVER_STUCK_AFTER_S": "4",
}
"""Longer than a busy machine takes for the calls of a test: what is over before it is used proves nothing. The watch
begins anew after six periods without a round, which must not be all the time."""
SHORT_LEASE = {**SHORT, "CLEARML_SERVER_LEASE_S": "0.5", "CLEARML_SERVER_LOST_AFTER_S": "60"}
"""For claims that are to be over before their task starts."""


def _status(server: Any, task: str) -> dict[str, Any]:
    found: dict[str, Any] = server.call("tasks.get_by_id", {"task": task})["task"]
    return found


def _until(server: Any, task: str, status: str, *, limit_s: float = 60.0) -> dict[str, Any]:
    """Poll until the task has the status: the watchdogs tell nobody else."""
    deadline = time.monotonic() + limit_s
    while (found := _status(server, task))["status"] != status:
        assert time.monotonic() < deadline, found
    return found


def _claimed(server: Any, name: str, **properties: str) -> tuple[str, str]:
    queue = server.call("queues.create", {"name": f"queue of {name}"})["id"]
    own = {key: {"section": "properties", "name": key, "value": value} for key, value in properties.items()}
    body = {"name": name, "type": "training", "hyperparams": {"properties": own}}
    task = server.call("tasks.create", body)["id"]
    server.call("tasks.enqueue", {"task": task, "queue": queue})
    body = {"worker": f"worker of {name}", "queues": [queue], "slots": 1, "timeout_s": 5}
    return task, server.call("agents.wait", body)["entries"][0]["token"]


def test_a_task_whose_agent_is_gone_is_stopped_and_says_why(new_server: Any) -> None:
    with new_server(env=SHORT) as server:
        task, token = _claimed(server, "lost")
        server.call("tasks.started", {"task": task}, token=token)
        ended = _until(server, task, "stopped")
        assert ended["status_reason"] == "Forced stop (agent lost)"
        assert "worker of lost" in ended["status_message"]
        with pytest.raises(ApiFailure, match="This claim of the task is over"):
            server.call("tasks.completed", {"task": task}, token=token)


def test_one_that_asks_is_queued_again_and_its_history_counts(new_server: Any) -> None:
    with new_server(env=SHORT) as server:
        task, token = _claimed(server, "asks", retries="1")
        server.call("tasks.started", {"task": task}, token=token)
        again = _until(server, task, "queued")
        queue = again["execution"]["queue"]
        assert again["status_message"].startswith("Queued again (1 of 1): its agent worker of asks is lost")
        assert "started" not in again
        with pytest.raises(ApiFailure, match="This claim of the task is over"):
            server.call("tasks.started", {"task": task}, token=token)
        body = {"worker": "another", "queues": [queue], "slots": 1, "timeout_s": 5}
        [entry] = server.call("agents.wait", body)["entries"]
        server.call("tasks.started", {"task": task}, token=entry["token"])
        ended = _until(server, task, "stopped")
        assert ended["status_message"].endswith("(after 1 retries)")
        steps = [(note["from"], note["to"]) for note in server.call("tasks.get_history", {"task": task})["operations"]]
        assert steps == [
            ("created", "queued"),
            ("queued", "in_progress"),
            ("in_progress", "queued"),
            ("queued", "in_progress"),
            ("in_progress", "stopped"),
        ]
        assert "_lost_agents" not in ended


def test_a_task_continued_by_hand_is_not_judged_by_the_lease_of_its_former_agent(new_server: Any) -> None:
    with new_server(env=SHORT) as server:
        task, token = _claimed(server, "by hand")
        server.call("tasks.started", {"task": task}, token=token)
        server.call("tasks.stopped", {"task": task}, token=token)
        begun = time.monotonic()
        server.call("tasks.started", {"task": task})
        ended = _until(server, task, "stopped")
        assert ended["status_reason"] == "Forced stop (non-responsive)"
        assert time.monotonic() - begun > 3.5  # its own full time, not the agent's


def test_a_task_that_was_popped_and_not_started_is_queued_again(new_server: Any) -> None:
    with new_server(env=SHORT_LEASE) as server:
        task, _ = _claimed(server, "unstarted")
        queue = _status(server, task)["execution"]["queue"]
        deadline = time.monotonic() + 60
        while server.call("queues.get_num_entries", {"queue": queue})["num"] != 1:
            assert time.monotonic() < deadline
        body = {"worker": "another", "queues": [queue], "slots": 1, "timeout_s": 5}
        assert server.call("agents.wait", body)["entries"][0]["task"] == task


def test_a_script_that_went_silent_is_stopped_and_one_that_reports_is_not(new_server: Any) -> None:
    with new_server(env=SHORT) as server:
        silent, alive = (
            server.call("tasks.create", {"name": name, "type": "training"})["id"] for name in ("silent", "alive")
        )
        for task in (silent, alive):
            server.call("tasks.started", {"task": task})
        deadline = time.monotonic() + 60
        while _status(server, silent)["status"] == "in_progress":
            server.call("tasks.ping", {"task": alive})
            assert time.monotonic() < deadline
        ended = _status(server, silent)
        assert (ended["status"], ended["status_reason"]) == ("stopped", "Forced stop (non-responsive)")
        assert _status(server, alive)["status"] == "in_progress"


def test_time_without_a_server_is_nobodys_silence(new_server: Any) -> None:
    with new_server(
        env={**SHORT, "CLEARML_SERVER_WATCH_PERIOD_S": "0.3", "CLEARML_SERVER_STUCK_AFTER_S": "2"}
    ) as server:
        task = server.call("tasks.create", {"name": "survivor", "type": "training"})["id"]
        server.call("tasks.started", {"task": task})
        server.kill()
        time.sleep(2.5)  # longer than its time: the very thing that must not count
        server.restart()
        served_at = (server.data_dir / "ready.json").stat().st_mtime
        ended = _until(server, task, "stopped", limit_s=90)
        # By the server's clock: it watches from shortly before it is ready.
        assert datetime.fromisoformat(ended["status_changed"]).timestamp() - served_at > 0.8


def test_a_run_that_starts_just_after_its_entry_returned_is_the_only_one(new_server: Any) -> None:
    """The claim is the newest as long as nobody has taken the entry again; then it must not wait any more."""
    with new_server(env=SHORT_LEASE) as server:
        task, token = _claimed(server, "late")
        queue = _status(server, task)["execution"]["queue"]
        deadline = time.monotonic() + 60
        while server.call("queues.get_num_entries", {"queue": queue})["num"] != 1:
            assert time.monotonic() < deadline
        server.call("tasks.started", {"task": task}, token=token)
        server.call("tasks.completed", {"task": task}, token=token)
        body = {"worker": "another", "queues": [queue], "slots": 1, "timeout_s": 0.5}
        assert server.call("agents.wait", body)["entries"] == []
