"""Sessions recorded without a server, and imported into one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import RunningServer
from tests.integration.sdk.core.conftest import Ran, Workplace


class Offline:
    """Scripts without a server, in a folder of their own; and what a server has after an import."""

    def __init__(self, workplace: Workplace) -> None:
        self.workplace, self.server = workplace, workplace.server

    def record(self, code: str, **env: str) -> Ran:
        """Run `code` with no server to be found anywhere."""
        nowhere = dict.fromkeys(("CLEARML_API_HOST", "CLEARML_WEB_HOST", "CLEARML_FILES_HOST"), "http://127.0.0.1:1")
        return self.workplace.run(code, CLEARML_OFFLINE_MODE="1", **{**nowhere, **env})

    def bring(self, path: str | Path, **options: Any) -> Ran:
        code = f"from clearml import Task\nsay(id=Task.import_offline_session({str(path)!r}, **{options!r}))"
        return self.workplace.run(code, name="bring.py")

    def points(self, task_id: str, title: str, series: str) -> dict[int, float]:
        """Every stored point; an iteration that is stored twice fails."""
        body = {"task": task_id, "event_type": "training_stats_scalar", "batch_size": 10_000, "order": "asc"}
        found: dict[int, float] = {}
        for event in self.server.call("events.get_task_events", body)["events"]:
            if (event["metric"], event["variant"]) == (title, series):
                assert event["iter"] not in found, f"{event['iter']} is stored twice"
                found[event["iter"]] = event["value"]
        return found

    def console(self, task_id: str) -> list[str]:
        body = {"task": task_id, "batch_size": 10_000, "navigate_earlier": False, "order": "asc"}
        events = self.server.call("events.get_task_log", body)["events"]
        return [line for event in events for line in event["msg"].split("\n")]

    def sessions(self) -> list[Path]:
        return sorted(path for path in (self.workplace.folder / ".cache" / "offline").iterdir() if path.is_dir())


@pytest.fixture
def offline(server: RunningServer, tmp_path: Path) -> Offline:
    return Offline(Workplace(tmp_path, server))


@pytest.fixture
def read(call: Callable[..., Any]) -> Callable[[str], dict[str, Any]]:
    return lambda task_id: call("tasks.get_by_id", {"task": task_id})["task"]
