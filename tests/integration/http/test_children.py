"""`clearml-server --with-agent`: agents that live and die with the server."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest


def _until(server: Any, condition: Callable[[], Any], limit_s: float = 60.0) -> Any:
    deadline = time.monotonic() + limit_s
    while not (found := condition()):
        assert time.monotonic() < deadline, server.log[-4000:]
        time.sleep(0.05)  # another process starts: nothing to wait on
    return found


def _agents(server: Any) -> list[psutil.Process]:
    return [child for child in psutil.Process(server.process.pid).children() if "clearml-agent" in _command(child)]


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:  # a zombie too: it has ended and nobody has waited for it yet
        return []


def _served(server: Any) -> set[str]:
    workers = server.call("workers.get_all", {"last_seen": 0})["workers"]
    return {queue["name"] for worker in workers for queue in worker["queues"]}


def test_agents_are_started_restarted_and_stopped_with_the_server(new_server: Any, tmp_path: Path) -> None:
    env = {"CLEARML_AGENT_HOME": str(tmp_path)}
    with new_server("--with-agent", "first", "second", env=env) as server:
        _until(server, lambda: _served(server) == {"first", "second"})
        (agent,) = _agents(server)
        agent.kill()
        again = _until(server, lambda: [child for child in _agents(server) if child.pid != agent.pid])[0]
        tree = [again, *again.children(recursive=True)]
        assert server.stop() == 0
        assert not psutil.wait_procs(tree, timeout=60)[1]


@pytest.mark.rows("S3-096")
def test_a_services_agent_runs_beside_the_server(new_server: Any, tmp_path: Path) -> None:
    with new_server("--with-services", env={"CLEARML_AGENT_HOME": str(tmp_path)}) as server:
        _until(server, lambda: _served(server) == {"services"})
        ids = []
        for _ in range(2):  # several at a time, on the CPU
            script = {"binary": "python3", "entry_point": "main.py", "diff": "import time\ntime.sleep(600)\n"}
            ids.append(server.call("tasks.create", {"name": "idle", "type": "service", "script": script})["id"])
            server.call("tasks.enqueue", {"task": ids[-1], "queue_name": "services"})

        def running() -> set[str]:
            workers = server.call("workers.get_all", {"last_seen": 0})["workers"]
            return {w["id"].rpartition(":service:")[2] for w in workers if ":cpu:0:service:" in w["id"]}

        _until(server, lambda: running() == set(ids))
        for task in ids:
            server.call("tasks.stop", {"task": task})
        _until(server, lambda: not running())
        found = server.call("tasks.get_all", {"id": ids, "only_fields": ["status"]})["tasks"]
        assert [task["status"] for task in found] == ["stopped", "stopped"]
