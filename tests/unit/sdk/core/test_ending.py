"""How the end of a process becomes the status of its task; reactions to stops from outside; reuse."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from clearml_sdk.ending import Ending, decide_ending
from clearml_sdk.last_runs import LastRuns, may_reuse, run_key
from clearml_sdk.watching import stop_reason


@pytest.mark.parametrize(
    ("exception", "signum", "exit_code", "expected"),
    [
        (None, None, None, Ending("completed", "completed")),
        (None, None, 0, Ending("completed", "completed")),
        (None, None, 3, Ending("failed", "exit code 3")),
        (None, None, "no data", Ending("failed", "no data")),
        (ValueError("boom"), None, None, Ending("failed", "ValueError: boom")),
        (KeyboardInterrupt(), None, None, Ending("stopped", "interrupted by the user")),
        (None, signal.SIGTERM, None, Ending("stopped", "terminated by SIGTERM")),
    ],
)
def test_endings(exception: Any, signum: Any, exit_code: Any, expected: Ending) -> None:
    assert decide_ending(exception, signum, exit_code) == expected


@pytest.mark.parametrize(
    ("status", "message", "stops"),
    [
        ("in_progress", "", False),
        ("in_progress", "stopping", True),
        ("in_progress", "Stopping by user", True),
        ("stopped", "Stopped by me", True),
        ("completed", "", True),
        ("failed", "worker lost", False),
        ("created", "", False),
        ("queued", "", False),
    ],
)
def test_a_process_ends_when_its_task_was_stopped_elsewhere(status: str, message: str, stops: bool) -> None:
    assert (stop_reason(status, message) is not None) is stops


TASK: dict[str, Any] = {"status": "completed", "system_tags": ["development"], "execution": {"artifacts": []}}


@pytest.mark.parametrize(
    ("change", "age_s", "reused"),
    [
        ({}, 60, True),
        ({}, 4 * 86400, False),
        ({"status": "published"}, 60, False),
        ({"status": "queued"}, 60, False),
        ({"status": "failed"}, 60, True),
        ({"system_tags": ["archived"]}, 60, False),
        ({"execution": {"artifacts": [{"key": "a", "mode": "output"}]}}, 60, False),
        ({"execution": {"artifacts": [{"key": "a", "mode": "input"}]}}, 60, True),
        ({"models": {"output": [{"name": "m"}]}}, 60, False),
        ({"models": {"input": [{"name": "m"}], "output": []}}, 60, True),
    ],
)
def test_a_run_is_reused_only_when_nobody_can_miss_it(change: dict[str, Any], age_s: float, reused: bool) -> None:
    entry = {"id": "x", "at": 1e9 - age_s, "pid": 1}
    assert may_reuse({**TASK, **change}, entry, window_s=72 * 3600, now=1e9) is reused


def test_a_run_that_still_lives_is_not_reused() -> None:
    running = {**TASK, "status": "in_progress"}
    assert not may_reuse(running, {"at": 1e9, "pid": os.getpid()}, window_s=1e6, now=1e9)
    assert may_reuse(running, {"at": 1e9, "pid": 2**22 + 1}, window_s=1e6, now=1e9)
    elsewhere = {"at": 1e9, "pid": 2**22 + 1, "host": "another machine"}
    assert not may_reuse(running, elsewhere, window_s=1e6, now=1e9)


def test_last_runs_survive_damage_and_stay_private(tmp_path: Path) -> None:
    runs = LastRuns(str(tmp_path / "cache" / "last_runs.json"))
    key = run_key("http://h", "p", "n")
    assert runs.get(key) is None
    runs.put(key, "t1")
    runs.put("other", "t2")
    found = runs.get(key)
    assert found is not None and found["id"] == "t1" and found["pid"] == os.getpid()
    assert Path(runs.path).stat().st_mode & 0o77 == 0
    Path(runs.path).write_text("{ broken")
    assert runs.get(key) is None
    runs.put(key, "t3")
    assert (runs.get(key) or {})["id"] == "t3"
