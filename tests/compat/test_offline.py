"""Offline sessions between the SDKs: what either has recorded, the other imports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import RunningServer
from tests.integration.sdk.core.conftest import Workplace

from .official import WITHOUT_FORK, official_environment, run_sdk

RECORD = """
from clearml import Task
import json, numpy
Task.set_offline(True)
task = Task.init("official offline", "NAME", auto_connect_frameworks=False, auto_resource_monitoring=False, tags=["t"])
task.connect({"lr": 0.5})
for step in range(20):
    task.get_logger().report_scalar("loss", "train", value=step, iteration=step)
task.get_logger().report_single_value("best", 3)
task.get_logger().report_image("img", "one", iteration=1, image=numpy.zeros((8, 8, 3), dtype="uint8"))
task.upload_artifact("a", {"x": 1})
print("said offline")
folder = str(task.get_offline_mode_folder())
task.close()
print("SAY " + json.dumps({"folder": folder}))
"""
IMPORT = (
    "from clearml import Task\nimport json\nprint('SAY ' + json.dumps({'id': Task.import_offline_session(ARCHIVE)}))\n"
)


def check(server: RunningServer, task_id: str, name: str) -> None:
    task = server.call("tasks.get_by_id", {"task": task_id})["task"]
    assert (task["name"], task["status"], task["tags"]) == (name, "completed", ["t"])
    assert task["hyperparams"]["General"]["lr"]["value"] == "0.5" and "report_image" in task["script"]["diff"]
    curves = server.call("events.scalar_metrics_iter_histogram", {"task": task_id})
    assert curves["loss"]["train"]["y"] == [float(step) for step in range(20)]
    (artifact,) = task["execution"]["artifacts"]
    assert artifact["uri"].startswith(server.files) and task_id in artifact["uri"]
    body = {"task": task_id, "event_type": "training_debug_image"}
    (image,) = server.call("events.get_task_events", body)["events"]
    assert image["url"].startswith(server.files)
    log = server.call("events.get_task_log", {"task": task_id})["events"]
    assert sum(event["msg"].count("said offline") for event in log) == 1


def said(out: str) -> dict[str, Any]:
    (line,) = [line for line in out.splitlines() if line.startswith("SAY ")]
    found: dict[str, Any] = json.loads(line[4:])
    return found


def by_official(server: RunningServer, bin_folder: Path, home: Path, code: str) -> dict[str, Any]:
    (home / "script.py").write_text(code)
    env = official_environment(server, home, bin_folder) | WITHOUT_FORK
    ran = run_sdk([str(bin_folder / "python"), "script.py"], home, env)
    assert ran.returncode == 0, ran.stderr[-1000:]
    return said(ran.stdout)


@pytest.mark.timeout(300)
def test_a_session_of_the_official_sdk_is_imported(server: RunningServer, official_sdk: Path, tmp_path: Path) -> None:
    name = "recorded by official"
    folder = by_official(server, official_sdk, tmp_path, RECORD.replace("NAME", name))["folder"]
    workplace = Workplace(tmp_path, server)
    ids = set()
    for _ in range(2):
        ran = workplace.run(IMPORT.replace("ARCHIVE", repr(f"{folder}.zip")), name="bring.py")
        assert ran.code == 0, ran.err
        ids.add(ran.said["id"])
    (task_id,) = ids
    check(server, task_id, name)


@pytest.mark.timeout(300)
def test_the_official_sdk_imports_a_session_of_ours(server: RunningServer, official_sdk: Path, tmp_path: Path) -> None:
    name = "recorded by ours"
    ran = Workplace(tmp_path, server).run(RECORD.replace("NAME", name))
    assert ran.code == 0, ran.err
    archive = repr(f"{ran.said['folder']}.zip")
    task_id = by_official(server, official_sdk, tmp_path, IMPORT.replace("ARCHIVE", archive))["id"]
    check(server, task_id, name)
