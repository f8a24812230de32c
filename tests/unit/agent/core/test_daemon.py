"""The daemon and its runs against a server whose failures are chosen; real processes, real files."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from clearml_agent.api import Api, Connection
from clearml_agent.config import AgentConfig
from clearml_agent.daemon import Daemon
from clearml_agent.queues import Queue
from clearml_agent.runs import RunDirectory
from clearml_agent.watch import is_same_process
from clearml_sdk.api_settings import ApiSettings
from clearml_sdk.config import Config

from .fake_server import FakeServer, serving

pytestmark = pytest.mark.timeout(240)


def script(code: str) -> dict[str, Any]:
    return {"entry_point": "main.py", "diff": code, "binary": "python3"}


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    async with serving(FakeServer()) as started:
        yield started


def settings(server: FakeServer, home: Path, **changes: Any) -> AgentConfig:
    return AgentConfig(
        config=Config({}),
        api=ApiSettings(server.url, access_key="k", secret_key="s"),
        home=home,
        **{"worker_name": "host", "grace_s": 2.0, **changes},
    )


@asynccontextmanager
async def agent(server: FakeServer, home: Path, **changes: Any) -> AsyncIterator[Daemon]:
    """A daemon of this process; drained at the end."""
    config = settings(server, home, **changes)
    async with Connection(config.api) as connection:
        daemon = Daemon(
            config=config, api=Api(connection, config.api), worker="host:0", queues=[Queue("q1", "default")]
        )
        job = asyncio.ensure_future(daemon.run())
        try:
            yield daemon
        finally:
            daemon.on_signal("SIGINT")
            await job


@asynccontextmanager
async def killed_agent(server: FakeServer, home: Path, **changes: Any) -> AsyncIterator[None]:
    """A daemon that vanishes at the end of the block as by kill -9: nothing of it gets to act on its end."""
    config = settings(server, home, **changes)
    threads = ThreadPoolExecutor()
    asyncio.get_running_loop().set_default_executor(threads)
    async with Connection(config.api) as connection:
        daemon = Daemon(
            config=config, api=Api(connection, config.api), worker="host:0", queues=[Queue("q1", "default")]
        )
        job = asyncio.ensure_future(daemon.run())
        yield
        job.cancel()
        await asyncio.wait((job,))
    threads.shutdown()  # a killed process has no threads that go on
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor())


async def appears(path: Path) -> None:
    """Wait for a file that another process makes."""
    async with asyncio.timeout(60):
        while not path.exists():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.02)


def status(server: FakeServer, task: str) -> str:
    return str(server.tasks[task]["status"])


async def test_a_task_is_run_and_reported(server: FakeServer, tmp_path: Path) -> None:
    server.enqueue("t1", script("import os\nprint('hello', os.environ['CLEARML_TASK_ID'])\n"))
    async with agent(server, tmp_path):
        await server.until(lambda: status(server, "t1") == "completed")
    assert server.tasks["t1"]["status_reason"] == "worker execution done"
    assert server.tasks["t1"]["status_message"] == "Changed by clearml-agent host:0"
    text = server.text("t1")
    assert text.startswith("task t1 pulled from q1 by worker host:0\n")
    assert "\nhello t1\n" in text
    assert text.endswith("Process completed successfully\n")
    assert list((tmp_path / "runs").iterdir()) == []
    assert {claim for name, _, claim in server.calls if name in ("tasks.started", "tasks.completed")} == {"t1.1"}
    assert server.called("workers.unregister")


async def test_a_crashing_script_fails_with_its_exit_code(server: FakeServer, tmp_path: Path) -> None:
    server.enqueue("t1", script("raise ValueError('wrong')\n"))
    async with agent(server, tmp_path):
        await server.until(lambda: status(server, "t1") == "failed")
    assert server.tasks["t1"]["status_reason"] == "worker execution exit code 1"
    assert "ValueError: wrong" in server.text("t1")
    assert server.text("t1").endswith("Process failed, exit code 1\n")


async def test_a_stop_request_ends_the_tree_before_the_status(server: FakeServer, tmp_path: Path) -> None:
    code = (
        "import os, signal, time\nsignal.signal(15, signal.SIG_IGN)\n"
        "if os.fork() == 0:\n    os.setsid()\nos.write(1, b'pid %d\\n' % os.getpid())\ntime.sleep(60)\n"
    )
    server.enqueue("t1", script(code))
    async with agent(server, tmp_path, grace_s=0.2):
        await server.until(lambda: server.text("t1").count("pid ") == 2)
        server.stop("t1")
        await server.notify()
        await server.until(lambda: status(server, "t1") == "stopped")
        pids = [int(line.split()[1]) for line in server.text("t1").splitlines() if line.startswith("pid ")]
        assert not [pid for pid in pids if is_same_process(pid, None)]
    assert server.tasks["t1"]["status_reason"] == "task was stopped by tasks.stop"
    assert server.text("t1").endswith("User aborted: stopping task\nProcess aborted by user\n")


async def test_a_stopped_daemon_stops_its_task_and_says_so(server: FakeServer, tmp_path: Path) -> None:
    server.enqueue("t1", script("import time\nprint('up', flush=True)\ntime.sleep(60)\n"))
    async with agent(server, tmp_path):
        await server.until(lambda: "\nup\n" in server.text("t1"))
    assert status(server, "t1") == "stopped"
    assert server.tasks["t1"]["status_reason"] == "worker was stopped"
    assert list((tmp_path / "runs").iterdir()) == []


UP = "import time\nprint('up', flush=True)\ntime.sleep({})\n"


async def test_sigterm_lets_the_task_end_and_renews_its_lease_meanwhile(server: FakeServer, tmp_path: Path) -> None:
    go = tmp_path / "go"
    server.enqueue("t1", script(UP.format(0) + f"import os\nwhile not os.path.exists({str(go)!r}): time.sleep(0.05)\n"))
    server.lease_s = 0.6
    async with agent(server, tmp_path) as daemon:
        await server.until(lambda: "\nup\n" in server.text("t1"))
        server.enqueue("t2", script("pass\n"))
        daemon.on_signal("SIGTERM")
        renewed = len(server.called("agents.renew"))
        await server.until(lambda: len(server.called("agents.renew")) > renewed + 1)
        go.touch()
        await server.until(lambda: status(server, "t1") == "completed")
        async with asyncio.timeout(60):
            while "workers.unregister" not in [name for name, _, _ in server.calls]:  # it has left by itself
                await server.until(lambda: True)
                await asyncio.sleep(0.02)
    assert status(server, "t2") == "queued"


async def test_a_second_sigterm_puts_the_task_back_and_a_third_kills_it(server: FakeServer, tmp_path: Path) -> None:
    server.enqueue("t1", script("import signal\nsignal.signal(15, signal.SIG_IGN)\n" + UP.format(60)))
    async with agent(server, tmp_path, grace_s=30.0) as daemon:
        await server.until(lambda: "\nup\n" in server.text("t1"))
        for _ in range(3):
            daemon.on_signal("SIGTERM")
        await server.until(lambda: server.called("agents.release"))
    (released,) = server.called("agents.release")
    assert (released["task"], released["claim"]) == ("t1", 1)
    assert "SIGTERM" in released["reason"]
    assert "it goes back to its queue" in server.text("t1")
    assert server.waiting == ["t1"]
    assert list((tmp_path / "runs").iterdir()) == []


async def test_an_abort_while_the_task_goes_back_is_not_lost(server: FakeServer, tmp_path: Path) -> None:
    server.enqueue("t1", script("import signal\nsignal.signal(15, signal.SIG_IGN)\n" + UP.format(60)))
    async with agent(server, tmp_path, grace_s=1.0) as daemon:
        await server.until(lambda: "\nup\n" in server.text("t1"))
        daemon.on_signal("SIGTERM")
        daemon.on_signal("SIGTERM")
        server.stop("t1")
        await server.notify()
        await server.until(lambda: status(server, "t1") == "stopped")
    assert server.tasks["t1"]["status_reason"] == "task was stopped by tasks.stop"
    assert server.called("agents.release") == []


async def test_slots_bound_what_runs_at_a_time(server: FakeServer, tmp_path: Path) -> None:
    for index in range(3):
        server.enqueue(f"t{index}", script("print('ran', flush=True)\n"))
    async with agent(server, tmp_path):
        await server.until(lambda: all(status(server, f"t{i}") == "completed" for i in range(3)))
    assert {body["slots"] for body in server.called("agents.wait")} == {0, 1}
    order = [body["task"] for name, body, _ in server.calls if name in ("tasks.started", "tasks.completed")]
    assert order == ["t0", "t0", "t1", "t1", "t2", "t2"]


SLOW = "import sys, time\nfor i in range(40):\n    print('line', i, flush=True)\n    time.sleep(0.05)\nsys.exit(5)\n"
GATED = SLOW.replace("    print", "    while i == 20 and not os.path.exists(GATE): time.sleep(0.01)\n    print")


def gated(gate: Path) -> dict[str, Any]:
    """A script that stops half-way until that file is there."""
    return script(f"import os\nGATE = {str(gate)!r}\n{GATED}")


STEPS = [
    "tasks.started",
    "tasks.get_by_id",
    "events.add_batch",
    "tasks.edit",
    "workers.status_report",
    "tasks.failed",
]


@pytest.mark.parametrize("step", STEPS)
async def test_an_agent_that_dies_at_any_call_loses_nothing(server: FakeServer, tmp_path: Path, step: str) -> None:
    """The first agent never gets an answer to `step` and vanishes there; the second one finishes the task, once."""
    server.enqueue("t1", script(SLOW))
    reached = asyncio.Event()

    def hook(endpoint: str) -> int:
        if endpoint == step:
            reached.set()
            return 503  # which the agent retries for ever
        return 0

    server.hook = hook
    async with killed_agent(server, tmp_path):
        async with asyncio.timeout(30):
            await reached.wait()
    server.hook = lambda endpoint: 0
    async with agent(server, tmp_path):
        await server.until(lambda: status(server, "t1") == "failed")
    text = server.text("t1")
    lines = [line for line in text.splitlines() if line.startswith("line ")]
    assert lines == [f"line {i}" for i in range(40)], (server.tasks["t1"], text)
    assert server.tasks["t1"]["status_reason"] == "worker execution exit code 5"
    assert text.count("Process failed, exit code 5\n") == 1
    assert server.claims["t1"] == 1


async def test_the_task_goes_on_while_there_is_no_agent(server: FakeServer, tmp_path: Path) -> None:
    server.enqueue("t1", gated(tmp_path / "go"))
    async with killed_agent(server, tmp_path):
        await server.until(lambda: "line 3\n" in server.text("t1"))
    (tmp_path / "go").touch()
    await appears(tmp_path / "runs" / "t1.1" / "result.json")
    async with agent(server, tmp_path):
        await server.until(lambda: status(server, "t1") == "failed")
    lines = [line for line in server.text("t1").splitlines() if line.startswith("line ")]
    assert lines == [f"line {i}" for i in range(40)]


async def test_a_killed_runner_fails_the_task_and_leaves_no_process(server: FakeServer, tmp_path: Path) -> None:
    forks = "import os, time\nif os.fork() == 0:\n    os.setsid()\n"
    says = "os.write(1, b'pid %d\\n' % os.getpid())\ntime.sleep(60)\n"
    server.enqueue("t1", script(forks + says))
    async with agent(server, tmp_path):
        try:
            await server.until(lambda: server.text("t1").count("pid ") == 2)
        except TimeoutError:
            raise AssertionError(server.text("t1"), (next((tmp_path / "runs").iterdir()) / "log").read_text()) from None
        (path,) = (tmp_path / "runs").iterdir()
        _, pid, _ = RunDirectory(path, None, -1).phase()  # type: ignore[arg-type]
        assert pid is not None
        os.kill(pid.pid, signal.SIGKILL)
        await server.until(lambda: status(server, "t1") == "failed")
    assert server.tasks["t1"]["status_reason"] == "worker execution exit unknown"
    pids = [int(line.split()[1]) for line in server.text("t1").splitlines() if line.startswith("pid ")]
    assert not [pid for pid in pids if is_same_process(pid, None)]


async def test_a_server_that_is_away_costs_nothing(tmp_path: Path) -> None:
    server = FakeServer()
    server.enqueue("t1", gated(tmp_path / "go"))
    async with serving(server):
        port = int(server.url.rpartition(":")[2])
        config = settings(server, tmp_path)
        connection = await Connection(config.api).__aenter__()
        daemon = Daemon(config=config, api=Api(connection, config.api), worker="host:0", queues=[Queue("q1", "d")])
        job = asyncio.ensure_future(daemon.run())
        await server.until(lambda: "line 3\n" in server.text("t1"))
    (tmp_path / "go").touch()
    await appears(tmp_path / "runs" / "t1.1" / "result.json")
    async with serving(server, port):
        await server.until(lambda: status(server, "t1") == "failed")
        daemon.on_signal("SIGINT")
        await job
    await connection.__aexit__(None, None, None)
    lines = [line for line in server.text("t1").splitlines() if line.startswith("line ")]
    assert lines == [f"line {i}" for i in range(40)]


async def test_a_claim_that_is_not_valid_any_more_is_dropped_silently(server: FakeServer, tmp_path: Path) -> None:
    server.enqueue("t1", script("print('must not run')\n"))
    server.hook = lambda endpoint: 400 if endpoint == "tasks.started" else 0
    async with agent(server, tmp_path):
        async with asyncio.timeout(60):
            while (tmp_path / "runs").is_dir() is False or list((tmp_path / "runs").iterdir()):
                await server.until(lambda: True)
                await asyncio.sleep(0.02)  # a directory disappears
    assert status(server, "t1") == "queued"
    assert "must not run" not in server.text("t1")


async def test_a_broken_repository_says_what_to_do(server: FakeServer, tmp_path: Path) -> None:
    server.enqueue("t1", {"repository": f"file://{tmp_path}/none.git", "entry_point": "a.py", "branch": "main"})
    async with agent(server, tmp_path):
        await server.until(lambda: status(server, "t1") == "failed")
    assert server.tasks["t1"]["status_reason"] == "failed cloning repository"
    assert "none.git" in server.tasks["t1"]["status_message"]
    assert server.text("t1").endswith("Process failed, exit code 1\n")


async def test_a_stop_while_the_environment_is_made_is_obeyed(server: FakeServer, tmp_path: Path) -> None:
    slow = tmp_path / "slow" / "git"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    server.enqueue("t1", {"repository": "https://example.invalid/x.git", "entry_point": "a.py"})
    environ = {**os.environ, "PATH": f"{slow.parent}:{os.environ['PATH']}"}
    async with agent(server, tmp_path, environ=environ):
        await server.until(lambda: "Executing task id" in server.text("t1"))
        server.stop("t1")
        await server.notify()
        await server.until(lambda: status(server, "t1") == "stopped")
    assert server.tasks["t1"]["status_reason"] == "task was stopped by tasks.stop"


async def test_a_server_fault_at_the_last_report_leaves_nothing_unsaid(
    server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clearml_agent.api.BROKEN_LIMIT", 2)
    monkeypatch.setattr("clearml_agent.slots.FAULT_DELAY_S", 0.1)
    answers = [500] * 5
    server.hook = lambda endpoint: answers.pop() if endpoint == "tasks.completed" and answers else 0
    server.enqueue("t1", script("print('hello')\n"))
    async with agent(server, tmp_path):
        await server.until(lambda: status(server, "t1") == "completed")
    assert answers == []
    assert server.text("t1").count("hello\n") == 1
    assert list((tmp_path / "runs").iterdir()) == []


async def test_a_drained_worker_finishes_what_it_runs_and_takes_nothing_new(server: FakeServer, tmp_path: Path) -> None:
    server.enqueue("t1", script("import time\ntime.sleep(0.5)\n"))
    async with agent(server, tmp_path):
        await server.until(lambda: status(server, "t1") == "in_progress")
        server.drain = True
        server.enqueue("t2", script("pass\n"))
        await server.until(lambda: status(server, "t1") == "completed")
        await server.until(lambda: server.called("agents.wait")[-1]["slots"] == 0)
        assert status(server, "t2") == "queued"
        server.drain = False
        await server.notify()
        await server.until(lambda: status(server, "t2") == "completed")
