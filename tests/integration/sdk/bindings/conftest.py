"""Scripts with real frameworks in an environment of their own, and what the server has of their runs."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import RunningServer
from tests.integration.sdk.core.conftest import Ran, Workplace

from . import environments

HEAD = "from clearml import Task\n"
INIT = "reuse_last_task_id=False, auto_resource_monitoring=False"


@dataclass
class Recorded:
    """What the server has of a task."""

    server: RunningServer
    id: str

    @property
    def document(self) -> dict[str, Any]:
        return self.server.call("tasks.get_all_ex", {"id": [self.id]})["tasks"][0]  # type: ignore[no-any-return]

    def parameters(self, section: str) -> dict[str, str]:
        found = self.document["hyperparams"].get(section) or {}
        return {name: entry["value"] for name, entry in found.items()}

    def models(self, kind: str) -> dict[str, dict[str, Any]]:
        """The models of the task by the names of their entries; kind: "input" or "output"."""
        listed = self.document.get("models", {}).get(kind) or []
        return {
            one["name"]: self.server.call("models.get_by_id", {"model": one["model"]["id"]})["model"] for one in listed
        }

    def curves(self) -> dict[tuple[str, str], dict[str, list[float]]]:
        found = self.server.call("events.scalar_metrics_iter_histogram", {"task": self.id})
        return {(title, series): one for title, group in found.items() for series, one in group.items()}

    def plots(self) -> dict[tuple[str, str, int], str]:
        """The figures, as JSON, by (title, series, iteration)."""
        found = self.server.call("events.get_task_plots", {"task": self.id, "iters": 100})["plots"]
        return {(one["metric"], one["variant"], one["iter"]): one["plot_str"] for one in found}

    def samples(self) -> dict[tuple[str, str, int], str]:
        """The URLs of pictures and other media by (title, series, iteration)."""
        body = {"metrics": [{"task": self.id, "metric": None}], "iters": 100}
        events = [
            event
            for metric in self.server.call("events.debug_images", body)["metrics"]
            for iteration in metric["iterations"]
            for event in iteration["events"]
        ]
        return {(one["metric"], one["variant"], one["iter"]): one["url"] for one in events}


@dataclass
class Bench:
    """A user's folder, and the environment whose python runs the scripts."""

    workplace: Workplace
    python: Path

    @property
    def server(self) -> RunningServer:
        return self.workplace.server

    def run(self, code: str, *arguments: str, timeout: float = 110, **env: str) -> Ran:
        """Run a script to its end, which has to be a good one. It begins with the import of `Task`."""
        settings = {"MPLBACKEND": "Agg", "MPLCONFIGDIR": str(environments.OFFICIAL / "matplotlib"), **env}
        done = subprocess.run(
            [str(self.python), str(self.workplace.write(HEAD + code)), *arguments],
            cwd=self.workplace.folder,
            env=self.workplace.environment(**settings),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return Ran(done.returncode, done.stdout, done.stderr)

    def record(self, code: str, *arguments: str, **env: str) -> Recorded:
        """Run a script, and look at its task. Warnings of ours fail the test."""
        ran = self.run(code, *arguments, **env)
        assert "ClearML warning" not in ran.err, ran.err
        return self.task_of(ran)

    def task_of(self, ran: Ran) -> Recorded:
        task_id = next(line.split("id=")[1] for line in ran.out.splitlines() if "task id=" in line)
        return Recorded(self.server, task_id.strip())

    def run_edited(self, code: str, task: Recorded, edits: dict[str, str]) -> Ran:
        """Run a script as an agent runs a clone of its task, without arguments, with parameters edited."""
        call = self.server.call
        clone = call("tasks.clone", {"task": task.id})["id"]
        before = task.document.get("hyperparams") or {}
        items = []
        for name, value in edits.items():
            section, _, key = name.partition("/")
            items.append({**before[section].get(key, {}), "section": section, "name": key, "value": value})
        if items:
            call("tasks.edit_hyper_params", {"task": clone, "hyperparams": items})
        call("tasks.started", {"task": clone, "force": True})
        token = {"CLEARML_AUTH_TOKEN": self.server.login(), "CLEARML_API_ACCESS_KEY": "", "CLEARML_API_SECRET_KEY": ""}
        return self.run(code, CLEARML_TASK_ID=clone, CLEARML_LOG_TASK_TO_BACKEND="0", **token)


@pytest.fixture
def bench(server: RunningServer, tmp_path: Path) -> Bench:
    return Bench(Workplace(tmp_path, server), environments.small())


@pytest.fixture
def large_bench(server: RunningServer, tmp_path: Path) -> Bench:
    return Bench(Workplace(tmp_path, server), environments.large())


@pytest.fixture
def tensorflow_bench(server: RunningServer, tmp_path: Path) -> Bench:
    return Bench(Workplace(tmp_path, server), environments.tensorflow())


@pytest.fixture
def notebook_bench(server: RunningServer, tmp_path: Path) -> Bench:
    return Bench(Workplace(tmp_path, server), environments.notebook())
