"""A session without a server is, once imported, the task that it would have been."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.sdk.core.test_run import wait_for
from tests.integration.sdk.offline.conftest import Offline

Read = Callable[[str], dict[str, Any]]

WHOLE = """
import numpy
from clearml import OutputModel, Task
task = Task.init("sdk/offline", "whole", tags=["kept"], auto_resource_monitoring=False)
say(id=task.id, offline=Task.is_offline(), folder=str(task.get_offline_mode_folder()))
task.connect({"lr": 0.1})
task.connect_configuration({"k": 1}, name="conf")
task.set_user_properties(colour="red")
for step in range(100):
    task.get_logger().report_scalar("loss", "train", value=step / 2, iteration=step)
task.get_logger().report_single_value("best", 7.5)
task.get_logger().report_image("samples", "one", iteration=3, image=numpy.zeros((8, 8, 3), dtype="uint8"))
task.get_logger().report_table("table", "t", iteration=0, table_plot=[["a"], [1]])
task.upload_artifact("numbers", {"q": 1})
open("weights.pt", "w").write("w" * 1000)
model = OutputModel(task, name="net", framework="PyTorch")
model.update_weights("weights.pt", auto_delete_file=False, iteration=2)
model.set_metadata("k", "v")
model.report_scalar("own", "curve", 1.5, 4)
print("said offline")
"""


def fetch(offline: Offline, url: str) -> bytes:
    request = urllib.request.Request(
        url.replace(" ", "%20"), headers={"Authorization": f"Bearer {offline.server.login()}"}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return bytes(answer.read())


@pytest.mark.rows("S2-048", "S2-075", "S2-081")
def test_a_session_becomes_the_task_it_would_have_been(offline: Offline, read: Read) -> None:
    ran = offline.record(WHOLE)
    assert ran.code == 0, ran.err
    assert ran.said["offline"] is True
    folder = Path(ran.said["folder"])
    assert folder.is_dir() and folder.name == ran.said["id"]
    brought = offline.bring(f"{folder}.zip")
    assert brought.code == 0, brought.err
    task = read(brought.said["id"])
    assert (task["status"], task["name"], task["tags"]) == ("completed", "whole", ["kept"])
    assert task["hyperparams"]["General"]["lr"]["value"] == "0.1"
    assert task["hyperparams"]["properties"]["colour"]["value"] == "red"
    assert task["configuration"]["conf"]["value"]
    assert task["script"]["entry_point"] == "script.py" and "report_table" in task["script"]["diff"]
    assert "numpy" in task["script"]["requirements"]["pip"]
    assert offline.points(task["id"], "loss", "train") == {step: step / 2 for step in range(100)}
    assert "said offline" in offline.console(task["id"])
    (artifact,) = task["execution"]["artifacts"]
    assert artifact["uri"].startswith(offline.server.files) and task["id"] in artifact["uri"]
    assert json.loads(fetch(offline, artifact["uri"])) == {"q": 1}
    images = offline.server.call("events.get_task_events", {"task": task["id"], "event_type": "training_debug_image"})
    (image,) = images["events"]
    assert image["url"].startswith(offline.server.files) and fetch(offline, image["url"])[:2] == b"\xff\xd8"
    (entry,) = task["models"]["output"]
    model = offline.server.call("models.get_by_id", {"model": entry["model"]})["model"]
    assert (model["name"], model["framework"], model["task"]) == ("net", "PyTorch", task["id"])
    assert fetch(offline, model["uri"]) == b"w" * 1000 and model["metadata"]["k"]["value"] == "v"
    own = offline.server.call("events.get_task_events", {"task": model["id"], "model_events": True})["events"]
    assert [(event["iter"], event["value"]) for event in own] == [(4, 1.5)]
    plots = offline.server.call("events.get_task_plots", {"task": task["id"]})["plots"]
    assert [plot["metric"] for plot in plots] == ["table"]


@pytest.mark.rows("S2-120")
def test_the_documented_sequence(offline: Offline, read: Read) -> None:
    ran = offline.workplace.run(
        """
from clearml import Task
Task.set_offline(True)
for wrong in (lambda: Task.create(project_name="sdk/offline", task_name="draft"),):
    try:
        wrong()
    except ValueError as error:
        say(create=str(error))
