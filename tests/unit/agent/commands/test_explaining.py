"""What `explain` says, from facts alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from clearml_agent.explaining import Facts, explain

NOW = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
QUEUE = {
    "id": "q1",
    "name": "gpu",
    "entries": [
        {"task": "a", "added": "2026-01-02T11:00:00+00:00"},
        {"task": "t", "added": "2026-01-02T11:30:00+00:00"},
    ],
}


def task(status: str, **fields: Any) -> dict[str, Any]:
    return {"id": "t", "name": "train", "status": status, **fields}


def worker(id: str, *, queue: str = "q1", **fields: Any) -> dict[str, Any]:
    return {"id": id, "queues": [{"id": queue}], "last_activity_time": "2026-01-02T11:59:50+00:00", **fields}


def test_waiting_without_any_worker() -> None:
    found = explain(Facts(task("queued"), QUEUE, [worker("w:0", queue="other")]), NOW)
    assert found.what == "it waits in queue gpu, as number 2 of 2, for 30 minutes"
    assert found.why == ["no worker serves queue gpu"]
    assert found.advice == ["start one: clearml-agent daemon --queue gpu"]


def test_waiting_for_busy_and_drained_workers() -> None:
    workers = [worker("w:0", task={"id": "x", "name": "other"}), worker("w:1", drain=True)]
    found = explain(Facts(task("queued"), QUEUE, workers), NOW)
    assert found.why == [
        "w:0: busy with other, last heard of 10 seconds ago",
        "w:1: drained: it takes nothing new, last heard of 10 seconds ago",
    ]
    assert "start another agent" in found.advice[0]


def test_waiting_behind_others_with_a_free_worker() -> None:
    found = explain(Facts(task("queued"), QUEUE, [worker("w:0")]), NOW)
    assert found.why == ["w:0: free, last heard of 10 seconds ago"]
    assert "before this one" in found.advice[0]


def test_running_on_a_worker_that_is_gone() -> None:
    found = explain(Facts(task("in_progress", last_worker="w:0"), None, []), NOW)
    assert found.why == ["worker w:0 is not registered (any more)"]
    assert explain(Facts(task("in_progress", last_worker="w:0"), None, [worker("w:0")]), NOW).advice == []


def test_failure_with_its_reason_the_end_of_its_console_and_what_to_do() -> None:
    console = [*(f"line {n}" for n in range(50)), "ModuleNotFoundError: No module named 'numpy'"]
    facts = task(
        "failed", status_reason="worker execution exit code 1", status_message="Changed by w:0", last_worker="w:0"
    )
    found = explain(Facts(facts, console=console), NOW)
    assert found.what == "it failed"
    assert "reason: worker execution exit code 1" in found.why and "  line 49" in found.why
    assert "  line 20" not in found.why
    assert any("numpy" in line and "installed packages" in line for line in found.advice)
    cloning = explain(Facts(task("failed", status_reason="failed cloning repository")), NOW)
    assert "push the" in cloning.advice[0]
    full = explain(Facts(task("failed"), console=["OSError: [Errno 28] No space left on device"]), NOW)
    assert "cache prune" in full.advice[0]


def test_environment_that_was_not_reused() -> None:
    console = [
        "Not reused: compared with env-1: the packages: also numpy==2",
        "Not reused: compared with env-1: x",
        "ok",
    ]
    found = explain(Facts(task("completed"), console=[*console, *console]), NOW)
    assert found.environment == ["compared with env-1: the packages: also numpy==2", "compared with env-1: x"]
