"""A real agent process beside the real server."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

LIMIT_S = 90.0
TERMINAL = ("completed", "failed", "stopped")


def until(holds: Callable[[], Any], limit_s: float = LIMIT_S, what: str = "") -> Any:
    """Wait for a fact about other processes, which nothing announces to this one."""
    deadline = time.monotonic() + limit_s
    while not (found := holds()):
        assert time.monotonic() < deadline, f"waited too long {what}"
        time.sleep(0.02)
    return found


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def marked_processes(mark: str) -> list[int]:
    """Pids of living processes whose environment or command line holds `mark`."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                text = (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if mark.encode() in text and is_running(int(folder.name)):
                found.append(int(folder.name))
    return found


@dataclass
class Agent:
    """One agent's home, and the daemon processes started in it."""

    server: Any
    home: Path
    cache: Path
    variables: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        own = {
            "CLEARML_AGENT_HOME": str(self.home),
            "CLEARML_AGENT_VENV_CACHE_PATH": str(self.cache / "envs"),
            "CLEARML_WORKER_NAME": "tester",
            "HOME": str(self.home),
            "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(Path("~/.cache/uv").expanduser())),
        }
        return self.server.environment(**{**own, **self.variables})

    @property
    def output(self) -> Path:
        return self.home / "agent.out"

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "clearml_sdk.cli", "clearml-agent", *arguments]

    def run(self, *arguments: str, limit_s: float = LIMIT_S) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments), env=self.environment, capture_output=True, text=True, timeout=limit_s, check=False
        )

    def start(self, *arguments: str, queue: str = "default") -> subprocess.Popen[bytes]:
        """Start a daemon and wait until it serves."""
        begun = self.output.stat().st_size if self.output.exists() else 0
        with self.output.open("ab") as out:
            self.process = process = subprocess.Popen(
                self.command("daemon", "--queue", queue, "--create-queue", "--foreground", *arguments),
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

        def said() -> bytes:
            return self.output.read_bytes()[begun:]

        until(lambda: b" serves queue " in said() or process.poll() is not None, what=f"for the agent: {self.output}")
        assert b" serves queue " in said(), said().decode(errors="replace")[-3000:]
        return process

    def kill(self) -> None:
        """kill -9 of the daemon alone."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(LIMIT_S)

    def stop(self) -> int:
        """Ctrl-C: what it runs is stopped as well."""
        if self.process is None or self.process.poll() is not None:
            return 0
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(LIMIT_S)

    def end(self) -> None:
        """Stop it, and end whatever is left of it all the same."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.stop()
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(LIMIT_S)
        for pid in marked_processes(str(self.home)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    @property
    def runs(self) -> list[Path]:
        folder = self.home / "runs"
        return [path for path in folder.iterdir() if not path.name.startswith(".")] if folder.is_dir() else []

    def forgets(self) -> None:
        """Wait until nothing of a run is on the disk: its task has its last status a moment before."""
        until(lambda: not self.runs, what=f"for the runs to be forgotten: {self.runs}")


@dataclass
class Tasks:
    """Tasks of one queue on one server."""

    server: Any
    queue: str

    def create(self, code: str = "", **script: Any) -> str:
        body = {"entry_point": "main.py", "binary": "python3", "diff": code, **script}
        return str(self.server.call("tasks.create", {"name": "agent test", "type": "training", "script": body})["id"])

    def enqueue(self, task: str) -> str:
        self.server.call("tasks.enqueue", {"task": task, "queue_name": self.queue})
        return task

    def submit(self, code: str = "", **script: Any) -> str:
        return self.enqueue(self.create(code, **script))

    def get(self, task: str) -> dict[str, Any]:
        return dict(self.server.call("tasks.get_by_id", {"task": task})["task"])

    def status(self, task: str) -> str:
        return str(self.get(task)["status"])

    def finished(self, task: str, limit_s: float = LIMIT_S) -> dict[str, Any]:
        """The task once it has ended."""
        until(lambda: self.status(task) in TERMINAL, limit_s, f"for the end of {task}")
        return self.get(task)

    def console(self, task: str) -> str:
        body = {"task": task, "batch_size": 5000, "navigate_earlier": True, "order": "asc"}
        events = self.server.call("events.get_task_log", body)["events"]
        return "".join(event["msg"] for event in events)

    def says(self, task: str, text: str) -> None:
        until(lambda: text in self.console(task), what=f"for {text!r}")

    def numbers(self, task: str, word: str) -> list[int]:
        """The numbers after `word` in the console, in order."""
        return [int(match) for match in re.findall(rf"^{word} (\d+)$", self.console(task), re.MULTILINE)]


@pytest.fixture(scope="session")
def agent_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built environments, shared by the agents of all these tests."""
    return tmp_path_factory.mktemp("agent-cache")


@pytest.fixture
def new_agent(tmp_path: Path, agent_cache: Path) -> Iterator[Callable[..., Agent]]:
    agents: list[Agent] = []

    def make(server: Any, **variables: str) -> Agent:
        home = tmp_path / f"agent{len(agents)}"
        home.mkdir()
        agents.append(Agent(server, home, agent_cache, variables))
        return agents[-1]

    yield make
    for agent in agents:
        agent.end()


@pytest.fixture
def agent(server: Any, new_agent: Callable[..., Agent]) -> Agent:
    return new_agent(server)


@pytest.fixture
def tasks(server: Any, request: pytest.FixtureRequest) -> Tasks:
    """Tasks in a queue of the test's own."""
    name = re.sub(r"\W+", "-", f"{request.node.name[-60:]}-{uuid.uuid4().hex[:8]}")
    server.call("queues.create", {"name": name})
    return Tasks(server, name)


def facts(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text()))
