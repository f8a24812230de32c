"""The border to the user's script: failures of ours are one warning a cause; locks survive a fork."""

from __future__ import annotations

import subprocess
import sys

import pytest

from clearml_sdk import notices
from clearml_sdk.errors import ServerUnreachable
from clearml_sdk.notices import harmless

FORK = """
import os, threading
from clearml_sdk.fork_lock import ForkLock
lock, taken = ForkLock(), threading.Event()
def hold():
    with lock:
        taken.set()
        threading.Event().wait()
threading.Thread(target=hold, daemon=True).start()
taken.wait()
if os.fork() == 0:
    with lock:
        with lock:
            os._exit(7)
print(os.waitstatus_to_exitcode(os.wait()[1]))
"""


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "_said", set())
    monkeypatch.delenv("CLEARML_RAISE_ERRORS", raising=False)


def test_failures_are_one_warning_a_cause(capsys: pytest.CaptureFixture[str]) -> None:
    for doing in ("recording a", "recording b"):
        for _ in range(3):
            with harmless(doing):
                raise ServerUnreachable("http://h", "refused")
    with harmless("recording c"):
        raise OSError("disk full")
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2 and "recording a" in said[0] and "disk full" in said[1], said


def test_a_defect_is_shown_with_its_place_and_breaks_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with harmless("recording"):
        {}["missing"]
    assert "test_notices.py" in capsys.readouterr().err


def test_an_interrupt_of_the_user_passes() -> None:
    with pytest.raises(KeyboardInterrupt), harmless("recording"):
        raise KeyboardInterrupt


def test_tests_can_have_failures_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARML_RAISE_ERRORS", "1")
    with pytest.raises(OSError), harmless("recording"):
        raise OSError("disk full")


def test_a_lock_held_at_a_fork_is_free_in_the_child() -> None:
    answer = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, timeout=20, check=False)
    assert answer.stdout.strip() == "7", answer.stderr
