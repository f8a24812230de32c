"""Schedulers as users run them: scripts of their own against the real server."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import RunningServer
from tests.integration.sdk.core.conftest import Workplace

LIMIT_S = 60.0

DYING = """
import signal
from clearml_sdk import queueing
from clearml_sdk.automation.schedules import kept, launching
def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)
"""
DIES = {
    "before the task is enqueued": "queueing.enqueue = die\n",
    "before the task is marked": "from clearml_sdk.automation.jobs import cloned\n"
    "cloned.TaskRecord = type('Record', (cloned.TaskRecord,), {'edit': die})\n",
    "before the launch is noted": "saves = [kept.Kept.save, die]\n"
    "kept.Kept.save = lambda self, state: saves.pop(0)(self, state)\n",
}
"""Code that has a scheduler die at a moment of its first launch."""


def until(holds: Callable[[], Any], what: str = "", limit_s: float = LIMIT_S) -> Any:
    """Wait for a fact about another process, which nothing announces to this one."""
    deadline = time.monotonic() + limit_s
    while not (found := holds()):
        assert time.monotonic() < deadline, f"waited too long for {what}"
        time.sleep(0.05)
    return found


@contextlib.contextmanager
def killed(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """The process, killed at the end whatever happens: a scheduler never ends by itself."""
    try:
        with process:
            try:
                yield process
            finally:
                process.kill()
    finally:
        process.kill()


@dataclass
class Place:
    """A project and a queue of the test's own."""

    server: RunningServer
    name: str
    queue: str

    def call(self, endpoint: str, **body: Any) -> Any:
        return self.server.call(endpoint, body)

    def base(self, **fields: Any) -> str:
        body = {"name": "base", "type": "training", "project": self.project(self.name), **fields}
        return str(self.call("tasks.create", **body)["id"])

    def project(self, name: str) -> str:
        found = self.call("projects.get_all", name=f"^{name}$", search_hidden=True, shallow_search=False)["projects"]
        return str(found[0]["id"] if found else self.call("projects.create", name=name, description="")["id"])

    def launched(self, entry: str = "", **conditions: Any) -> list[dict[str, Any]]:
        """Tasks that schedulers of this test launched, in the order they were made."""
        body = {"order_by": ["created"], "search_hidden": True, "page_size": 500, **conditions}
        tasks = self.call("tasks.get_all", project=[self.project(f"{self.name}/out")], **body)["tasks"]
        return [task for task in tasks if entry in (task.get("runtime") or {}).get("scheduled_entry", "")]

    def scheduler(self) -> dict[str, Any]:
        """The document of the scheduler's task."""
        found = self.call("tasks.get_all", project=[self.project(self.name)], name="^the scheduler$")["tasks"]
        return dict(found[0]) if found else {}

    def plots(self) -> dict[str, str]:
        """Title -> figure of what the scheduler shows."""
        found = self.call("events.get_task_plots", task=self.scheduler()["id"], iters=1)["plots"]
        return {plot["metric"]: plot["plot_str"] for plot in found}

    def entries(self, name: str) -> list[dict[str, Any]]:
        return list(json.loads((self.scheduler().get("configuration") or {}).get(name, {}).get("value") or "[]"))

    def edit(self, name: str, entries: list[dict[str, Any]]) -> None:
        entry = {"name": name, "value": json.dumps(entries), "type": "json"}
        self.call("tasks.edit_configuration", task=self.scheduler()["id"], configuration=[entry], force=True)


@pytest.fixture
def place(server: RunningServer, request: pytest.FixtureRequest) -> Place:
    name = request.node.name.replace("[", "-").replace("]", "")
    server.call("queues.create", {"name": name})
    return Place(server, f"schedules/{name}", name)


@pytest.fixture
def workplace(server: RunningServer, tmp_path: Path) -> Workplace:
    return Workplace(tmp_path, server)
