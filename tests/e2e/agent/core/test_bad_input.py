"""What tasks, machines and people do wrong: each ends with a stated cause, and the agent goes on."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from .conftest import Agent, Tasks, is_running, marked_processes, until

pytestmark = pytest.mark.timeout(180)

LINE = 100
"""Bytes of a line of a flood."""
FLOOD = "import sys\nfor n in range({count}): sys.stdout.write('%09d ' % n + 'x' * 89 + '\\n')\n"


def git(folder: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@t", *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def log_messages(tasks: Tasks, task: str) -> Iterator[str]:
    """The texts of the task's log, in order, a page at a time."""
    body: dict[str, Any] = {"task": task, "event_type": "log", "order": "asc", "batch_size": 500}
    while events := (answer := tasks.server.call("events.get_task_events", body))["events"]:
        yield from (event["msg"] for event in events)
        body["scroll_id"] = answer["scroll_id"]


def closed_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


# ------------------------------------------------------------------------------------------------------ consoles


def test_a_script_that_closes_its_output_is_waited_for_to_its_end(agent: Agent, tasks: Tasks) -> None:
    code = (
        "import os, time\nprint('before', flush=True)\nos.close(1)\nos.close(2)\n"
        "while not os.path.exists('go'): time.sleep(0.05)\nos._exit(5)\n"
    )
    agent.start(queue=tasks.queue)
    task = tasks.submit(code)
    tasks.says(task, "\nbefore\n")
    pids = marked_processes(f"/runs/{task}.")
    assert len(pids) >= 1 and tasks.status(task) == "in_progress"
    (run,) = agent.runs
    (next((run / "code").rglob("main.py")).parent / "go").touch()
    found = tasks.finished(task)
    assert (found["status"], found["status_reason"]) == ("failed", "worker execution exit code 5")
    assert tasks.console(task).endswith("\nbefore\nProcess failed, exit code 5\n")


@pytest.mark.parametrize(
    "size", [16_000_000, pytest.param(1_000_000_000, marks=[pytest.mark.full, pytest.mark.timeout(1800)])]
)
def test_a_flood_of_output_arrives_whole_and_in_order_and_fills_no_memory(
    agent: Agent, tasks: Tasks, size: int
) -> None:
    process = agent.start(queue=tasks.queue)
    count = size // LINE
    task = tasks.submit(FLOOD.format(count=count))
    assert tasks.finished(task, 60 + size / 1_000_000)["status"] == "completed"
    seen = 0
    for message in log_messages(tasks, task):
        for line in message.splitlines():
            if line.endswith("xxx"):
                assert int(line[:9]) == seen
                seen += 1
    assert seen == count
    facts = Path(f"/proc/{process.pid}/status").read_text()
    peak = next(line for line in facts.splitlines() if line.startswith("VmHWM:"))
    print(peak)
    assert int(peak.split()[1]) < 160_000  # kB


def test_a_script_that_opens_its_own_output_again_is_heard_on(agent: Agent, tasks: Tasks) -> None:
    """`tee /dev/stderr`, `> /dev/stdout`: what is a file is emptied by that."""
    code = (
        "for n in 1 2 3; do echo line $n; done\nwhile [ ! -e go ]; do sleep 0.05; done\n"
        "echo by tee | tee /dev/stderr > /dev/null\nfor n in 4 5 6; do echo line $n; done\n"
        "while [ ! -e on ]; do sleep 0.05; done\n"
        "echo by the shell > /dev/stdout\nfor n in 7 8 9; do echo line $n; done\n"
    )
    agent.start(queue=tasks.queue)
    task = tasks.submit(code, binary="bash", entry_point="main.sh")
    for said, word in (("line 3\n", "go"), ("line 6\n", "on")):
        tasks.says(task, said)
        (run,) = agent.runs
        (next((run / "code").rglob("main.sh")).parent / word).touch()
    assert tasks.finished(task)["status"] == "completed"
    console = tasks.console(task)
    assert "\nby tee\n" in console and "\nby the shell\n" in console
    assert tasks.numbers(task, "line") == list(range(1, 10))


