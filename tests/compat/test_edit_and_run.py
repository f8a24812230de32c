"""The way of a task: recorded by a script, copied, edited, enqueued, run by an agent, its outputs recorded again."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import RunningServer
from tests.integration.sdk.core.conftest import Workplace

from .official import BIN
from .test_round_trip import ENDED

CODE = """
from clearml import Task
task = Task.init("edit and run", "original", reuse_last_task_id=False, auto_resource_monitoring=False)
settings = task.connect({"lr": 0.1, "epochs": 2})
for epoch in range(settings["epochs"]):
    task.get_logger().report_scalar("loss", "train", settings["lr"] * (epoch + 1), epoch)
print(f"trained at {settings['lr']!r}")
task.upload_artifact("result", dict(settings), wait_on_upload=True)
say(id=task.id)
"""

COPY = """
import sys
from clearml import Task
original = Task.get_task(task_id=sys.argv[1])
by_name, by_id = (Task.clone(original, name=f"copy {n}") for n in (1, 2))
by_name.set_parameters({"General/lr": 0.5, "General/epochs": 3})
by_id.set_parameters({"General/lr": 0.25, "General/epochs": 1})
Task.enqueue(by_name, queue_name=sys.argv[2])
Task.enqueue(by_id, queue_id=by_name.data.execution.queue)
say(waiting=[by_name.get_status(), by_id.get_status()])
say(copies=[by_name.id, by_id.id])
for one in (by_name, by_id):
    one.wait_for_status(check_interval_sec=0.2)
ended = [Task.get_task(task_id=one.id) for one in (by_name, by_id)]
say(status=[one.get_status() for one in ended], workers=[one.last_worker for one in ended],
    curves=[one.get_reported_scalars()["loss"]["train"]["y"] for one in ended],
    results=[one.artifacts["result"].get() for one in ended], original=original.artifacts["result"].get())
"""


@pytest.mark.timeout(400)
@pytest.mark.rows("S1-068", "S1-077", "S2-083")
def test_edited_copies_are_run_by_an_agent(server: RunningServer, our_worker: str, tmp_path: Path) -> None:
    workplace = Workplace(tmp_path, server)
    recorded = workplace.run(CODE)
    assert recorded.code == 0, recorded.err
    ran = workplace.run(COPY, recorded.said["id"], our_worker, timeout=300)
    assert ran.code == 0, ran.err
    said = ran.said
    assert set(said["waiting"]) <= {"queued", "in_progress", *ENDED}
    assert said["status"] == ["completed", "completed"]
    assert said["curves"] == [pytest.approx([0.5, 1.0, 1.5]), pytest.approx([0.25])]
    assert said["results"] == [{"lr": 0.5, "epochs": 3}, {"lr": 0.25, "epochs": 1}]
    assert said["original"] == {"lr": 0.1, "epochs": 2}, "what the original has is its own"
    known = {one["id"] for one in server.call("workers.get_all", {"last_seen": 0})["workers"]}
    assert set(said["workers"]) <= known and all(name.startswith("ours") for name in said["workers"])
    for copy, rate in zip(said["copies"], (0.5, 0.25), strict=True):
        body = {"task": copy, "batch_size": 1000, "order": "asc"}
        console = "\n".join(event["msg"] for event in server.call("events.get_task_log", body)["events"])
        assert f"trained at {rate}" in console


@pytest.mark.rows("S1-073")
def test_tasks_come_from_a_run_from_a_copy_and_from_the_command_line(server: RunningServer, tmp_path: Path) -> None:
    workplace = Workplace(tmp_path, server)
    ran = workplace.run(CODE.replace("say(id=task.id)", "say(id=task.id, copy=Task.clone(task).id)"))
    assert ran.code == 0, ran.err
    (tmp_path / "plain.py").write_text("print('never heard of the SDK')\n")
    command = [str(BIN / "clearml-task"), "--project", "edit and run", "--name", "by command", "--script", "plain.py"]
    env = workplace.environment()
    made = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=True)
    named = re.search(r"New task created id=([0-9a-f]{32})", made.stdout)
    assert named, made.stdout
    found = {
        one["id"]: (one["status"], one["script"]["entry_point"], one.get("parent"))
        for one in server.call("tasks.get_all", {"id": [ran.said["id"], ran.said["copy"], named[1]]})["tasks"]
    }
    assert found == {
        ran.said["id"]: ("completed", "script.py", None),
        ran.said["copy"]: ("created", "script.py", ran.said["id"]),
        named[1]: ("created", "plain.py", None),
    }
