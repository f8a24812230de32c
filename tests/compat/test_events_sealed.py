"""What a task reported reads the same by the official getters and by ours: live, half of it sealed, and sealed."""

from __future__ import annotations

import inspect
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import RunningServer
from tests.integration.segments.operating import command

from .helpers import Api, running_task, scalar, send_events
from .session import OfficialSession
from .test_events import report_everything

pytestmark = pytest.mark.embedded

POINTS = 12_000


def read_everything(id: str) -> dict[str, Any]:
    """Every getter of what was reported, on several of its arguments."""
    from clearml import Task

    task = Task.get_task(task_id=id)
    return {
        "scalars": task.get_reported_scalars(),
        "few": task.get_reported_scalars(max_samples=50),
        "by time": task.get_reported_scalars(x_axis="timestamp"),
        "by iso time": task.get_reported_scalars(max_samples=70, x_axis="iso_time"),
        "all": task.get_all_reported_scalars(),
        "all by time": task.get_all_reported_scalars(x_axis="timestamp"),
        "last": task.get_last_scalar_metrics(),
        "single": task.get_reported_single_values(),
        "one single": task.get_reported_single_value("best"),
        "console": task.get_reported_console_output(number_of_reports=1000),
        "last of console": list(task.get_reported_console_output(number_of_reports=7)),
        "plots": task.get_reported_plots(),
        "plots of history": task.get_reported_plots(max_iterations=3),
        "images": task.get_debug_samples("images", "grey"),
        "newest images": task.get_debug_samples("images", "grey", n_last_iterations=2),
        "iteration": task.get_last_iteration(),
    }


def read_by_ours(server: RunningServer, task: str, folder: Path) -> dict[str, Any]:
    """The same by our SDK, which goes by the same names."""
    script = f"from typing import Any\n{inspect.getsource(read_everything)}\nimport json, sys\n"
    script += "json.dump(read_everything(sys.argv[1]), sys.stdout)"
    command = [sys.executable, "-c", script, task]
    found = subprocess.run(
        command, cwd=folder, env=server.environment(), capture_output=True, text=True, timeout=90, check=False
    )
    assert found.returncode == 0, found.stderr
    return dict(json.loads(found.stdout))


def first_half(call: Api, task: str) -> None:
    for begin in range(0, POINTS, 4_000):
        send_events(call, (scalar(task, n, math.sin(n / 700), "long", "curve") for n in range(begin, begin + 4_000)))
    plots = [{"type": "plot", "task": task, "metric": "history", "variant": "v", "iter": n} for n in range(4)]
    send_events(call, ({**one, "plot_str": json.dumps({"data": [{"y": [n]}]})} for n, one in enumerate(plots)))


def second_half(call: Api, task: str) -> None:
    """Points that overwrite sealed ones and points above them, another plot, more lines."""
    send_events(call, (scalar(task, n, -9.0, "long", "curve") for n in (5, 11_000, POINTS, POINTS + 1)))
    plot = {"type": "plot", "task": task, "metric": "history", "variant": "v", "iter": 2, "plot_str": "{}"}
    lines = [{"type": "log", "task": task, "msg": f"a late line {n}", "level": "info"} for n in range(5)]
    send_events(call, [plot, *lines])


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    assert one.keys() == other.keys()
    return [name for name in one if one[name] != other[name]]


def test_live_and_sealed_read_the_same_by_both_sdks(
    official: OfficialSession, server: RunningServer, call: Api, project: str, tmp_path: Path
) -> None:
    task = running_task(call, project, "reported, then sealed")
    official.run(report_everything, task)
    first_half(call, task)

    live = official.run(read_everything, task)
    assert [name for name, found in live.items() if not found] == [], "what is empty proves nothing"
    assert len(live["all"]["long"]["curve"]["x"]) == POINTS
    by_ours = read_by_ours(server, task, tmp_path)
    assert command(server, "compact", "--task", task)["sealed_events"] > POINTS, "it was not live any more"
    assert differences(live, official.run(read_everything, task)) == []
    assert differences(by_ours, read_by_ours(server, task, tmp_path)) == []

    second_half(call, task)
    half, half_by_ours = official.run(read_everything, task), read_by_ours(server, task, tmp_path)
    assert {"scalars", "all", "last", "console", "plots of history"} <= set(differences(live, half))
    assert command(server, "compact", "--task", task)["sealed_events"] > 0
    assert differences(half, official.run(read_everything, task)) == []
    assert differences(half_by_ours, read_by_ours(server, task, tmp_path)) == []
    # Without a number of samples each asks for its own, and one of them gives single values for curves.
    same = {"few", "last", "single", "one single", "console", "last of console", "plots", "images", "iteration"}
    assert same.isdisjoint(differences(half, half_by_ours))
    assert half["all"]["long"] == half_by_ours["all"]["long"]
