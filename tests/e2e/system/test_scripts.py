"""`scripts/run` from a fresh copy of the project, as somebody who has just cloned it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

PROJECT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The project's files, without what was installed or left by earlier runs."""
    folder = tmp_path_factory.mktemp("fresh") / "project"
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=PROJECT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (PROJECT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, folder / name)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith(("CLEARML_", "VIRTUAL_ENV", "PYTEST_"))}


def processes_of(folder: Path) -> list[str]:
    """What runs from this folder."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = " ".join(process.info["cmdline"] or ())
        if str(folder) in command and process.pid != os.getpid():
            found.append(command)
    return found


def run_once(clone: Path) -> str:
    answer = subprocess.run(
        ["bash", "scripts/run", "--once"],
        cwd=clone, env=environment(), capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert processes_of(clone) == []
    return answer.stdout


@pytest.mark.timeout(500)
def test_run_once_sends_the_example_through_and_the_second_time_reuses_its_environment(clone: Path) -> None:
    first, second = run_once(clone), run_once(clone)
    for words in ("loss/train: 12 points", "data/points", "result (dict", "from claim to start"):
        assert words in first
        assert words in second
    assert "built in" in first
    assert "reused in" in second


@pytest.mark.timeout(300)
def test_run_stays_up_until_ctrl_c_and_leaves_no_process(clone: Path) -> None:
    running = subprocess.Popen(
        ["bash", "scripts/run"], cwd=clone, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, start_new_session=True,
    )  # fmt: skip
    assert running.stdout
    said = ""
    try:
        for line in running.stdout:
            said += line
            if "Ctrl-C stops it" in line:
                break
        assert "Everything runs" in said, said
        assert running.poll() is None
        os.killpg(running.pid, signal.SIGINT)
        said += running.stdout.read()
        assert running.wait(60) == 0, said
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
        running.stdout.close()
    assert processes_of(clone) == []
