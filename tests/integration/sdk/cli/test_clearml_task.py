"""`clearml-task` as a user types it: a task of existing code, in a queue."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from examples.repository import git, make_repository
from tests.conftest import RunningServer

SCRIPT = "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('--lr', type=float, default=1)\n"


def clearml_task(server: RunningServer, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "clearml-task"), *arguments]
    env = server.environment(HOME=str(folder))
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False)


def made(server: RunningServer, answer: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert answer.returncode == 0, answer.stdout + answer.stderr
    found = re.search(r"New task created id=([0-9a-f]{32})", answer.stdout)
    assert found
    assert f"{server.web}/projects/" in answer.stdout
    return dict(server.call("tasks.get_by_id", {"task": found[1]})["task"])


@pytest.mark.rows("S0-001", "S0-006", "S0-021")
def test_a_script_that_never_heard_of_the_sdk_becomes_a_task(server: RunningServer, tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text(SCRIPT)
    common = ("--project", "command line", "--name", "a script", "--script", "plain.py")
    task = made(
        server,
        clearml_task(server, tmp_path, *common, "--args", "lr=0.003", "--packages", "tqdm>=2.1", "--tags", "t"),
    )
    assert (task["status"], task["type"], task["tags"]) == ("created", "training", ["t"])
    assert task["script"]["entry_point"] == "plain.py"
    assert "Task.init()" in task["script"]["diff"]
    assert task["script"]["diff"].endswith(SCRIPT.splitlines()[-1] + "\n")
    assert task["hyperparams"]["Args"]["lr"]["value"] == "0.003"
    assert task["script"]["requirements"]["pip"].splitlines() == ["tqdm>=2.1", "clearml"]


@pytest.mark.rows("S0-017", "S0-018", "S0-003")
def test_a_working_copy_is_recorded_with_its_changes_and_enqueued(server: RunningServer, tmp_path: Path) -> None:
    clone = make_repository(tmp_path / "work")
    common = ("--project", "command line", "--name", "a folder", "--queue", "default")
    task = made(server, clearml_task(server, tmp_path, *common, "--folder", str(clone), "--script", "train.py"))
    queue = server.call("queues.get_by_id", {"queue": task["execution"]["queue"]})["queue"]
    assert (task["status"], queue["name"]) == ("queued", "default")
    assert task["script"]["version_num"] == git("rev-parse", "HEAD", cwd=clone)
    assert "with the uncommitted change" in task["script"]["diff"]
    assert task["script"]["entry_point"] == "train.py"


@pytest.mark.rows("S0-014", "S0-015", "S0-016")
def test_a_repository_elsewhere_is_named_not_read(server: RunningServer, tmp_path: Path) -> None:
    url = "ssh://git@host.invalid/team/code.git"
    common = ("--project", "command line", "--name", "a repository", "--repo", url, "--script", "src/train.py")
    task = made(
        server, clearml_task(server, tmp_path, *common, "--branch", "next", "--commit", "abc123", "--cwd", "src")
    )
    section = task["script"]
    assert (section["repository"], section["branch"], section["version_num"]) == (url, "next", "abc123")
    assert (section["entry_point"], section["working_dir"]) == ("src/train.py", "src")


def test_a_base_task_is_cloned_and_overridden(server: RunningServer, tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text(SCRIPT)
    common = ("--project", "command line", "--name", "the base", "--script", "plain.py")
    base = made(server, clearml_task(server, tmp_path, *common, "--args", "lr=1", "--docker", "python:3.12"))
    task = made(server, clearml_task(server, tmp_path, "--base-task-id", base["id"], "--args", "lr=2"))
    assert task["hyperparams"]["Args"]["lr"]["value"] == "2"
    assert task["container"]["image"] == base["container"]["image"] == "python:3.12"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "--project and --name"),
        (("--project", "p", "--name", "name"), 2, "what is to run"),
        (("--project", "p", "--name", "name", "--script", "missing.py"), 1, "there is no script 'missing.py'"),
        (("--project", "p", "--name", "name", "--script", "x.py", "--folder", "/no/such"), 2, "no folder /no/such"),
        (("--project", "p", "--name", "name", "--script", "x.py", "--task-type", "odd"), 2, "invalid choice: 'odd'"),
        (("--base-task-id", "f" * 32), 1, "Invalid task id"),
        (("--base-task-id", "f" * 32, "--args", "lr"), 1, "NAME=VALUE"),
    ],
)
def test_what_cannot_be_made_is_refused_with_a_reason(
    server: RunningServer, tmp_path: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    answer = clearml_task(server, tmp_path, *arguments)
    assert answer.returncode == code, answer.stdout + answer.stderr
    assert words in answer.stdout + answer.stderr
