"""A server, or the store behind it, away for longer than every lease: what runs goes on, and all of it arrives."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.agent.transports import installation
from tests.redis_servers import needs_redis

from .conftest import Agent, Tasks, until

pytestmark = pytest.mark.timeout(180)

LONG_OUTAGE = {
    "CLEARML_SERVER_LEASE_S": "1",
    "CLEARML_SERVER_LOST_AFTER_S": "3",
    "CLEARML_SERVER_WORKER_TIMEOUT_S": "4",
    "CLEARML_SERVER_STUCK_AFTER_S": "4",
    "CLEARML_SERVER_WATCH_PERIOD_S": "0.2",
}
"""An outage of seconds is to these what one of hours is to the defaults."""


@pytest.mark.parametrize(
    ("away", "transport"),
    [
        ("server", "http"),
        pytest.param("store", "http", marks=[needs_redis, pytest.mark.full]),
        pytest.param("store", "redis", marks=needs_redis),
    ],
)
def test_an_outage_longer_than_every_lease_ends_nothing_and_loses_nothing(
    new_agent: Callable[..., Agent], tmp_path: Path, away: str, transport: str
) -> None:
    is_away, go = tmp_path / "away", tmp_path / "go"
    counts = (
        "import os, time\nn, left = 0, 110\nwhile {goes_on}:\n    print('line', n, flush=True)\n    n += 1\n"
        f"    left -= os.path.exists({str(is_away)!r})\n    time.sleep(0.05)\n"
    )
    kind = "redis" if away == "store" else "http"
    with installation(kind, tmp_path, LONG_OUTAGE) as made:
        server, variables = made.server, made.variables if transport == "redis" else {}
        agent, tasks = new_agent(server, **variables, **LONG_OUTAGE), Tasks(server, "default")
        agent.start("--services-mode", "2")
        ends = tasks.submit(counts.format(goes_on="left") + "raise SystemExit(3)\n")
        lasts = tasks.submit(counts.format(goes_on=f"not os.path.exists({str(go)!r})"))
        waits = tasks.submit("print('line 0')\n")
        for task in (ends, lasts):
            tasks.says(task, "line 3\n")
        gone: Any = server if made.redis is None else made.redis.nodes[0]
        gone.kill()
        is_away.touch()
        (run,) = (path for path in agent.runs if path.name.startswith(ends))
        until((run / "result.json").exists, what="for the task that ends meanwhile")  # 5.5 s
        gone.restart() if made.redis is None else gone.start()
        found = tasks.finished(ends)
        assert (found["status"], found["status_reason"]) == ("failed", "worker execution exit code 3")
        lines = tasks.numbers(ends, "line")
        assert lines == list(range(len(lines))) and len(lines) > 110
        assert tasks.finished(waits)["status"] == "completed"
        assert tasks.status(lasts) == "in_progress"
        tasks.says(lasts, "line 110\n")
        go.touch()
        assert tasks.finished(lasts)["status"] == "completed"
        lines = tasks.numbers(lasts, "line")
        assert lines == list(range(len(lines))) and len(lines) > 110
        for task, end in ((ends, "failed"), (lasts, "completed"), (waits, "completed")):
            history = server.call("tasks.get_history", {"task": task})["operations"]
            assert [note["to"] for note in history] == ["queued", "in_progress", end]


def test_what_a_script_reports_in_an_outage_is_delivered_after_it_also_when_the_script_has_ended(
    new_server: Callable[..., AbstractContextManager[Any]], new_agent: Callable[..., Agent], tmp_path: Path
) -> None:
    code = (
        "import os, time\nfrom clearml import Task\ntask = Task.init(project_name='p', task_name='reports')\n"
        "print('up', flush=True)\n"
        f"while not os.path.exists({str(tmp_path / 'away')!r}): time.sleep(0.05)\n"
        "for n in range(200):\n"
        "    task.get_logger().report_scalar('loss', 'train', iteration=n, value=1.0 / (n + 1))\n"
        "    print('line', n, flush=True)\n"
        "os._exit(4)\n"
    )
    with new_server(env=LONG_OUTAGE) as server:
        agent, tasks = new_agent(server), Tasks(server, "default")
        agent.start()
        task = tasks.submit(code, requirements={"pip": "clearml\n", "sdk": "clearml-lean==0.1.0"})
        tasks.says(task, "\nup\n")
        server.kill()
        (tmp_path / "away").touch()
        (run,) = agent.runs
        until((run / "result.json").exists, what="for the script to end")
        agent.kill()  # and the agent is started again after the outage
        server.restart()
        agent.start()
        assert tasks.finished(task, 90)["status_reason"] == "worker execution exit code 4"
        assert tasks.numbers(task, "line") == list(range(200))
        curves = server.call("events.scalar_metrics_iter_histogram", {"task": task})
        assert curves["loss"]["train"]["x"] == list(range(200))
        until(lambda: not agent.runs, what="for the run to be forgotten")
