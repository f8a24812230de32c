"""Members of `Task`, one by one, against the real server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clearml_sdk import Task, reporters
from clearml_sdk import session as sessions
from clearml_sdk.session import Session
from tests.conftest import RunningServer
from tests.integration.sdk.core.conftest import Workplace
from tests.integration.sdk.reporting.conftest import session_of


@pytest.fixture
def session(server: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """The SDK of this process, pointed at the server, its caches in the test's folder."""
    monkeypatch.setenv("CLEARML_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("CLEARML_JOURNAL_DIR", str(tmp_path / "journals"))
    monkeypatch.setenv("CLEARML_RAISE_ERRORS", "1")
    made = session_of(server)
    sessions.set_default(made)
    yield made
    reporters.close_all()
    sessions.set_default(None)
    made.close()


@pytest.fixture
def project(request: pytest.FixtureRequest) -> str:
    return f"sdk/members/{request.node.name}"


@pytest.fixture
def make(session: Session, project: str) -> Callable[..., Task]:
    def create(name: str = "a task", **arguments: Any) -> Task:
        return Task.create(project, name, **arguments)

    return create


@pytest.fixture
def task(make: Callable[..., Task]) -> Task:
    """A draft."""
    return make()


@pytest.fixture
def running(task: Task) -> Task:
    """A task that something may be reported to."""
    task.mark_started()
    return task


@pytest.fixture
def read(server: RunningServer) -> Callable[[Task], dict[str, Any]]:
    """A task's document as the server has it."""
    return lambda task: server.call("tasks.get_by_id", {"task": task.id})["task"]  # type: ignore[no-any-return]


@pytest.fixture
def workplace(server: RunningServer, tmp_path: Path) -> Workplace:
    return Workplace(tmp_path, server)
