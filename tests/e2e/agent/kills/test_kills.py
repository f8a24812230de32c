"""Agents, server and store killed with -9 at random while tasks run: each runs to its end once, and nothing is left.

The same over both of an agent's ways to the server.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest

from tests.conftest import ApiFailure, RunningServer
from tests.e2e.agent.transports import TRANSPORTS, Installation, installation

T = TypeVar("T")

AGENTS = 3
LINES = 15
ENDED = ("completed", "failed", "stopped")
CODE = """import os, sys, time
number, marks = int(sys.argv[1]), sys.argv[2]
with open(os.path.join(marks, str(number)), "a") as mark:
    mark.write("ran\\n")
for index in range({lines}):
    print("line", index, flush=True)
    time.sleep(0.02)
sys.exit(number % 3)
"""


def patient(call: Callable[[], T], limit_s: float = 120.0) -> T:
    """The answer of a server that may be dead at this moment and back in the next."""
    deadline = time.monotonic() + limit_s
    while True:
        try:
            return call()
        except (OSError, ApiFailure):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@dataclass
class Machine:
    """One agent's home; its daemon is started again when it is killed."""

    server: RunningServer
    variables: dict[str, str]
    home: Path
    cache: Path
    process: subprocess.Popen[bytes] | None = None
    begun: int = 0
    """Size of the output when the daemon was started last."""

    @property
    def output(self) -> Path:
        return self.home / "agent.out"

    def start(self) -> None:
        env = self.server.environment(
            CLEARML_AGENT_HOME=str(self.home), CLEARML_WORKER_NAME=self.home.name, HOME=str(self.home),
            CLEARML_AGENT_VENV_CACHE_PATH=str(self.cache), **self.variables,
        )  # fmt: skip
        command = ["clearml-agent", "daemon", "--queue", "kills", "--foreground"]
        self.begun = self.output.stat().st_size if self.output.exists() else 0
        with self.output.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "clearml_sdk.cli", *command],
                env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(20)

    def leave(self) -> int:
        """SIGTERM once it serves: what it runs goes on to its end first."""
        assert self.process is not None
        deadline = time.monotonic() + 60
        while b" serves queue " not in self.output.read_bytes()[self.begun :]:
            assert time.monotonic() < deadline, self.output.read_text()[-3000:]
            time.sleep(0.05)
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(90)

    def processes(self) -> list[psutil.Process]:
        """What runs on this machine beside the daemon."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                is_ours = str(self.home) in process.environ().get("CLEARML_AGENT_RUN", "") + " ".join(process.cmdline())
                if is_ours and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found


@dataclass
class Killer(threading.Thread):
    """Kills one thing after the other until it is told to stop."""

    installed: Installation
    machines: list[Machine]
    dice: random.Random
    done: threading.Event = field(default_factory=threading.Event)
    killed: Counter[str] = field(default_factory=Counter)
    failure: BaseException | None = None

    def __post_init__(self) -> None:
        super().__init__(name="killer", daemon=True)

    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        try:
            while not self.done.wait(self.dice.uniform(0.5, 2.0)):
                self._kill_one()
        except BaseException as error:  # noqa: BLE001 - told to the test, which is another thread
            self.failure = error

    def _kill_one(self) -> None:
        what = self.dice.choices(["agent", "server", "store"], [6, 2, 2])[0]
        if what == "agent":
            machine = self.dice.choice(self.machines)
            machine.kill()
            machine.start()
        elif what == "server":
            self.installed.server.kill()
            self.installed.server.restart()
        elif not self.installed.kill_store():
            return
        self.killed[what] += 1


@pytest.fixture(params=TRANSPORTS)
def installed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    with installation(request.param, tmp_path) as found:
        yield found


@pytest.fixture
def machines(installed: Installation, tmp_path: Path) -> Iterator[list[Machine]]:
    found = []
    for index in range(AGENTS):
        home = tmp_path / f"machine{index}"
        home.mkdir()
        found.append(Machine(installed.server, installed.variables, home, tmp_path / "envs"))
    yield found
    for machine in found:
        machine.kill()
        for process in machine.processes():
            process.kill()


def repository(folder: Path) -> str:
    folder.mkdir()
    (folder / "job.py").write_text(CODE.format(lines=LINES))

    def git(*arguments: str) -> None:
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *arguments]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)

    git("init", "-q", "-b", "main")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    return f"file://{folder}"


def storm(installed: Installation, machines: list[Machine], folder: Path, count: int, seed: int) -> None:
    server = installed.server
    server.call("queues.create", {"name": "kills"})
    marks = folder / "marks"
    marks.mkdir()
    script = {"repository": repository(folder / "repository"), "branch": "main", "binary": "python3"}
    tasks = []
    for number in range(count):
        whole = {**script, "entry_point": f"job.py {number} {marks}", "requirements": {"pip": ""}}
        body = {"name": f"job {number}", "type": "testing", "script": whole}
        tasks.append(str(server.call("tasks.create", body)["id"]))
    for machine in machines:
        machine.start()
    killer = Killer(installed, machines, random.Random(seed))
    killer.start()
    try:
        for task in tasks:
            enqueue(server, task)
        ended = {task: wait_ended(server, task, killer) for task in tasks}
    finally:
        killer.done.set()
        killer.join(60)
    assert killer.failure is None, killer.failure
    print("killed:", dict(killer.killed))
    for machine in machines:
        assert machine.leave() == 0, machine.output.read_text()[-3000:]
    check(server, machines, marks, tasks, ended)


def enqueue(server: RunningServer, task: str) -> None:
    """Again when the answer was lost: a task that is queued, or runs already, was enqueued."""

    def attempt() -> None:
        try:
            server.call("tasks.enqueue", {"task": task, "queue_name": "kills"})
        except ApiFailure as failure:
            if failure.code != 400 or server.call("tasks.get_by_id", {"task": task})["task"]["status"] == "created":
                raise

    patient(attempt)


def wait_ended(server: RunningServer, task: str, killer: Killer, limit_s: float = 300.0) -> dict[str, Any]:
    deadline = time.monotonic() + limit_s
    while True:
        found = dict(patient(lambda: server.call("tasks.get_by_id", {"task": task}))["task"])
        if found["status"] in ENDED:
            return found
        assert killer.failure is None, killer.failure
        assert time.monotonic() < deadline, f"task {task} is {found['status']}: {found.get('status_message')}"
        time.sleep(0.05)


def check(
    server: RunningServer, machines: list[Machine], marks: Path, tasks: list[str], ended: dict[str, dict[str, Any]]
) -> None:
    causes: Counter[str] = Counter()
    for number, task in enumerate(tasks):
        path = marks / str(number)
        runs = path.read_text().count("ran") if path.exists() else 0
        found = ended[task]
        assert runs <= 1, f"task {number} ran {runs} times"
        code = number % 3
        normal = (
            ("completed", "worker execution done") if code == 0 else ("failed", f"worker execution exit code {code}")
        )
        if (found["status"], found["status_reason"]) != normal:
            assert found["status_reason"], found
            assert found["status_message"], found
            causes[f"{found['status']}: {found['status_reason']}"] += 1
            continue
        assert runs == 1
        body = {"task": task, "batch_size": 5000, "navigate_earlier": True, "order": "asc"}
        console = "".join(event["msg"] for event in server.call("events.get_task_log", body)["events"])
        printed = [line for line in console.splitlines() if line.startswith("line ")]
        assert printed == [f"line {index}" for index in range(LINES)], console
    print("ended with another cause:", dict(causes))
    assert sum(causes.values()) <= len(tasks) // 10, causes
    for machine in machines:
        assert machine.processes() == []
        assert not list((machine.home / "runs").iterdir())
        for mirror in (machine.home / "vcs").glob("*"):
            if (mirror / "HEAD").exists():
                listed = subprocess.run(
                    ["git", "worktree", "list"], cwd=mirror, capture_output=True, text=True, check=True
                )
                assert len(listed.stdout.splitlines()) == 1, listed.stdout


@pytest.mark.timeout(400)
def test_a_few_tasks_under_random_kills(installed: Installation, machines: list[Machine], tmp_path: Path) -> None:
    storm(installed, machines, tmp_path, 12, seed=4)


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_two_hundred_tasks_under_random_kills(installed: Installation, machines: list[Machine], tmp_path: Path) -> None:
    storm(installed, machines, tmp_path, 200, seed=11)
