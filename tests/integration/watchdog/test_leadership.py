"""Several servers over one Redis: one of them watches, and when it is killed another does within seconds."""

from __future__ import annotations

import re
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.conftest import RunningServer, running_server

from .redis_server import own_redis

LIMIT_S = 30.0
SHORT = {
    "CLEARML_SERVER_WATCH_PERIOD_S": "1",
    "CLEARML_SERVER_LEASE_S": "1",
    "CLEARML_SERVER_LOST_AFTER_S": "2",
}
TAKE_OVER_S = 20.0
"""Hold of the dead leader's lead, a tick, and what a loaded machine takes."""


@pytest.fixture
def three() -> Iterator[list[RunningServer]]:
    with own_redis() as redis_url, ExitStack() as stack:
        yield [stack.enter_context(running_server("--redis", redis_url, env=SHORT)) for _ in range(3)]


def until(condition: Any, limit_s: float = LIMIT_S) -> Any:
    """Poll another process's state: there is no event to wait for."""
    deadline = time.monotonic() + limit_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return found


def test_a_killed_leader_is_followed_in_seconds_and_nothing_stays_stuck(three: list[RunningServer]) -> None:
    left = list(three)
    while len(left) > 1:
        victim = leading(left)
        left.remove(victim)
        before = {id(server): rounds(server) for server in left}
        task = running_task(left[0])
        victim.kill()
        killed_at = time.monotonic()
        until(lambda: any(rounds(server) > before[id(server)] for server in left))  # noqa: B023 - called at once
        assert time.monotonic() - killed_at < TAKE_OVER_S
        until(lambda: status(left[0], task) == "stopped")  # noqa: B023 - called at once


def running_task(server: RunningServer) -> str:
    """A started task of an agent that is never heard of again."""
    queue = server.call("queues.create", {"name": f"queue {time.time_ns()}"})["id"]
    task = server.call("tasks.create", {"name": "left alone", "type": "training"})["id"]
    server.call("tasks.enqueue", {"task": task, "queue": queue})
    [entry] = server.call("agents.wait", {"worker": "gone", "queues": [queue], "timeout_s": 5})["entries"]
    server.call("tasks.started", {"task": task}, token=entry["token"])
    return str(task)


def status(server: RunningServer, task: str) -> str:
    return str(server.call("tasks.get_by_id", {"task": task})["task"]["status"])


def rounds(server: RunningServer) -> int:
    """How many rounds this server has made; only the one that leads makes any."""
    with urllib.request.urlopen(f"{server.api}/metrics", timeout=LIMIT_S) as answer:
        found = re.search(r"^clearml_watchdog_rounds\S* (\S+)$", answer.read().decode(), re.MULTILINE)
    return int(float(found[1])) if found else 0


def leading(servers: list[RunningServer]) -> RunningServer:
    """The server that makes rounds now."""
    before = {id(server): rounds(server) for server in servers}
    found: RunningServer = until(lambda: next((s for s in servers if rounds(s) > before[id(s)]), None))
    return found
