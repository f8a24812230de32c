"""What the tests of several areas make and look up through our own calls."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from typing import Any

Api = Callable[..., Any]
NOW_MS = 1_790_000_000_000


def make_task(call: Api, project: str, name: str = "a task", **fields: Any) -> str:
    """The id of a new draft."""
    return str(call("tasks.create", {"name": name, "type": "training", "project": project, **fields})["id"])


def running_task(call: Api, project: str, name: str = "a task", **fields: Any) -> str:
    """The id of a task that was started."""
    task = make_task(call, project, name, **fields)
    call("tasks.started", {"task": task})
    return task


def shown(call: Api, task: str) -> dict[str, Any]:
    """The whole task as the server shows it."""
    return dict(call("tasks.get_by_id", {"task": task})["task"])


def status(call: Api, task: str) -> str:
    return str(shown(call, task)["status"])


def names(found: Iterable[dict[str, Any]]) -> list[str]:
    return sorted(item["name"] for item in found)


def send_events(call: Api, events: Iterable[dict[str, Any]]) -> Any:
    return call("events.add_batch", "\n".join(json.dumps(event) for event in events).encode())


def scalar(task: str, iteration: int, value: float, metric: str = "loss", variant: str = "train") -> dict[str, Any]:
    return {
        "type": "training_stats_scalar", "task": task, "metric": metric, "variant": variant, "iter": iteration,
        "value": value, "timestamp": NOW_MS + iteration,
    }  # fmt: skip


def eventually(found: Callable[[], Any], limit_s: float = 60) -> Any:
    """What `found` gives once it gives something: another process sends it from a thread of its own."""
    deadline = time.monotonic() + limit_s
    while not (value := found()):
        assert time.monotonic() < deadline, f"nothing after {limit_s:.0f} s"
        time.sleep(0.05)
    return value
