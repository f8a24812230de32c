"""What the tests of the services share: making things, and what a call came to."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.conftest import ApiFailure, RunningServer

_numbers = itertools.count()


@dataclass(frozen=True)
class Api:
    """Calls to the shared server, and shorthands for what nearly every test makes first."""

    server: RunningServer

    def __call__(self, endpoint: str, **body: Any) -> Any:
        return self.server.call(endpoint, body)

    def code(self, endpoint: str, **body: Any) -> tuple[int, int]:
        """Result code and subcode of a call."""
        try:
            self.server.call(endpoint, body)
        except ApiFailure as failure:
            return failure.code, failure.subcode
        return 200, 0

    def name(self, what: str = "thing") -> str:
        return f"{what} {next(_numbers):05}"  # of one length: none is the beginning of another

    def project(self, name: str | None = None, **more: Any) -> str:
        return str(self("projects.create", name=name or self.name("project"), **more)["id"])

    def task(self, **more: Any) -> str:
        return str(self("tasks.create", **{"name": self.name("task"), "type": "training", **more})["id"])

    def model(self, **more: Any) -> str:
        given = {"name": self.name("model"), "uri": "http://files.local/m", "ready": False, **more}
        return str(self("models.create", **given)["id"])

    def queue(self) -> str:
        return str(self("queues.create", name=self.name("queue"))["id"])

    def read(self, task: str) -> dict[str, Any]:
        found: dict[str, Any] = self("tasks.get_by_id", task=task)["task"]
        return found

    def history(self, task: str) -> list[dict[str, Any]]:
        operations: list[dict[str, Any]] = self("tasks.get_history", task=task)["operations"]
        return operations

    def events(self, *events: dict[str, Any]) -> None:
        import json

        self.server.call("events.add_batch", "\n".join(map(json.dumps, events)).encode())


@pytest.fixture(scope="session")
def api(server: RunningServer) -> Api:
    return Api(server)


@pytest.fixture(scope="session")
def at_status(api: Api) -> Callable[[str], str]:
    """Make a task and bring it to a status; the rare ones by the one call that may set any."""
    queue = api.queue()

    def make(status: str) -> str:
        task = api.task()
        if status == "created":
            return task
        api("tasks.enqueue", task=task, queue=queue)
        if status != "queued":
            api("tasks.dequeue", task=task, new_status=status)
        return task

    return make
