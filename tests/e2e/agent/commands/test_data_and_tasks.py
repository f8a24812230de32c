"""From the command line to an agent and back: a dataset's child version, used by a task that `clearml-task` follows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import RunningServer
from tests.e2e.agent.core.conftest import Agent, Tasks

CONSUMER = """
import argparse, sys
from pathlib import Path
from clearml import Dataset

parser = argparse.ArgumentParser()
parser.add_argument("--name")
parser.add_argument("--code", type=int, default=0)
given = parser.parse_args()
found = Dataset.get(dataset_project="data for agents", dataset_name=given.name, alias="numbers")
for path in sorted(Path(found.get_local_copy()).rglob("*.txt")):
    print(f"{found.version} {path.name}: {path.read_text()}")
sys.exit(given.code)
"""


def command(server: RunningServer, folder: Path, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = server.environment(
        HOME=str(folder), CLEARML_CACHE_DIR=str(folder / "cache"), CLEARML_JOURNAL_DIR=str(folder / "journal")
    ) | {"CLEARML__SDK__STORAGE__CACHE__DEFAULT_BASE_DIR": str(folder / "cache")}
    full = [sys.executable, "-m", "clearml_sdk.cli", name, *arguments]
    return subprocess.run(full, cwd=folder, env=env, capture_output=True, text=True, timeout=150, check=False)


@pytest.mark.rows("S0-005", "S0-022")
@pytest.mark.timeout(300)
def test_a_task_uses_a_child_version_and_is_followed_to_its_end(
    server: RunningServer, agent: Agent, tasks: Tasks, tmp_path: Path
) -> None:
    agent.start(queue=tasks.queue)
    data, name = tmp_path / "data", f"numbers of {tasks.queue}"
    data.mkdir()
    (data / "one.txt").write_text("one")
    (data / "two.txt").write_text("two")
    identity = ("--project", "data for agents", "--name", name)
    first = json.loads(
        command(server, tmp_path, "clearml-data", "sync", *identity, "--folder", "data", "--json").stdout
    )
    (data / "two.txt").write_text("zwei")
    child = json.loads(
        command(server, tmp_path, "clearml-data", "sync", "--parents", first["id"], "--folder", "data", "--json").stdout
    )
    (tmp_path / "consume.py").write_text(CONSUMER)
    common = ("--project", "agents", "--name", "consumer", "--script", "consume.py", "--queue", tasks.queue)
    done = command(server, tmp_path, "clearml-task", *common, "--follow", "--args", f"name={name}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1.0.1 one.txt: one\n" in done.stdout and "1.0.1 two.txt: zwei\n" in done.stdout
    (task,) = server.call("tasks.get_all", {"name": "^consumer$", "hyperparams.Datasets.numbers.value": [child["id"]]})[
        "tasks"
    ]
    assert task["status"] == "completed" and task["runtime"]["datasets"] == [child["id"]]
    failing = ("--args", f"name={name}", "code=3")
    failed = command(server, tmp_path, "clearml-task", *common, "--follow", "--json", *failing)
    assert failed.returncode == 3, failed.stdout + failed.stderr
    told = json.loads(failed.stdout)
    assert (told["status"], told["exit_code"]) == ("failed", 3)
    assert "zwei" in failed.stderr