task = Task.init("sdk/offline", "sequence", auto_resource_monitoring=False)
task.get_logger().report_scalar("a", "b", value=1, iteration=1)
try:
    Task.set_offline(False)
except ValueError as error:
    say(switch=str(error))
task.upload_artifact("one", {"a": 1})
task.close()
Task.set_offline(False)
say(online=not Task.is_offline(), id=Task.import_offline_session(task.get_offline_mode_folder()))
other = Task.init("sdk/offline", "online again", auto_resource_monitoring=False)
say(other=other.id, none=other.get_offline_mode_folder())
""",
    )
    assert ran.code == 0, ran.err
    assert "Task.init()" in ran.said["create"] and "task.close()" in ran.said["switch"]
    assert ran.said["online"] and ran.said["none"] is None
    assert offline.points(ran.said["id"], "a", "b") == {1: 1.0}
    assert [a["key"] for a in read(ran.said["id"])["execution"]["artifacts"]] == ["one"]
    assert read(ran.said["other"])["status"] == "completed"


def test_a_session_whose_process_was_killed_is_whole(offline: Offline, read: Read) -> None:
    ran = offline.record("""
import os, signal
from multiprocessing import get_context
from clearml import Task
task = Task.init("sdk/offline", "killed", auto_resource_monitoring=False)
def child():
    Task.current_task().get_logger().report_scalar("child", "s", value=1, iteration=1)
    os._exit(0)
process = get_context("fork").Process(target=child)
process.start()
process.join()
for step in range(9000):
    task.get_logger().report_scalar("loss", "train", value=step, iteration=step)
os.kill(os.getpid(), signal.SIGKILL)
""")
    assert ran.code == -signal.SIGKILL
    (folder,) = offline.sessions()
    moved = offline.workplace.folder / "carried" / folder.name
    moved.parent.mkdir()
    shutil.move(folder, moved)
    brought = offline.bring(moved)
    assert brought.code == 0, brought.err
    task_id = brought.said["id"]
    assert read(task_id)["status"] == "completed"
    assert offline.points(task_id, "loss", "train") == {step: float(step) for step in range(9000)}
    assert offline.points(task_id, "child", "s") == {1: 1.0}


@pytest.mark.rows("S2-075")
def test_an_import_that_is_killed_and_repeated_leaves_one_task_with_each_point_once(offline: Offline) -> None:
    ran = offline.record("""
from clearml import Task
task = Task.init("sdk/offline", "often", auto_resource_monitoring=False)
for step in range(9000):
    task.get_logger().report_scalar("loss", "train", value=step, iteration=step)
    if step % 30 == 0:
        print("line", step)
task.upload_artifact("a", {"a": 1})
say(folder=str(task.get_offline_mode_folder()))
""")
    archive = f"{ran.said['folder']}.zip"
    code = f"from clearml import Task\nsay(id=Task.import_offline_session({archive!r}))"
    query = {"name": "^often$", "only_fields": ["id", "status", "runtime"]}

    def has_come(far: str) -> bool:
        found = offline.server.call("tasks.get_all", query)["tasks"]
        return any(far in json.dumps(task) for task in found)

    for far in ("_offline_session", "_offline_sessions", "metrics.jsonl"):
        with offline.workplace.start(code, name="bring.py") as process:
            wait_for(lambda far=far: has_come(far) or process.poll() is not None)  # type: ignore[misc]
            process.kill()
            process.communicate()
    ids = {offline.bring(path).said["id"] for path in (archive, archive, ran.said["folder"])}
    assert len(ids) == 1
    (task_id,) = ids
    found = offline.server.call("tasks.get_all", query)["tasks"]
    assert [(task["id"], task["status"]) for task in found] == [(task_id, "completed")]
    assert offline.points(task_id, "loss", "train") == {step: float(step) for step in range(9000)}
    lines = [line for line in offline.console(task_id) if line.startswith("line ")]
    assert lines == [f"line {step}" for step in range(0, 9000, 30)]


@pytest.mark.rows("S2-075")
def test_a_session_continues_an_earlier_task(offline: Offline, read: Read) -> None:
    report = """
from clearml import Task
task = Task.init("sdk/offline", "part", auto_resource_monitoring=False)
for step in range(5):
    task.get_logger().report_scalar("loss", "train", value={value}, iteration=step)