def test_binary_garbage_stays_readable_text(agent: Agent, tasks: Tasks) -> None:
    code = (
        "import os, random\nr = random.Random(7)\n"
        "for _ in range(40): os.write(1, r.randbytes(8192))\n"
        "os.write(1, b'\\x00\\xff\\xfe\\x1b[2J\\n' + bytes(range(256)) + b'\\nfine: \\xe2\\x82\\xac\\nend\\n')\n"
    )
    agent.start(queue=tasks.queue)
    task = tasks.submit(code)
    assert tasks.finished(task)["status"] == "completed"
    console = tasks.console(task)
    assert console.endswith("\nfine: \N{EURO SIGN}\nend\nProcess completed successfully\n")
    assert console.count("\N{REPLACEMENT CHARACTER}") > 10_000
    assert tasks.finished(tasks.submit("print('next')"))["status"] == "completed"


@pytest.mark.parametrize(
    "seconds", [3, pytest.param(600, marks=[pytest.mark.full, pytest.mark.timeout(900)])], ids=["short", "long"]
)
def test_a_progress_bar_that_never_ends_its_line_is_seen_and_costs_one_message_a_second(
    agent: Agent, tasks: Tasks, seconds: int
) -> None:
    code = (
        "import os, sys, time\nend = time.monotonic() + {seconds}\nn = 0\n"
        "while time.monotonic() < end or not os.path.exists('go'):\n"
        "    n += 1\n    sys.stdout.write('\\r%7d of many [====>    ]' % n)\n"
        "    sys.stdout.flush()\n    time.sleep(0.02)\n"
        "print('\\rall of many')\nprint('updates', n)\nprint('took', int(time.monotonic() - end) + {seconds})\n"
    )
    agent.start(queue=tasks.queue)
    task = tasks.submit(code.replace("{seconds}", str(seconds)))
    tasks.says(task, "of many")
    assert tasks.status(task) == "in_progress"
    (run,) = agent.runs
    (next((run / "code").rglob("main.py")).parent / "go").touch()
    assert tasks.finished(task, 60 + 2 * seconds)["status"] == "completed"
    states = [message for message in log_messages(tasks, task) if "of many" in message]
    (updates,) = tasks.numbers(task, "updates")
    assert "all of many\n" in states[-1]
    (took_s,) = tasks.numbers(task, "took")
    assert updates > 50 and 2 <= len(states) <= took_s + 3
    assert sum(map(len, states)) < 100 * len(states)


