"""Reports, artifacts and models against the real server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clearml_sdk import session as sessions
from clearml_sdk.api_settings import ApiSettings
from clearml_sdk.record import TaskRecord
from clearml_sdk.session import Session
from tests.conftest import RunningServer
from tests.integration.sdk.core.conftest import Workplace


def session_of(server: RunningServer) -> Session:
    settings = ApiSettings(
        server.api,
        web_server=server.web,
        files_server=server.files,
        access_key=server.access_key,
        secret_key=server.secret_key,
        worker="machine",
    )
    return Session(settings)


@pytest.fixture
def workplace(server: RunningServer, tmp_path: Path) -> Workplace:
    return Workplace(tmp_path, server)


@pytest.fixture
def session(server: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """The SDK of this process, pointed at the server, its caches in the test's folder."""
    monkeypatch.setenv("CLEARML_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("CLEARML_JOURNAL_DIR", str(tmp_path / "journals"))
    monkeypatch.setenv("CLEARML_RAISE_ERRORS", "1")
    made = session_of(server)
    sessions.set_default(made)
    yield made
    sessions.set_default(None)
    made.close()


def new_task(session: Session, name: str = "a task") -> str:
    project = session.call("projects.get_all", {"name": "^reporting/tests$"})["projects"]
    where = project[0]["id"] if project else session.call("projects.create", {"name": "reporting/tests"})["id"]
    created = session.call("tasks.create", {"name": name, "type": "testing", "project": where})
    session.call("tasks.started", {"task": created["id"]})
    return str(created["id"])


@pytest.fixture
def task_id(session: Session) -> str:
    return new_task(session)


@pytest.fixture
def record(session: Session, task_id: str) -> TaskRecord:
    return TaskRecord(session, task_id)


class Stored:
    """What the server has of a task's reports."""

    def __init__(self, call: Callable[..., Any], task_id: str) -> None:
        self._call, self.task_id = call, task_id

    def iterations(self, title: str, series: str) -> list[int]:
        """Every iteration that is stored of one series."""
        return [
            event["iter"]
            for event in self.events("training_stats_scalar")
            if (event["metric"], event["variant"]) == (title, series)
        ]

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Every event of one type, by iteration."""
        found: list[dict[str, Any]] = []
        body = {"task": self.task_id, "event_type": kind, "batch_size": 10_000, "order": "asc"}
        scroll = None
        while True:
            answer = self._call("events.get_task_events", {**body, "scroll_id": scroll} if scroll else body)
            found += answer["events"]
            scroll = answer.get("scroll_id")
            if len(answer["events"]) < 10_000 or not scroll:
                return found

    def console(self) -> list[str]:
        """Every line of the console, in order."""
        body = {"task": self.task_id, "batch_size": 10_000, "navigate_earlier": False, "order": "asc"}
        events = self._call("events.get_task_log", body)["events"]
        return [line for event in events for line in event["msg"].split("\n")]

    def plots(self) -> dict[tuple[str, str], dict[str, Any]]:
        answer = self._call("events.get_task_plots", {"task": self.task_id, "iters": 1})
        return {(plot["metric"], plot["variant"]): plot for plot in answer["plots"]}

    def images(self) -> list[dict[str, Any]]:
        return self.events("training_debug_image")


@pytest.fixture
def stored(server: RunningServer, task_id: str) -> Stored:
    return Stored(server.call, task_id)
