"""Scripts whose server goes away and comes back, and what is delivered then."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import RunningServer
from tests.integration.sdk.core.conftest import QUIET, Ran, Workplace

INIT = f"""
import os, sys, time
from pathlib import Path
from clearml import Task
task = Task.init("sdk/journal", "away", reuse_last_task_id=False, {QUIET})
logger = task.get_logger()
say(id=task.id)

def pause(name):
    Path(name).touch()
    while not Path(name + ".go").exists():
        time.sleep(0.01)

"""


class Paused:
    """A script that waits where it calls `pause(name)`."""

    def __init__(self, workplace: Workplace, code: str) -> None:
        self.workplace = workplace
        self.process = workplace.start(INIT + code)

    def until(self, name: str, timeout_s: float = 60) -> None:
        deadline = time.monotonic() + timeout_s
        while not (self.workplace.folder / name).exists():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline, f"{name} was not reached"
            time.sleep(0.02)

    def go_on(self, name: str) -> None:
        (self.workplace.folder / f"{name}.go").touch()

    def end(self, timeout_s: float = 90) -> Ran:
        try:
            out, err = self.process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"the script did not end: {self.process.communicate()}") from None
        return Ran(self.process.returncode, out, err)


def sync(workplace: Workplace) -> str:
    """`clearml sync`, to the end; what it said."""
    command = [sys.executable, "-m", "clearml_sdk.cli", "sync"]
    done = subprocess.run(command, env=workplace.environment(), capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def away(own_server: RunningServer, tmp_path: Path) -> Workplace:
    """A user's folder beside a server that the test kills."""
    return Workplace(tmp_path, own_server)
