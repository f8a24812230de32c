"""An idle system is idle: nothing polls, nothing spins."""

from __future__ import annotations

import re
import time
import urllib.request

from .conftest import System


def waits(system: System) -> int:
    """How many `agents.wait` the server has answered."""
    with urllib.request.urlopen(f"{system.server.api}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return sum(int(n) for n in re.findall(r'calls_total\{endpoint="agents.wait",code="\d+"\} (\d+)', text))


def test_an_agent_whose_task_has_ended_waits_in_one_call(system: System) -> None:
    system.start_agent()
    task = system.create("short", lines=1)
    system.enqueue(task)
    system.wait_ended(task)
    before = waits(system)
    time.sleep(3)  # nothing must happen: there is no event to wait for
    assert waits(system) - before <= 3
