"""The runner alone: ugly children, kills at every step, and a result that is there or was never promised."""

from __future__ import annotations

import ast
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pytest

from clearml_agent import runner
from clearml_agent.docker import relay

RUNNER = Path(runner.__file__)
LIMIT_S = 50.0
PYTHON = os.environ.get("CONTAINER_PYTHON", sys.executable)
"""What runs the files that run in containers: CONTAINER_PYTHON names another one than this, from 3.6 on."""


def until(holds: Callable[[], Any]) -> Any:
    """Wait for a fact about another process, which nothing announces to this one."""
    deadline = time.monotonic() + LIMIT_S
    while not (found := holds()):
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.005)
    return found


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


class Started:
    """A runner process over a run directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, code: str, *arguments: str, grace_s: float = 5.0, **launch: Any) -> subprocess.Popen[bytes]:
        description = {
            "argv": [sys.executable, "-u", "-c", code, *arguments],
            "cwd": str(self.directory),
            "env": {"PATH": os.environ["PATH"]},
            "grace_s": grace_s,
            "leftover_grace_s": 0.2,
            **launch,
        }
        (self.directory / "launch.json").write_text(json.dumps(description))
        return self.again()

    def again(self) -> subprocess.Popen[bytes]:
        command = [PYTHON, "-I", "-S", str(RUNNER), str(self.directory)]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
        self.processes.append(process)
        return process

    def text(self) -> str:
        log = self.directory / "log"
        return log.read_text() if log.exists() else ""

    def result(self) -> dict[str, Any]:
        return dict(json.loads((self.directory / "result.json").read_text()))

    def pids(self, count: int) -> list[int]:
        """The numbers that the children printed, once there are `count` of them."""
        until(lambda: len([word for word in self.text().split() if word.isdigit()]) >= count)
        return [int(word) for word in self.text().split() if word.isdigit()]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Started]:
    started = Started(tmp_path)
    yield started
    for process in started.processes:
        if process.poll() is None:
            process.send_signal(signal.SIGQUIT)
        process.wait(LIMIT_S)


@pytest.mark.parametrize("module", [runner, relay], ids=["runner", "relay"])
def test_the_file_runs_on_python_3_6_with_the_standard_library_alone(module: ModuleType) -> None:
    tree = ast.parse(Path(module.__file__ or "").read_text(), feature_version=(3, 6))
    imported = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    assert imported <= set(sys.stdlib_module_names)


def test_output_exit_code_and_times_are_recorded(run: Started) -> None:
    process = run.start("import sys; print('one'); print('two', file=sys.stderr); sys.exit(7)")
    assert process.wait(LIMIT_S) == 0
    assert run.text() == "one\ntwo\n"
    result = run.result()
    assert (result["exit_code"], result["signal"], result["error"]) == (7, None, "")
    assert result["peak_rss_bytes"] > 1_000_000
    started = json.loads((run.directory / "started").read_text())
    assert started["started_at"] <= result["ended_at"] <= time.time()


def test_a_signal_that_ended_the_task_is_named(run: Started) -> None:
    run.start("import os; os.kill(os.getpid(), 9)").wait(LIMIT_S)
    assert (run.result()["exit_code"], run.result()["signal"]) == (None, 9)
    assert run.result()["stop_signal"] == ""


def test_a_program_that_cannot_start_is_an_error_with_its_reason(run: Started) -> None:
    run.start("", argv=["/no/such/python"]).wait(LIMIT_S)
    assert "No such file" in run.result()["error"]
    assert run.result()["exit_code"] == 127


def test_the_task_sees_default_signals_and_no_descriptor_of_the_runner(run: Started) -> None:
    code = (
        "import os, signal; print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, signal.pthread_sigmask(0, ()),"
        "[int(f) for f in os.listdir('/proc/self/fd') if os.path.exists('/proc/self/fd/' + f)],"
        "os.getsid(0) == os.getpid())"
    )
    run.start(code).wait(LIMIT_S)
    assert run.text() == "True set() [0, 1, 2] True\n"


def test_sigterm_lets_the_task_end_in_its_own_way(run: Started) -> None:
    code = "import signal, sys, time\nsignal.signal(15, lambda *_: sys.exit(3))\nprint(1)\ntime.sleep(60)"
    process = run.start(code)
    run.pids(1)
    process.terminate()
    process.wait(LIMIT_S)
    assert (run.result()["exit_code"], run.result()["stop_signal"]) == (3, "SIGTERM")


UGLY = {
    "ignores SIGTERM": "import os, signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint(os.getpid())\ntime.sleep(60)",
    "double fork and setsid": (
        "import os, signal, time\nsignal.signal(15, signal.SIG_IGN)\n"
        "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        "        print(os.getpid())\n        time.sleep(60)\n    os._exit(0)\n"
        "print(os.getpid())\ntime.sleep(60)"
    ),
    "forks for ever": (
        "import os, signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint(os.getpid())\nwhile True:\n"
        "    if os.fork() == 0:\n        time.sleep(0.05)\n        if os.fork(): os._exit(0)\n        time.sleep(30)\n"
        "    time.sleep(0.02)\n"
    ),
    "stopped by itself": "import os, signal\nprint(os.getpid())\nos.kill(os.getpid(), signal.SIGSTOP)",
}


@pytest.mark.parametrize("kind", UGLY)
def test_an_ugly_tree_is_dead_after_the_grace(run: Started, kind: str) -> None:
    process = run.start(UGLY[kind], grace_s=0.3)
    until(lambda: run.pids(2 if kind.startswith("double") else 1))
    if kind == "stopped by itself":  # which it is a moment after it said its name
        until(lambda: psutil.Process(run.pids(1)[0]).status() == psutil.STATUS_STOPPED)
    pids = run.pids(1) + list(runner.descendants(process.pid, 0))
    process.terminate()
    process.wait(LIMIT_S)
    assert run.result()["left"] == []
    assert not [pid for pid in pids if is_running(pid)]
    assert run.result()["signal"] == signal.SIGKILL


def test_sigquit_kills_without_grace(run: Started) -> None:
    process = run.start(UGLY["double fork and setsid"], grace_s=600)
    pids = run.pids(2)
    process.send_signal(signal.SIGQUIT)
    process.wait(LIMIT_S)  # raises when it is given its grace
    assert not [pid for pid in pids if is_running(pid)]


def test_what_the_main_process_leaves_behind_ends_with_it(run: Started) -> None:
    code = (
        "import os, sys, time\nheard, says = os.pipe()\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        "        print(os.getpid())\n        os.write(says, b'.')\n        time.sleep(60)\n    os._exit(0)\n"
        "os.read(heard, 1)\nsys.exit(4)"
    )
    run.start(code).wait(LIMIT_S)
    assert run.result()["exit_code"] == 4
    assert not [pid for pid in run.pids(1) if is_running(pid)]


def test_a_leftover_that_holds_stdout_does_not_lose_what_it_wrote(run: Started) -> None:
    code = (
        "import os, signal, time\nheard, says = os.pipe()\n"
        "if os.fork() == 0:\n    signal.signal(15, lambda *_: (print('late'), os._exit(0)))\n"
        "    print(os.getpid(), flush=True)\n    os.write(says, b'.')\n    time.sleep(60)\n"
        "os.read(heard, 1)\nprint('main ends')"
    )
    run.start(code, leftover_grace_s=30).wait(LIMIT_S)
    assert run.text().endswith("main ends\nlate\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGUSR1])
def test_other_signals_are_handed_to_the_task(run: Started, number: int) -> None:
    code = f"import signal, sys, time\nsignal.signal({int(number)}, lambda *_: sys.exit(9))\nprint(1)\ntime.sleep(60)"
    process = run.start(code)
    run.pids(1)
    process.send_signal(number)
    process.wait(LIMIT_S)
    assert (run.result()["exit_code"], run.result()["stop_signal"]) == (9, "")


def test_a_killed_runner_takes_the_task_along_and_leaves_no_result(run: Started) -> None:
    process = run.start("import os, time\nprint(os.getpid())\ntime.sleep(60)")
    (pid,) = run.pids(1)
    process.kill()
    process.wait(LIMIT_S)
    until(lambda: not is_running(pid))
    assert not (run.directory / "result.json").exists()
    with open(run.directory / "lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # free: raises otherwise


def test_a_run_is_never_started_twice(run: Started) -> None:
    first = run.start("import os, time\nprint(os.getpid())\ntime.sleep(60)")
    run.pids(1)
    assert run.again().wait(LIMIT_S) == runner.EXIT_TAKEN  # the first one lives
    first.kill()
    first.wait(LIMIT_S)
    assert run.again().wait(LIMIT_S) == runner.EXIT_TAKEN  # the first one is dead, the task has begun
    assert len(run.pids(1)) == 1


def test_a_runner_killed_before_the_start_is_recorded_has_run_nothing(run: Started) -> None:
    """Many kills at growing delays: without the marker there is no line of the task, with it the task began once."""
    for index in range(25):
        folder = run.directory / str(index)
        folder.mkdir()
        one = Started(folder)
        process = one.start("print('ran')")
        time.sleep(index * 0.002)  # the moment of the kill is what is varied
        process.kill()
        process.wait(LIMIT_S)
        if not (folder / "started").exists():
            assert one.again().wait(LIMIT_S) == 0
            assert one.text() == "ran\n"
        else:
            assert one.text() in ("", "ran\n")


def test_a_result_is_whole_or_absent(tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    runner.write_json(str(target), {"exit_code": 1})
    runner.write_json(str(target), {"exit_code": 2})
    assert json.loads(target.read_text()) == {"exit_code": 2}
    assert list(tmp_path.iterdir()) == [target]
    assert target.stat().st_mode & 0o077 == 0
