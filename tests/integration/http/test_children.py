"""`clearml-server --with-agent`: agents that live and die with the server."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil


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
        assert not psutil.wait_procs(tree, timeout=5)[1]