# ------------------------------------------------------------------------------------------------------- machines


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m,mode=700", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"this user cannot mount a file system: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Leave no room in a file system; returns the file to remove."""
    path = folder / "ballast"
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (1 << 20, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while file.write(b"\0" * size):
                    pass
    return path


def test_a_task_is_not_taken_to_a_full_disk_and_runs_when_there_is_room(
    agent: Agent, tasks: Tasks, small_disk: Path
) -> None:
    agent.variables["CLEARML_AGENT_HOME"] = str(small_disk)
    agent.start(queue=tasks.queue)
    ballast = fill(small_disk)
    task = tasks.submit("print('there is room')\n")
    until(lambda: b"goes back to its queue" in agent.output.read_bytes(), what="for the agent to refuse the task")
    assert b"No space left on device" in agent.output.read_bytes()
    ballast.unlink()
    assert tasks.finished(task)["status"] == "completed"
    assert "\nthere is room\n" in tasks.console(task)


def test_a_task_that_fills_the_disk_with_its_output_is_reported_all_the_same(
    agent: Agent, tasks: Tasks, small_disk: Path
) -> None:
    agent.variables["CLEARML_AGENT_HOME"] = str(small_disk)
    agent.start(queue=tasks.queue)
    task = tasks.submit("print('begun', flush=True)\n" + FLOOD.format(count=400_000))
    found = tasks.finished(task, 90)
    assert found["status"] == "failed" and "no room was left on the disk" in found["status_message"]
    console = tasks.console(task)
    assert "\nbegun\n" in console
    assert console.endswith(f"Process failed, exit code {found['status_reason'].rpartition(' ')[2]}\n")
    until(lambda: not agent.runs, what="for the run's files to go")
    assert b"free some space" in agent.output.read_bytes()
    assert tasks.finished(tasks.submit("print('next')"))["status"] == "completed"


def test_a_task_that_cannot_be_prepared_on_a_full_disk_fails_with_the_cause(
    agent: Agent, tasks: Tasks, small_disk: Path
) -> None:
    agent.variables["CLEARML_AGENT_HOME"] = str(small_disk)
    agent.start(queue=tasks.queue)
    tasks.finished(tasks.submit("print('the environment is there')\n"))
    until(lambda: not agent.runs)
    ballast = fill(small_disk)
    os.truncate(ballast, ballast.stat().st_size - 200_000)
    task = tasks.submit("print('must not run')\n" + "# a long script\n" * 100_000)
    found = tasks.finished(task)
    assert found["status"] == "failed"
    assert "No space left on device" in found["status_message"]
    assert "No space left on device" in tasks.console(task) and "must not run" not in tasks.console(task)
    done = agent.run("execute", "--id", tasks.create("# longer\n" * 100_000))
    assert done.returncode == 1 and "No space left on device" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    ballast.unlink()
    assert tasks.finished(tasks.submit("print('next')"))["status"] == "completed"


def test_a_daemon_whose_own_output_goes_nowhere_runs_its_tasks(agent: Agent, tasks: Tasks) -> None:
    command = agent.command("daemon", "--queue", tasks.queue, "--foreground")
    with Path("/dev/full").open("wb") as full, agent.output.open("wb") as errors:
        agent.process = subprocess.Popen(
            command, env=agent.environment, stdin=subprocess.DEVNULL, stdout=full, stderr=errors, start_new_session=True
        )
    task = tasks.submit("print('heard by the server')\n")
    assert tasks.finished(task)["status"] == "completed"
    assert "\nheard by the server\n" in tasks.console(task)
    assert agent.output.read_bytes().count(b"the console is not shown on standard output") == 1
    done = agent.run("execute", "--id", tasks.create("print('here')\n"), "--log-file", "/dev/full")
    assert done.returncode == 0 and "\nhere\n" in done.stdout and "not shown on /dev/full" in done.stderr
    assert agent.stop() == 0


# --------------------------------------------------------------------------------------------------- repositories


def test_a_commit_that_vanished_from_its_repository_fails_with_advice(
    agent: Agent, tasks: Tasks, tmp_path: Path
) -> None:
    here, there = tmp_path / "here", tmp_path / "there.git"
    here.mkdir()
    git(tmp_path, "init", "-q", "--bare", "-b", "main", str(there))
    git(here, "init", "-q", "-b", "main")
    for text in ("one", "two"):
        (here / "main.py").write_text(f"print({text!r})\n")
        git(here, "add", "-A")
        git(here, "commit", "-qm", text)
    vanishes = git(here, "rev-parse", "HEAD")
    git(here, "push", "-q", str(there), "main")
    git(here, "reset", "-q", "--hard", "HEAD~1")
    git(here, "push", "-qf", str(there), "main")
    git(there, "reflog", "expire", "--expire=now", "--all")
    git(there, "gc", "-q", "--prune=now")
    agent.start(queue=tasks.queue)
    task = tasks.submit("", repository=there.as_uri(), branch="main", version_num=vanishes)
    found = tasks.finished(task)
    assert (found["status"], found["status_reason"]) == ("failed", "failed cloning repository")
    assert f"commit {vanishes} was not found" in found["status_message"] and "git push" in found["status_message"]
    git(here, "reset", "-q", "--hard", vanishes)
    git(here, "push", "-q", str(there), "main")
    tasks.server.call("tasks.reset", {"task": task})
    tasks.enqueue(task)
    assert tasks.finished(task)["status"] == "completed"
    assert "\ntwo\n" in tasks.console(task)


@pytest.mark.parametrize(
    ("name", "text", "advice"),
    [
        ("uv.lock", "version = 1\n<<<<<<< HEAD\n", "uv.lock of the code cannot be read"),
        ("uv.lock", "version = 1\nrequires-python = '>=3.11'\n", "uv lock"),
        ("poetry.lock", "[[package]]\nname = 'idna", "poetry.lock of the code cannot be read"),
        ("pylock.toml", "lock-version = \n", "pylock.toml of the code cannot be read"),
    ],
    ids=["conflict", "does not fit", "cut off", "no value"],
)
def test_a_broken_lock_file_fails_with_advice(
    agent: Agent, tasks: Tasks, tmp_path: Path, name: str, text: str, advice: str
) -> None:
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "main.py").write_text("print('must not run')\n")
    (folder / "pyproject.toml").write_text(
        "[project]\nname = 'mine'\nversion = '1'\nrequires-python = '>=3.11'\ndependencies = ['idna']\n"
    )
    (folder / name).write_text(text)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "x")
    agent.start(queue=tasks.queue)
    found = tasks.finished(tasks.submit("", repository=folder.as_uri(), branch="main"))
    assert (found["status"], found["status_reason"]) == ("failed", "failed installing packages")
    assert advice in found["status_message"]


# -------------------------------------------------------------------------------------------------------- servers


def test_an_agent_without_a_server_says_so_and_serves_when_there_is_one(
    own_server: Any, new_agent: Callable[..., Agent]
) -> None:
    agent, tasks = new_agent(own_server), Tasks(own_server, "default")
    own_server.kill()
    with agent.output.open("wb") as out:
        command = agent.command("daemon", "--queue", "default", "--foreground")
        agent.process = subprocess.Popen(
            command, env=agent.environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    until(lambda: f"no answer from {own_server.facts['api_server']}".encode() in agent.output.read_bytes())
    assert is_running(agent.process.pid)
    own_server.restart()
    until(lambda: b"answers again" in agent.output.read_bytes())
    assert tasks.finished(tasks.submit("print('served')"))["status"] == "completed"


def test_a_detached_agent_without_a_server_is_left_waiting_for_it(
    own_server: Any, new_agent: Callable[..., Agent]
) -> None:
    agent, tasks = new_agent(own_server), Tasks(own_server, "default")
    own_server.kill()
    done = agent.run("daemon", "--queue", "default", "--detached")
    assert done.returncode == 0, done.stderr
    assert "serves as soon as it can" in done.stdout
    assert f"no answer from {own_server.facts['api_server']}" in done.stderr
    try:
        own_server.restart()
        assert tasks.finished(tasks.submit("print('served')"))["status"] == "completed"
    finally:
        assert agent.run("daemon", "--stop").returncode == 0


def test_commands_without_a_server_end_with_a_message(agent: Agent) -> None:
    agent.variables["CLEARML_API_HOST"] = address = f"http://127.0.0.1:{closed_port()}"
    commands = (("list",), ("explain", "x"), ("drain", "x:0"))
    with ThreadPoolExecutor() as threads:
        for done in threads.map(lambda command: agent.run(*command, limit_s=120), commands):
            assert done.returncode == 1
            assert address in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "command", [("daemon", "--queue", "default", "--foreground"), ("list",), ("execute", "--id", "x")]
)
def test_wrong_credentials_end_an_agent_at_once_with_a_message(agent: Agent, command: tuple[str, ...]) -> None:
    agent.variables["CLEARML_API_SECRET_KEY"] = "planted-wrong-secret"
    done = agent.run(*command)
    assert done.returncode == 1
    assert "credentials" in done.stderr and agent.server.access_key in done.stderr
    assert "planted-wrong-secret" not in done.stderr + done.stdout and "Traceback" not in done.stderr


def test_a_configuration_that_cannot_be_read_is_told_with_its_place(agent: Agent, tmp_path: Path) -> None:
    path = tmp_path / "broken.conf"
    path.write_text("api { web_server: here\nagent { this is { not\n")
    done = agent.run("--config-file", str(path), "daemon", "--queue", "default", "--foreground")
    assert done.returncode in (1, 2)
    assert str(path) in done.stderr and "Traceback" not in done.stderr


def test_a_script_that_ignores_sigterm_is_killed_after_the_grace_when_it_is_aborted(agent: Agent, tasks: Tasks) -> None:
    agent.variables["CLEARML__AGENT__STOP_GRACE_SEC"] = "0.5"
    agent.start(queue=tasks.queue)
    code = (
        "import os, signal, time\nfor n in (1, 2, 15): signal.signal(n, signal.SIG_IGN)\n"
        "os.fork()\nprint('up', flush=True)\nwhile True: time.sleep(1)\n"
    )
    task = tasks.submit(code)
    tasks.says(task, "\nup\n")
    tasks.server.call("tasks.stop", {"task": task})
    found = tasks.finished(task)
    assert (found["status"], found["status_reason"]) == ("stopped", "task was stopped by tasks.stop")
    assert [pid for pid in marked_processes(f"/runs/{task}.") if is_running(pid)] == []
    assert agent.process is not None and agent.process.poll() is None
    os.kill(agent.process.pid, signal.SIGINT)
    assert agent.process.wait(45) == 0
