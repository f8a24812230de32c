"""Processes forked for jobs: what their scripts see is what a script sees that Python was started with."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from clearml_sdk.automation.jobs import forking, processes
from clearml_sdk.automation.jobs.processes import Order
from clearml_sdk.automation.jobs.step_server import IMPORTED

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(not forking.IS_HERE, reason="processes are forked on Linux alone"),
]

LOOK = """
import json, multiprocessing, os, sys, threading

def double(value):
    return 2 * value

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        doubled = pool.map(double, [1, 2])
    import beside
    json.dump({
        "argv": [os.path.basename(sys.argv[0]), *sys.argv[1:]],
        "path": os.path.basename(sys.path[0]),
        "folder": os.getcwd(),
        "wish": os.environ.get("WISH"),
        "lost": os.environ.get("FORK_TEST_LOST"),
        "doubled": doubled,
        "file": os.path.basename(__file__),
        "spec": __spec__ is None,
        "main": sys.modules["__main__"].double is double,
        "beside": beside.VALUE,
        "leads": os.getpid() == os.getsid(0),
        "threads": threading.active_count(),
    }, open("seen", "w"), sort_keys=True)
"""


@pytest.fixture(autouse=True)
def retired() -> Iterator[None]:
    yield
    forking.retire()


def started(folder: Path, code: str, **variables: str) -> forking.Forked:
    (folder / "script").mkdir(exist_ok=True)
    path = folder / "script" / "look.py"
    path.write_text(code)
    (folder / "script" / "beside.py").write_text("VALUE = 7\n")
    environment = {**os.environ, **variables}
    forked = forking.fork(environment)
    assert forked is not None
    forked.tell(Order(str(folder), environment, path=str(path), arguments=["one", "two"]))
    return forked


def test_script_sees_what_it_would_see_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORK_TEST_LOST", "1")
    forking.prepare()
    monkeypatch.delenv("FORK_TEST_LOST")
    assert started(tmp_path, LOOK, WISH="granted").wait() == 0
    forked = (tmp_path / "seen").read_text()
    command = [sys.executable, str(tmp_path / "script/look.py"), "one", "two"]
    subprocess.run(command, cwd=tmp_path, env={**os.environ, "WISH": "granted"}, check=True, start_new_session=True)
    assert forked == (tmp_path / "seen").read_text()
    assert '"wish": "granted"' in forked


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        ("pass", 0),
        ("raise SystemExit(3)", 3),
        ("import sys; sys.exit('said')", 1),
        ("1 / 0", 1),
        ("syntax error", 1),
        ("import os; os._exit(5)", 5),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -9),
    ],
)
def test_exit_codes(tmp_path: Path, code: str, exit_code: int) -> None:
    assert started(tmp_path, code).wait() == exit_code


def test_traceback_tells_of_the_script_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert started(tmp_path, "def broken():\n    raise ValueError('told')\n\nbroken()\n").wait() == 1
    said = capfd.readouterr().err
    assert "ValueError: told" in said
    assert said.count("File ") == 2
    assert "step_server" not in said


def test_module_and_many_at_once(tmp_path: Path) -> None:
    (tmp_path / "counted.py").write_text("import sys; open(sys.argv[1], 'w').write(__name__)\n")
    forks = []
    for number in range(6):
        forked = forking.fork(os.environ)
        assert forked is not None
        forked.tell(Order(str(tmp_path), os.environ, module="counted", arguments=[f"out{number}"]))
        forks.append(forked)
    assert [one.wait() for one in forks] == [0] * 6
    assert {(tmp_path / f"out{number}").read_text() for number in range(6)} == {"__main__"}


def test_lists_of_processes_show_the_script(tmp_path: Path) -> None:
    assert started(tmp_path, "open('comm', 'w').write(open('/proc/self/comm').read())").wait() == 0
    assert (tmp_path / "comm").read_text() == "look.py\n"


def test_process_without_an_order_ends(tmp_path: Path) -> None:
    forked = forking.fork(os.environ)
    assert forked is not None
    name = processes.name_of(forked.pid)
    assert processes.pid_of(name) == forked.pid
    forked.dismiss()
    assert forked.wait() == 0
    assert processes.pid_of(name) is None


def test_processes_outlive_the_program_and_another_one_is_started(tmp_path: Path) -> None:
    wait = "import os, time\nopen('begun', 'w').close()\nwhile not os.path.exists('go'): time.sleep(0.01)\n"
    wait += "open('done', 'w').close()\n"
    first = started(tmp_path, wait)
    while not (tmp_path / "begun").exists():
        threading.Event().wait(0.01)
    server = forking._servers[0]
    server._popen.kill()
    while not server.is_over:
        threading.Event().wait(0.01)
    second = started(tmp_path, "pass")
    assert second.wait() == 0
    assert processes.pid_of(processes.name_of(first.pid)) == first.pid
    (tmp_path / "go").touch()
    assert first.wait() is None  # nobody learned how it ended
    assert (tmp_path / "done").exists()


def test_processes_of_a_retired_program_are_waited_for(tmp_path: Path) -> None:
    forked = started(tmp_path, "import time; time.sleep(0.3); raise SystemExit(4)")
    forking.retire()
    assert forked.wait() == 4


def test_another_way_to_start_python_needs_another_program(tmp_path: Path) -> None:
    assert started(tmp_path, "pass").wait() == 0
    first = forking._servers[0]
    assert started(tmp_path, "import sys; raise SystemExit(sys.flags.optimize)", PYTHONOPTIMIZE="2").wait() == 2
    assert forking._servers[0] is not first


def test_what_is_imported_ahead_exists() -> None:
    code = f"import importlib\nfor name in {IMPORTED!r}:\n    importlib.import_module(name)\nimport threading\n"
    code += "assert threading.active_count() == 1\n"  # a fork takes one thread along
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)