task.get_logger().report_single_value("best", {value})
task.connect({{"lr": {value}}})
say(folder=str(task.get_offline_mode_folder()))
"""
    first = offline.bring(offline.record(report.format(value=1)).said["folder"]).said["id"]
    second = offline.record(report.format(value=2)).said["folder"]
    for _ in range(2):  # the second time, nothing is left to do
        assert offline.bring(second, previous_task_id=first, iteration_offset=5).said["id"] == first
    assert offline.points(first, "loss", "train") == {
        **dict.fromkeys(range(5), 1.0),
        **dict.fromkeys(range(5, 10), 2.0),
    }
    assert list(offline.points(first, "Summary", "best").values()) == [2.0], "single values have no iteration to move"
    assert read(first)["hyperparams"]["General"]["lr"]["value"] == "2"
    missing = offline.bring(second, previous_task_id="0" * 32)
    assert missing.code == 1 and "could not be found" in missing.err


def test_what_is_no_session_is_refused(offline: Offline) -> None:
    nothing = offline.bring(offline.workplace.folder)
    assert nothing.code == 1 and "no offline session at" in nothing.err
    with zipfile.ZipFile(offline.workplace.folder / "other.zip", "w") as archive:
        archive.writestr("readme.txt", "not a session")
    other = offline.bring(offline.workplace.folder / "other.zip")
    assert other.code == 1 and "there is no task.json in it" in other.err


def test_a_session_of_a_stranger_uploads_no_file_of_this_machine(offline: Offline, read: Read) -> None:
    session = "offline-" + "a" * 32
    secret = offline.workplace.folder / "secret.txt"
    secret.write_text("secret")
    outside = os.path.relpath(secret, "/").replace(os.sep, "/")
    names = [str(secret), f"/home/x/{session}/data/{'../' * 30}{outside}"]
    artifacts = [
        {"key": f"a{n}", "type": "custom", "mode": "output", "uri": name, "hash": "", "content_size": 6}
        for n, name in enumerate(names)
    ]
    data = {"id": session, "name": "stranger", "project_name": "sdk/offline", "execution": {"artifacts": artifacts}}
    with zipfile.ZipFile(offline.workplace.folder / "stranger.zip", "w") as archive:
        archive.writestr("task.json", json.dumps(data))
    brought = offline.bring(offline.workplace.folder / "stranger.zip")
    assert brought.code == 0, brought.err
    assert [entry["uri"] for entry in read(brought.said["id"])["execution"]["artifacts"]] == names


def test_artifacts_of_a_killed_session_are_in_it(offline: Offline, read: Read) -> None:
    ran = offline.record("""
import os, signal
from clearml import Task
from clearml_sdk.artifacts.uploads import ArtifactUploads
task = Task.init("sdk/offline", "artifacts", auto_resource_monitoring=False)
ArtifactUploads._store = lambda *arguments: signal.pause()
task.upload_artifact("kept", {"a": [1, 2]})
os.kill(os.getpid(), signal.SIGKILL)
""")
    assert ran.code == -signal.SIGKILL
    task = read(offline.bring(offline.sessions()[0]).said["id"])
    (artifact,) = task["execution"]["artifacts"]
    assert json.loads(fetch(offline, artifact["uri"])) == {"a": [1, 2]}
    assert artifact["hash"] == hashlib.sha256(fetch(offline, artifact["uri"])).hexdigest()


def test_the_command_line_imports_a_session(offline: Offline, read: Read) -> None:
    code = "from clearml import Task\ntask = Task.init('sdk/offline', 'by command', auto_resource_monitoring=False)\n"
    folder = offline.record(code + "say(folder=str(task.get_offline_mode_folder()))").said["folder"]
    main = "from clearml_sdk.task_cli import main\nsay(code=main(['--import-offline-session', {path!r}]))"
    ran = offline.workplace.run(main.format(path=folder), name="command.py")
    assert ran.said["code"] == 0, ran.err
    (task_id,) = re.findall(r"Task id=([0-9a-f]{32}) holds the session", ran.out)
    assert read(task_id)["name"] == "by command"
    wrong = offline.workplace.run(main.format(path="/nowhere"), name="command.py")
    assert wrong.said["code"] == 1 and "no offline session at /nowhere" in wrong.out
