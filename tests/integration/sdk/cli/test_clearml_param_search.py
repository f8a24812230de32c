"""`clearml-param-search` as a user types it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import RunningServer

SCRIPT = """
import argparse
from clearml import Task
parser = argparse.ArgumentParser()
parser.add_argument("--x", type=float, default=0)
parser.add_argument("--y", type=float, default=0)
given = parser.parse_args()
task = Task.init("searches", "trial", auto_resource_monitoring=False)
task.get_logger().report_scalar("loss", "total", (given.x - 3) ** 2 + given.y, 1)
"""
GOAL = ("--objective-metric-title", "loss", "--objective-metric-series", "total", "--objective-metric-sign", "min")
SPACE = json.dumps({"type": "DiscreteParameterRange", "name": "Args/x", "values": [1, 3]})


def search(server: RunningServer, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = folder / "clearml-param-search"  # as an installation makes it, and outside of this repository
    program.write_text("import sys\nfrom clearml_sdk.cli import main\nsys.exit(main())\n")
    command = [sys.executable, str(program), *arguments]
    env = server.environment(
        HOME=str(folder), CLEARML_CACHE_DIR=str(folder / "cache"), CLEARML_JOURNAL_DIR=str(folder / "journal")
    )
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=180, check=False)


@pytest.mark.timeout(240)
def test_a_grid_is_searched_on_this_machine(server: RunningServer, tmp_path: Path) -> None:
    (tmp_path / "trial.py").write_text(SCRIPT)
    override = json.dumps({"name": "Args/y", "value": 7})
    how = ("--optimizer-class", "GridSearch", "--local", "--total-max-jobs", "2", "--pool-period-min", "0.02")
    named = ("--project-name", "searches", "--task-name", "a grid", "--script", "trial.py", "--args", "x=0")
    space = ("--params-search", SPACE, "--params-override", override)
    said = search(server, tmp_path, *named, *space, *GOAL, *how)
    assert said.returncode == 0, said.stdout + said.stderr
    (task,) = server.call("tasks.get_all", {"name": "^a grid$"})["tasks"]
    assert task["type"] == "optimizer"
    trials = server.call("tasks.get_all", {"parent": task["id"], "search_hidden": True})["tasks"]
    values = {
        (one["hyperparams"]["Args"]["x"]["value"], one["hyperparams"]["Args"]["y"]["value"]): one for one in trials
    }
    assert {float(x) for x, _ in values} == {1, 3} and {float(y) for _, y in values} == {7}
    table = said.stdout.splitlines()[-2:]
    assert "Args/x=3" in table[0] and " | 7.0 " in table[0]


@pytest.mark.timeout(240)
def test_an_interrupted_search_stops_its_trials(server: RunningServer, tmp_path: Path) -> None:
    (tmp_path / "trial.py").write_text(SCRIPT + "import time\ntime.sleep(600)\n")
    program = tmp_path / "clearml-param-search"
    program.write_text("import sys\nfrom clearml_sdk.cli import main\nsys.exit(main())\n")
    how = ("--optimizer-class", "GridSearch", "--local", "--total-max-jobs", "1", "--pool-period-min", "0.02")
    named = ("--project-name", "searches", "--task-name", "interrupted", "--script", "trial.py")
    command = [sys.executable, str(program), *named, "--params-search", SPACE, *GOAL, *how]
    env = server.environment(
        HOME=str(tmp_path), CLEARML_CACHE_DIR=str(tmp_path / "cache"), CLEARML_JOURNAL_DIR=str(tmp_path / "journal")
    )
    query = {"name": "^interrupted: base: ", "project_name": "searches", "status": ["in_progress"]}
    with subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 120
        while not server.call("tasks.get_all", query)["tasks"]:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.2)  # another process begins the trial: there is no event to wait for
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=90)
    assert process.returncode == 130, err.decode()
    assert b"interrupted" in err and b"Traceback" not in err
    assert server.call("tasks.get_all", query)["tasks"] == []


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "required"),
        (("--task-id", "f" * 32, *GOAL), 1, "--params-search"),
        (("--task-id", "f" * 32, *GOAL, "--params-search", "{"), 1, "is not JSON"),
        (("--task-id", "f" * 32, *GOAL, "--params-search", '{"type": "Odd"}'), 1, "no such type of parameter"),
        (("--task-id", "f" * 32, *GOAL, "--params-search", SPACE, "--params-override", "{}"), 1, '"value"'),
        (("--task-id", "f" * 32, *GOAL, "--params-search", SPACE, "--args", "a=1"), 1, "--script"),
    ],
)
def test_what_cannot_be_searched_is_refused_with_a_reason(
    server: RunningServer, tmp_path: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    answer = search(server, tmp_path, *arguments)
    assert answer.returncode == code, answer.stdout + answer.stderr
    assert words in answer.stdout + answer.stderr
