"""`clearml-task` of both kinds on the same code and the same command lines: the tasks they make are the same.

What differs on purpose: the lines of the call of `Task.init` (compared as one mark), a line end at the end of packages,
the SDK that is named as the recorder, and `runtime._CLEARML_TASK`, which nothing reads.
"""

from __future__ import annotations

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import RunningServer

from .official import official_environment

SCRIPT = "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('--lr', type=float, default=1)\n"
ALONE = ("--script", "plain.py", "--packages", "attrs", "tqdm>=2.1")
REPOSITORY = ("--repo", "ssh://git@host.invalid/team/code.git")
CASES: dict[str, tuple[str, ...]] = {
    "arguments": (*ALONE, "--args", "lr=0.3", "a=b=c", "General/x=1", "--tags", "one", "two", "--task-type", "testing"),
    "container": (*ALONE, "--docker", "python:3.12 --ipc=host", "--docker_bash_setup_script", "echo a; echo b"),
    "bare": (*ALONE, "--docker", "python:3.12", "--docker_args", "-e A=1", "--skip-python-env-install"),
    "listed": ("--script", "plain.py", "--requirements", "needs.txt", "--packages", "six", "--skip-task-init"),
    "shell": ("--script", "run.sh", "--binary", "/bin/bash", "--packages", "six"),
    "branch": (*REPOSITORY, "--script", "src/train.py", "--branch", "next"),
    "commit": (*REPOSITORY, "--script", "train.py", "--cwd", "src", "--commit", "abc123", "--packages", "six"),
    "nothing": (*REPOSITORY, "--script", "src/train.py", "--force-no-requirements", "--skip-task-init"),
}
SECTIONS = ("script", "container", "hyperparams", "configuration", "type", "tags", "system_tags", "status", "execution")
CALL = re.compile(
    r"(\+?)(?:from clearml import Task\n\+?\n\+?if __name__ == \"__main__\":\n\+? +Task\.init\(\)\n"
    r"|try: from allegroai import Task\n\+?except ImportError: from clearml import Task\n"
    r"\+?\(__name__ != \"__main__\"\) or Task\.init\(\)\n\+?\n)"
)


def made(server: RunningServer, command: list[str], env: dict[str, str], folder: Path, name: str) -> dict[str, Any]:
    """What the server has of the task that a command line makes."""
    given = ["--project", "command lines of both", "--name", name, *CASES[name]]
    ran = subprocess.run([*command, *given], cwd=folder, env=env, capture_output=True, text=True, timeout=240)
    found = re.search(r"New task created id=([0-9a-f]{32})", ran.stdout)
    assert found, ran.stdout + ran.stderr
    task = server.call("tasks.get_by_id", {"task": found[1]})["task"]
    script = task["script"]
    script["diff"] = CALL.sub(r"\1<call>\n", script.get("diff") or "")
    requirements = dict(script.pop("requirements", None) or {})
    script["packages"] = (requirements.get("pip") or "").split("\n")
    script["packages"] = [line for line in script["packages"] if line]
    return {
        f"{section}/{key}": value
        for section in SECTIONS
        for key, value in (
            task.get(section) if isinstance(task.get(section), dict) else {"": task.get(section)}
        ).items()
        if value not in ("", [], {}, None)
    }


@pytest.mark.timeout(900)
def test_both_commands_make_the_same_tasks(server: RunningServer, official_sdk: Path, tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text(SCRIPT)
    (tmp_path / "run.sh").write_text("echo hello\n")
    (tmp_path / "needs.txt").write_text("attrs\n# a comment\nnumpy>=1")
    ours = [sys.executable, "-m", "clearml_sdk.cli", "clearml-task"]
    env = server.environment(HOME=str(tmp_path), CLEARML_CACHE_DIR=str(tmp_path / "cache"))
    theirs = [str(official_sdk / "clearml-task")]
    official_env = official_environment(server, tmp_path, official_sdk)
    with ThreadPoolExecutor(4) as pool:
        official = pool.map(lambda name: made(server, theirs, official_env, tmp_path, name), CASES)
        own = pool.map(lambda name: made(server, ours, env, tmp_path, name), CASES)
        for name, first, second in zip(CASES, official, own, strict=True):
            assert second == first, name
