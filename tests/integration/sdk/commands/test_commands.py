"""`clearml ls|ps|show|logs|...` against the real server, as processes."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import RunningServer
from tests.integration.sdk.core.conftest import Workplace
from tests.integration.sdk.schedules.conftest import Place

pytestmark = pytest.mark.timeout(120)

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def place(server: RunningServer, request: pytest.FixtureRequest) -> Place:
    server.call("queues.create", {"name": request.node.name})
    return Place(server, f"commands/{request.node.name}", request.node.name)


@pytest.fixture
def environment(server: RunningServer, tmp_path: Path) -> dict[str, str]:
    return server.environment(CLEARML_CACHE_DIR=str(tmp_path / "cache"), HOME=str(tmp_path), COLUMNS="120")


@pytest.fixture
def run(environment: dict[str, str], tmp_path: Path) -> Run:
    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "clearml_sdk.cli", *arguments]
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60)

    return call


@pytest.fixture
def trained(place: Place) -> list[str]:
    """Three tasks: one failed, one completed, one that runs."""
    ids = []
    for number in range(3):
        entry = {"section": "Args", "name": "lr", "value": str(number)}
        task = place.base(name=f"train {number}", hyperparams={"Args": {"lr": entry}}, tags=["some"])
        place.call("tasks.started", task=task)
        for iteration in range(5):
            event = {"type": "training_stats_scalar", "task": task, "iter": iteration, "metric": "loss"}
            place.call("events.add", **event, variant="val", value=number + 1 / (iteration + 1))
        ids.append(task)
    place.call("tasks.failed", task=ids[0], status_reason="worker execution exit code 7", force=True)
    place.call("tasks.completed", task=ids[1], force=True)
    return ids


def test_tasks_are_listed_and_found(run: Run, place: Place, trained: list[str]) -> None:
    listed = run("ls", place.name)
    assert listed.returncode == 0, listed.stderr
    head, *lines = listed.stdout.splitlines()
    assert head.split() == ["ID", "STATUS", "NAME", "ITER", "RAN", "UPDATED"]
    assert {line.split()[0] for line in lines} == {task[:8] for task in trained}
    found = json.loads(run("ls", place.name, "--status", "failed", "--tag", "some", "--json").stdout)
    assert [task["id"] for task in found] == trained[:1]
    assert json.loads(run("ls", f"{place.name}/train 1", "--json").stdout)[0]["id"] == trained[1]
    for wrong, words in (("--status=runing", "Did you mean 'running'?"), ("--limit=0", "1 or more")):
        refused = run("ls", wrong)
        assert refused.returncode == 2 and words in refused.stderr, refused.stderr
    projects = json.loads(run("ls", "-p", place.name, "--json").stdout)
    assert [project["name"] for project in projects] == [place.name]

    for wanted in (trained[0], trained[0][:12], f"{place.name}/train 0", f"{place.queue}.*/train 0"):
        shown = run("show", wanted, "--json")
        assert json.loads(shown.stdout)["id"] == trained[0], (wanted, shown.stderr)
    text = run("show", trained[0]).stdout
    for line in (
        "status     failed",
        "reason     worker execution exit code 7",
        "Args/lr    0",
        "loss/val  0.2   0.2  1",
    ):
        assert line in text
    nothing = run("show", "no such task")
    assert (nothing.returncode, nothing.stdout) == (3, "") and "clearml ls" in nothing.stderr
    several = run("show", f"{place.name}/train")
    assert several.returncode == 4 and all(task in several.stderr for task in trained)


def test_curves_and_differences(run: Run, place: Place, trained: list[str]) -> None:
    drawn = run("plot", trained[0], trained[1], "--height", "6")
    assert drawn.returncode == 0 and drawn.stdout.startswith("loss\n") and f"val {trained[0][:8]}" in drawn.stdout
    curves = json.loads(run("plot", trained[0], "--metric", "loss/val", "--json").stdout)
    assert curves["loss"]["val"] == {"x": [0, 1, 2, 3, 4], "y": [1.0, 0.5, 1 / 3, 0.25, 0.2]}
    assert run("plot", trained[0], "-m", "nothing").returncode == 1
    compared = json.loads(run("compare", trained[0], trained[1], "--json").stdout)
    assert compared["values"] == {"Args/lr": ["0", "1"], "loss/val": ["0.2", "1.2"]}


def test_tasks_are_cloned_enqueued_and_stopped(run: Run, place: Place, trained: list[str]) -> None:
    cloned = run("clone", trained[0], "--set", "Args/lr=9", "--name", "copy", "-q", place.queue)
    copy = cloned.stdout.strip()
    task = place.call("tasks.get_by_id", task=copy)["task"]
    assert (task["status"], task["hyperparams"]["Args"]["lr"]["value"], task["parent"]) == ("queued", "9", trained[0])
    waiting = [found for found in json.loads(run("ps", "--json").stdout) if found["id"] == copy]
    assert [(found["queue"], found["position"]) for found in waiting] == [(place.queue, 1)]
    assert f"{place.queue} #1" in run("ps").stdout and f"{place.queue}" in run("top", "--once").stdout
    stopped = run("abort", copy, trained[2], "--message", "no longer needed")
    assert stopped.returncode == 0, stopped.stderr
    assert place.call("tasks.get_by_id", task=copy)["task"]["status"] == "created"
    running = place.call("tasks.get_by_id", task=trained[2])["task"]
    assert running["status"] in ("stopped", "in_progress") and running["status_reason"] == "no longer needed"

    refused = run("enqueue", trained[1], copy, "-q", place.queue)
    assert refused.returncode == 1 and "--force" in refused.stderr
    assert place.call("tasks.get_by_id", task=copy)["task"]["status"] == "queued"  # one refusal keeps no other back
    assert run("enqueue", trained[1], "-q", place.queue, "--force").returncode == 0
    assert run("enqueue", trained[1], "-q", "no such queue").returncode == 1
    ended = run("abort", trained[0])
    assert ended.returncode == 1 and "it is failed: there is nothing to stop" in ended.stderr
    added = run("clone", trained[0], "--set", "lr=3", "--set", "Args/rl=3")
    assert added.returncode == 0 and added.stderr.count("Did you mean 'Args/lr'?") == 2
    explained = run("explain", copy)
    assert f"no worker serves queue {place.queue}" in explained.stdout, explained.stderr


def test_everything_that_waits_is_listed_however_much(run: Run, place: Place) -> None:
    made = [place.call("tasks.create", name=f"waits {n}", type="training")["id"] for n in range(501)]
    parts = [made[first : first + 100] for first in range(0, len(made), 100)]
    try:
        for part in parts:
            place.call("tasks.enqueue_many", ids=part, queue_name=place.queue)
        listed = json.loads(run("ps", "--json").stdout)
        assert [task["id"] for task in listed if task.get("queue") == place.queue] == made
    finally:
        for part in parts:
            place.call("tasks.delete_many", ids=part, force=True)


ENDS = {"failed": ("worker execution exit code 7", 7), "completed": ("", 0), "stopped": ("by a user", 143)}


def test_a_console_is_followed_to_the_end_of_its_task(
    server: RunningServer, run: Run, environment: dict[str, str]
) -> None:
    def say(task: str, text: str) -> None:
        server.call("events.add", {"type": "log", "task": task, "msg": text, "level": "info"})

    tasks, followers = {}, {}
    for end in ENDS:
        tasks[end] = server.call("tasks.create", {"name": "talks", "type": "training"})["id"]
        server.call("tasks.started", {"task": tasks[end]})
        say(tasks[end], "before")
        command = [sys.executable, "-m", "clearml_sdk.cli", "logs", "--follow", tasks[end]]
        followers[end] = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    try:
        for end, process in followers.items():
            assert process.stdout is not None and process.stdout.readline() == "before\n"
            say(tasks[end], "while it runs\n")
            assert process.stdout.readline() == "while it runs\n"
            body = {"task": tasks[end], "status_reason": ENDS[end][0], "force": True}
            server.call(f"tasks.{end}", body)
        for end, process in followers.items():
            out, err = process.communicate(timeout=60)
            assert (process.returncode, out) == (ENDS[end][1], "")
            assert f"--- {end} after " in err
    finally:
        for process in followers.values():
            process.kill()
            process.communicate()
    task = tasks["failed"]
    whole = run("logs", task)
    assert (whole.returncode, whole.stdout) == (0, "before\nwhile it runs\n")
    assert run("logs", task, "-n", "1").stdout == "while it runs\n"
    events = [json.loads(line) for line in run("logs", task, "--json").stdout.splitlines()]
    assert [event["msg"] for event in events] == ["before", "while it runs\n"]


def test_a_console_is_followed_over_a_restart_of_the_server(own_server: RunningServer, tmp_path: Path) -> None:
    task = own_server.call("tasks.create", {"name": "talks", "type": "training"})["id"]
    own_server.call("tasks.started", {"task": task})
    command = [sys.executable, "-m", "clearml_sdk.cli", "logs", "--follow", task]
    env = own_server.environment(HOME=str(tmp_path))
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        own_server.call("events.add", {"type": "log", "task": task, "msg": "before", "level": "info"})
        assert process.stdout.readline() == "before\n"
        own_server.kill()
        said = [process.stderr.readline()]
        while "refused" not in said[-1]:  # the stream breaks off first
            said.append(process.stderr.readline())
        own_server.restart()
        own_server.call("tasks.completed", {"task": task, "force": True})
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert sum("refused" in line for line in [*said, *err.splitlines()]) == 1, "once, however often it is tried"


def test_artifacts_are_fetched(run: Run, server: RunningServer, workplace: Workplace, tmp_path: Path) -> None:
    code = (
        "from clearml import Task\ntask = Task.init('commands/artifacts', 'stores', auto_resource_monitoring=False)\n"
    )
    code += "task.upload_artifact('table', {'a': 1})\nsay(id=task.id)\n"
    task = workplace.run(code).said["id"]
    assert "table" in run("artifacts", "ls", task).stdout
    got = run("artifacts", "get", task, "-o", "out")
    assert got.returncode == 0, got.stderr
    assert json.loads(Path(tmp_path / got.stdout.strip()).read_text()) == {"a": 1}
    code = "from clearml import Task\nfrom pathlib import Path\n"
    code += "task = Task.init('commands/artifacts', 'stores twice', auto_resource_monitoring=False)\n"
    code += "for name in 'ab':\n    Path(name).mkdir()\n    Path(name, 'weights').write_text(name)\n"
    code += "    task.upload_artifact(name, f'{name}/weights')\nsay(id=task.id)\n"
    paths = json.loads(run("artifacts", "get", workplace.run(code).said["id"], "-o", "two", "--json").stdout)
    assert {name: Path(tmp_path / path).read_text() for name, path in paths.items()} == {"a": "a", "b": "b"}
    missing = run("artifacts", "get", task, "other")
    assert missing.returncode == 1 and "it has: table" in missing.stderr
    page = run("open", "--print", task).stdout.strip()
    assert page.startswith(server.web) and task in page


@pytest.fixture
def workplace(server: RunningServer, tmp_path: Path) -> Workplace:
    return Workplace(tmp_path, server)


def test_a_person_at_a_terminal_sees_colours_and_a_live_view(
    environment: dict[str, str], place: Place, trained: list[str]
) -> None:
    shown = at_terminal(environment, "ls", place.name)
    assert trained[0][:8] in shown and "\x1b[" in shown
    live = at_terminal(environment, "top", "--interval", "0.2", until_text=trained[2][:8])
    assert "WORKER" in live and "Ctrl-C ends" in live


def at_terminal(environment: dict[str, str], *arguments: str, until_text: str = "") -> str:
    """What a command writes to a terminal, up to its end or to a text; it is ended as by Ctrl-C."""
    import signal

    near, far = pty.openpty()
    # A window that everything of this test and of others fits into.
    env = {**environment, "TERM": "xterm-256color", "LINES": "1000", "COLUMNS": "160"}
    env.pop("NO_COLOR", None)
    command = [sys.executable, "-m", "clearml_sdk.cli", *arguments]
    process = subprocess.Popen(command, env=env, stdin=far, stdout=far, stderr=far, start_new_session=True)
    os.close(far)
    read = b""
    try:
        while not (until_text and until_text.encode() in read and b"Ctrl-C" in read):
            try:
                chunk = os.read(near, 65536)
            except OSError:  # Linux says so that the other end is closed
                break
            if not chunk:
                break
            read += chunk
        if until_text:
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 130
    finally:
        process.kill()
        process.wait()
        os.close(near)
    return read.decode("utf-8", "replace")


def test_errors_have_their_exit_statuses(environment: dict[str, str], run: Run) -> None:
    command = [sys.executable, "-m", "clearml_sdk.cli", "ls"]
    wrong = {**environment, "CLEARML_API_SECRET_KEY": "wrong"}
    refused = subprocess.run(command, env=wrong, capture_output=True, text=True, timeout=60)
    assert refused.returncode == 1 and refused.stderr.startswith("clearml ls: ") and "Traceback" not in refused.stderr
    assert run("clone").returncode == 2
