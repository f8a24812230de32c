"""A script whose server is away from the start runs all the same, and becomes a task when the server is there."""

from __future__ import annotations

from tests.integration.sdk.core.conftest import QUIET, Workplace
from tests.integration.sdk.reporting.conftest import Stored

from .conftest import sync

RUN = f"""
from clearml import Task
task = Task.init("sdk/journal", "alone", {QUIET})
task.connect({{"lr": 0.5}})
for step in range(100):
    task.get_logger().report_scalar("a", "b", step, step)
print("the only line")
task.upload_artifact("x", {{"k": 1}})
say(id=task.id, offline=Task.is_offline())
task.close()
say(after=Task.is_offline())
"""


def test_a_run_without_its_server_becomes_a_task_later(away: Workplace) -> None:
    away.server.kill()
    ran = away.run(RUN)
    assert ran.code == 0 and "clearml sync" in ran.err, ran.err
    assert ran.said["offline"] is True and ran.said["after"] is False
    away.server.restart()
    for _ in range(2):
        sync(away)
        found = away.server.call("tasks.get_all", {"name": "^alone$", "only_fields": ["id", "status", "hyperparams"]})
        (task,) = found["tasks"]
        assert task["status"] == "completed" and task["hyperparams"]["General"]["lr"]["value"] == "0.5"
        stored = Stored(away.server.call, task["id"])
        assert stored.iterations("a", "b") == list(range(100)) and stored.console().count("the only line") == 1
    assert list((away.folder / ".cache" / "offline").iterdir()) == []
