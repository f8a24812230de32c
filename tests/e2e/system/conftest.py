"""A whole system for one test: a server of its own, agents that can be killed, and tasks that count their runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import ApiFailure, RunningServer

BIN = Path(sys.executable).parent
ENDED = ("completed", "failed", "stopped")

# Says that it runs (one line in a file a run), prints `lines` numbered lines, the last once `gate` exists (the root
# folder does), and exits with `code`.
SCRIPT = """import os, sys, time
with open({mark!r}, "a") as mark:
    mark.write(f"{{os.getpid()}}\\n")
for n in range({lines}):
    while n == {lines} - 1 and not os.path.exists({gate!r}):
        time.sleep(0.01)
    print(f"line {{n}}", flush=True)
    time.sleep({pause_s})
sys.exit({code})
"""


@dataclass
class System:
    """A server, an agent home, and what a test does with them."""

    server: RunningServer
    folder: Path
    agents: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start_agent(self) -> subprocess.Popen[bytes]:
        """Start (or start again) the one agent of this system."""
        env = self.server.environment(
            CLEARML_AGENT_HOME=str(self.folder / "agent"), CLEARML_WORKER_NAME="machine", HOME=str(self.folder)
        )
        command = [str(BIN / "clearml-agent"), "daemon", "--queue", "default", "--create-queue", "--foreground"]
        with (self.folder / "agent.log").open("ab") as out:
            agent = subprocess.Popen(
                command, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )
        self.agents.append(agent)
        return agent

    def create(self, name: str, *, lines: int = 20, pause_s: float = 0.0, code: int = 0, gate: str = "/") -> str:
        """A draft task whose script leaves a mark for each run."""
        mark = str(self.folder / f"{name}.runs")
        text = SCRIPT.format(mark=mark, lines=lines, pause_s=pause_s, code=code, gate=gate)
        script = {"binary": "python3", "entry_point": "job.py", "working_dir": ".", "diff": text}
        body = {"name": name, "type": "testing", "script": {**script, "requirements": {"pip": ""}}}
        return str(self.server.call("tasks.create", body)["id"])

    def enqueue(self, task: str) -> None:
        self.server.call("tasks.enqueue", {"task": task, "queue_name": "default"})

    def runs(self, name: str) -> int:
        """How often the script of the task of that name began."""
        path = self.folder / f"{name}.runs"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def task(self, task: str) -> dict[str, Any]:
        return dict(self.server.call("tasks.get_by_id", {"task": task})["task"])

    def wait_until(self, holds: Callable[[], Any], what: str, limit_s: float = 60) -> Any:
        """Poll what another process does; a server that is down counts as not yet."""
        deadline = time.monotonic() + limit_s
        while True:
            try:
                if found := holds():
                    return found
            except (OSError, ApiFailure):
                pass  # killed a moment ago, and coming back
            if time.monotonic() > deadline:
                log = self.folder / "agent.log"
                text = log.read_text(errors="replace")[-5000:] if log.exists() else ""
                pytest.fail(f"not within {limit_s:.0f} s: {what}\n{text}\n{self.server.log[-3000:]}")
            time.sleep(0.02)

    def wait_ended(self, task: str, limit_s: float = 90) -> dict[str, Any]:
        def ended() -> dict[str, Any] | None:
            document = self.task(task)
            return document if document["status"] in ENDED else None

        return dict(self.wait_until(ended, f"task {task} ends", limit_s))

    def console(self, task: str) -> list[str]:
        body = {"task": task, "batch_size": 10000, "order": "asc"}
        events = self.server.call("events.get_task_log", body)["events"]
        return [line for event in events for line in event["msg"].splitlines()]

    def printed(self, task: str) -> list[str]:
        """The lines that the script printed, as the server has them, in order."""
        return [line for line in self.console(task) if line.startswith("line ")]

    def kill_store(self) -> None:
        """kill -9 of the embedded store alone."""
        stores = self.wait_until(  # the server may be starting it again at this moment
            lambda: [p for p in psutil.process_iter() if self._is_store(p)], "an embedded store runs"
        )
        for store in stores:
            store.send_signal(signal.SIGKILL)
            store.wait(10)

    def _is_store(self, process: psutil.Process) -> bool:
        try:
            return "server" in process.name() and process.cwd().startswith(str(self.server.data_dir))
        except psutil.Error:
            return False


@pytest.fixture
def system(own_server: RunningServer, tmp_path: Path) -> Iterator[System]:
    running = System(own_server, tmp_path)
    yield running
    for agent in running.agents:
        if agent.poll() is None:
            agent.send_signal(signal.SIGINT)
    for agent in running.agents:
        try:
            agent.wait(30)
        except subprocess.TimeoutExpired:
            agent.kill()
            agent.wait()
    leftovers = [p for p in psutil.process_iter() if _belongs_to(p, tmp_path)]
    for process in leftovers:
        process.kill()
    assert not leftovers, f"still running after the agent was stopped: {leftovers}"


def _belongs_to(process: psutil.Process, folder: Path) -> bool:
    """Whether a process runs for the agent of this folder (a task, its runner, a helper)."""
    try:
        return process.pid != os.getpid() and str(folder) in process.environ().get("CLEARML_AGENT_HOME", "")
    except psutil.Error:
        return False
