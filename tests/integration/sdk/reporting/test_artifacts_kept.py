"""An artifact that was given to the SDK arrives, whatever becomes of the process."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from clearml_sdk import background
from clearml_sdk.artifacts.uploads import ArtifactUploads
from clearml_sdk.journal.artifacts import Order, waiting
from clearml_sdk.record import TaskRecord
from tests.conftest import RunningServer
from tests.integration.sdk.core.conftest import Workplace

KILLED = """
import os, signal
from clearml import Task
from clearml_sdk.artifacts.uploads import ArtifactUploads
task = Task.init("sdk/kept", "killed", auto_resource_monitoring=False, reuse_last_task_id=False)
say(id=task.id)
ArtifactUploads._store = lambda *arguments: signal.pause()
{given}
os.kill(os.getpid(), signal.SIGKILL)
"""
READ = """
from clearml import Task
task = Task.get_task(task_id={id!r})
say(**{{name: str(artifact.get()) for name, artifact in task.artifacts.items()}})
"""


def artifacts(server: RunningServer, task_id: str) -> dict[str, Any]:
    entries = server.call("tasks.get_by_id", {"task": task_id})["task"]["execution"].get("artifacts") or []
    return {entry["key"]: entry for entry in entries}


@pytest.mark.parametrize("deliverer", ["clearml sync", "the next start"])
def test_artifacts_of_a_killed_process_are_stored_later(
    workplace: Workplace, server: RunningServer, deliverer: str
) -> None:
    (workplace.folder / "mine.txt").write_text("my file")
    (workplace.folder / "gone.txt").write_text("gone")
    killed = workplace.run(
        KILLED.format(
            given="""
task.upload_artifact("object", {"a": 1}, metadata={"k": "v"})
task.upload_artifact("object", {"a": 2}, metadata={"k": "v"})
task.upload_artifact("file", "mine.txt")
task.upload_artifact("lost", "gone.txt")
os.unlink("gone.txt")
"""
        )
    )
    assert killed.code == -signal.SIGKILL
    task_id = killed.said["id"]
    assert artifacts(server, task_id) == {}
    if deliverer == "clearml sync":
        synced = workplace.run(
            "from clearml_sdk.cli import main\nimport sys\nsys.argv[:] = ['clearml', 'sync']\nmain()"
        )
        assert synced.code == 0, synced.err
    else:
        started = workplace.run(
            "from clearml import Task\ntask = Task.init('sdk/kept', 'next', auto_resource_monitoring=False)\n"
            "import os, time\nfrom pathlib import Path\n"
            "journals = Path(os.environ['CLEARML_JOURNAL_DIR'])\n"
            "while len([path for path in journals.iterdir() if not path.name.startswith('.')]) > 1: time.sleep(0.05)"
        )
        assert started.code == 0, started.err
    found = artifacts(server, task_id)
    assert sorted(found) == ["file", "object"] and found["object"]["display_data"] == [["k", "v"]]
    read = workplace.run(READ.format(id=task_id))
    assert read.said["object"] == "{'a': 2}" and Path(read.said["file"]).read_text() == "my file"
    assert not [path for path in (workplace.folder / ".journal").iterdir() if not path.name.startswith(".")]


def test_an_artifact_stored_since_then_is_not_replaced(workplace: Workplace, server: RunningServer) -> None:
    killed = workplace.run(KILLED.format(given="task.upload_artifact('a', {'version': 'old'})"))
    newer = {"key": "a", "type": "custom", "mode": "output", "uri": "http://x/newer", "timestamp": 4_000_000_000}
    body = {"task": killed.said["id"], "artifacts": [newer], "force": True}
    server.call("tasks.add_or_update_artifacts", body)
    synced = workplace.run("from clearml_sdk import sync\nsay(code=sync.main([]))")
    assert synced.said["code"] == 0, synced.err
    assert artifacts(server, killed.said["id"])["a"]["uri"] == "http://x/newer"


def test_the_end_of_a_run_leaves_to_the_next_what_does_not_get_through(
    record: TaskRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "files").mkdir()
    monkeypatch.setattr(background, "QUIET_S", 0.2)
    is_open = threading.Event()
    store = ArtifactUploads._store

    def wait_and_store(*arguments: Any) -> None:
        assert is_open.wait(60)
        store(*arguments)

    monkeypatch.setattr(ArtifactUploads, "_store", wait_and_store)
    uploads = ArtifactUploads(record, journal=lambda: str(tmp_path / "files"))
    uploads.upload("late", {"a": 1})
    assert not uploads.flush_or_leave(), "nothing moves, and the journal has it"
    assert [Order(folder).name for folder in waiting(str(tmp_path / "files"))] == ["late"]
    is_open.set()
    assert uploads.flush_or_leave() and waiting(str(tmp_path / "files")) == []
    assert [entry["key"] for entry in record.reload()["execution"]["artifacts"]] == ["late"]
