"""The official agent against our server: its worker as others see it, its commands, and how it leaves."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import RunningServer

from .helpers import Api, eventually, make_task, shown
from .official import AGENT_VERSION, WITHOUT_FORK, official_environment
from .session import OfficialSession

WORKER = "tested-agent"
ENDED = ("completed", "failed", "stopped")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("agent-home")


@pytest.fixture(scope="module")
def environment(server: RunningServer, official_agent: Path, home: Path) -> dict[str, str]:
    return official_environment(server, home, official_agent) | WITHOUT_FORK


@contextlib.contextmanager
def serving(
    official_agent: Path, environment: dict[str, str], home: Path, name: str, *queues: str
) -> Iterator[subprocess.Popen[bytes]]:
    """The agent as a daemon that calls itself `name`."""
    log = home / f"{name}.log"
    command = [str(official_agent / "clearml-agent"), "daemon", "--foreground", "--create-queue", "--queue", *queues]
    with log.open("wb") as out:
        started = subprocess.Popen(
            command, env={**environment, "CLEARML_WORKER_ID": name, "PYTHONUNBUFFERED": "1"}, cwd=home,
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
    try:
        yield started
    finally:
        started.kill()
        started.wait(20)
        print(log.read_text(errors="replace")[-6000:])


@pytest.fixture(scope="module")
def daemon(server: RunningServer, official_agent: Path, environment: dict[str, str], home: Path) -> Iterator[None]:
    """A daemon that serves two queues, the first of them made by itself."""
    server.call("queues.create", {"name": "agent second"})
    with serving(official_agent, environment, home, WORKER, "agent first", "agent second"):
        yield


def run(official_agent: Path, environment: dict[str, str], *arguments: str) -> str:
    """The output of one command of the agent."""
    ended = subprocess.run(
        [str(official_agent / "clearml-agent"), *arguments],
        env=environment, cwd=environment["HOME"], capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def worker(call: Api, id: str = WORKER) -> dict[str, Any] | None:
    return next((item for item in call("workers.get_all", {"last_seen": 0})["workers"] if item["id"] == id), None)


def test_daemon_is_a_worker_with_its_queues(daemon: None, call: Api) -> None:
    found = eventually(lambda: worker(call), 40)
    assert [queue["name"] for queue in found["queues"]] == ["agent first", "agent second"]
    assert found["user"]["id"] == call("users.get_current_user")["user"]["id"]
    assert not found.get("task")
    assert found["register_timeout"] >= 60
    made = call("queues.get_all", {"name": "^agent first$"})["queues"]
    assert len(made) == 1


def test_typed_client_sees_the_worker(daemon: None, call: Api, api: Api) -> None:
    eventually(lambda: worker(call), 40)
    listed = api("workers.get_all", last_seen=600)
    (found,) = [item for item in listed if item["id"] == WORKER]
    assert [queue["name"] for queue in found["queues"]] == ["agent first", "agent second"]


def test_list_prints_the_worker(daemon: None, official_agent: Path, environment: dict[str, str], call: Api) -> None:
    eventually(lambda: worker(call), 40)
    text = run(official_agent, environment, "list")
    assert WORKER in text
    assert "agent first" in text


def test_commands_that_need_no_server(official_agent: Path, environment: dict[str, str], server: RunningServer) -> None:
    assert AGENT_VERSION in run(official_agent, environment, "--version")
    assert server.api in run(official_agent, environment, "config")


@pytest.mark.timeout(240)
def test_daemon_reports_the_task_it_runs_and_stops_it_on_request(
    daemon: None, official: OfficialSession, call: Api, project: str
) -> None:
    script = {
        "binary": "python", "repository": "", "entry_point": "wait.py", "working_dir": ".", "requirements": {"pip": ""},
        "diff": "import time\nfor n in range(600):\n    print('tick', n, flush=True)\n    time.sleep(0.5)\n",
    }  # fmt: skip
    task = make_task(call, project, "waits for its end", script=script)
    call("tasks.enqueue", {"task": task, "queue_name": "agent second"})

    def ticks() -> bool:
        events = call("events.get_task_log", {"task": task, "batch_size": 1000, "order": "asc"})["events"]
        assert shown(call, task)["status"] not in ENDED, "".join(event["msg"] for event in events)[-3000:]
        return bool(re.search(r"^tick \d+", "".join(event["msg"] for event in events), re.MULTILINE))

    eventually(ticks, 120)
    found = eventually(lambda: (worker(call) or {}).get("task"), 40)
    assert (found["id"], found["name"]) == (task, "waits for its end")
    assert shown(call, task)["last_worker"] == WORKER

    def stop(id: str) -> None:
        from clearml import Task

        Task.get_task(task_id=id).mark_stop_request()

    official.run(stop, task)
    eventually(lambda: shown(call, task)["status"] == "stopped", 60)
    eventually(lambda: not (worker(call) or {}).get("task"), 40)


def test_daemon_unregisters_when_it_ends(
    official_agent: Path, environment: dict[str, str], home: Path, call: Api
) -> None:
    with serving(official_agent, environment, home, "leaving-agent", "agent third") as started:
        # Before its first poll the agent dies of the signal, and tells nobody.
        eventually(lambda: "No tasks in" in (home / "leaving-agent.log").read_text(errors="replace"), 60)
        assert worker(call, "leaving-agent")
        started.send_signal(signal.SIGINT)
        started.wait(40)
        eventually(lambda: worker(call, "leaving-agent") is None, 40)
