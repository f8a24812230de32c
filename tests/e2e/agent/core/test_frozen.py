"""An agent that stands still past its lease: its task runs elsewhere, and when it wakes it writes nothing more."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.agent.transports import TRANSPORTS, Installation, installation

from .conftest import Agent, Tasks, is_running, marked_processes, until

pytestmark = pytest.mark.timeout(180)

SHORT = {
    "CLEARML_SERVER_LEASE_S": "2",
    "CLEARML_SERVER_LOST_AFTER_S": "3",
    "CLEARML_SERVER_WATCH_PERIOD_S": "0.5",
}
CODE = """
import os, time
home = os.path.basename(os.environ["HOME"])
for index in range({lines}[home]):
    print(home, index, flush=True)
    time.sleep(0.1)
"""


@pytest.fixture(params=TRANSPORTS)
def quick(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    """A server whose leases are over in seconds, as a test cannot wait for half a minute."""
    with installation(request.param, tmp_path, env=SHORT) as found:
        yield found


@contextlib.contextmanager
def frozen(agent: Agent) -> Iterator[list[int]]:
    """Everything of an agent - daemon, runner, task - stands still, as on a machine that sleeps."""
    pids = marked_processes(str(agent.home))
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield pids
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def test_a_frozen_agent_writes_nothing_after_its_task_runs_elsewhere(
    quick: Installation, new_agent: Callable[..., Agent]
) -> None:
    server, variables = quick.server, {**quick.variables, **SHORT}  # over Redis it is the agent that sets its leases
    tasks = Tasks(server, "default")
    first = new_agent(server, CLEARML_WORKER_NAME="first", **variables)
    second = new_agent(server, CLEARML_WORKER_NAME="second", **variables)
    one, other = first.home.name, second.home.name
    first.start()
    task = tasks.create(CODE.format(lines={one: 6000, other: 60}))
    asks = [{"section": "properties", "name": "retries", "value": "1"}]
    server.call("tasks.edit_hyper_params", {"task": task, "hyperparams": asks})
    tasks.enqueue(task)
    tasks.says(task, f"{one} 5\n")
    with frozen(first) as processes:
        until(lambda: tasks.status(task) == "queued", what="for the lost agent to be noticed")
        second.start()
        tasks.says(task, f"{other} 5\n")
        seen = tasks.numbers(task, one)
    # Awake: the daemon hears that its claim is over and ends the run; nothing of it reaches the server.
    runs = [pid for pid in processes if first.process is None or pid != first.process.pid]
    until(lambda: not any(map(is_running, runs)), what="for the run of the frozen agent to end")
    ended = tasks.finished(task)
    assert ended["status"] == "completed"
    assert ended["last_worker"].startswith("second")
    assert tasks.numbers(task, other) == list(range(60))
    assert tasks.numbers(task, one) == seen
    history = server.call("tasks.get_history", {"task": task})["operations"]
    assert [note["to"] for note in history] == ["queued", "in_progress", "queued", "in_progress", "completed"]
