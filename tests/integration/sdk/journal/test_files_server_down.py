"""The files server alone is away: the script goes on and ends, and what it stores reaches the server later."""

from __future__ import annotations

import socket
from typing import Any

from tests.integration.sdk.core.conftest import Workplace

from .conftest import INIT, sync

STORES = """
from clearml import OutputModel
files = task._record.session.settings.files_server
model = OutputModel(task, name="model")
Path("weights.pt").write_bytes(b"weights")
model.update_weights("weights.pt", upload_uri=files, auto_delete_file=False)
task.upload_artifact("numbers", {"a": 1})
task.upload_artifact("more", {"b": 2})
Path("picture.png").write_bytes(b"not really")
logger.report_image("debug", "s", iteration=1, local_path="picture.png")
logger.report_scalar("loss", "s", 1.0, 1)
from clearml_sdk import background
from clearml_sdk.reporting import live_journal
from clearml_sdk.storage import http_files
background.QUIET_S = live_journal.GIVE_UP_S = 1000.0  # no other patience than with those who do not listen ends it
http_files.UPLOAD_TRIES = 1000  # nor the last try of an upload
say(ended=True)
"""


def closed_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_the_script_ends_and_the_next_start_stores(away: Workplace) -> None:
    files = f"http://127.0.0.1:{closed_port()}"
    with away.start(INIT + STORES, CLEARML_FILES_HOST=files) as process:
        out, err = process.communicate(timeout=90)
    assert "ended" in _said(out), (out, err)
    assert process.returncode == 0 and "Traceback" not in err, err
    task_id = _said(out)["id"]
    call = away.server.call
    task = call("tasks.get_by_id", {"task": task_id})["task"]
    assert task["status"] == "completed" and task["last_metrics"], "what the API took is there"
    assert not task["execution"].get("artifacts")

    away.server.kill()
    away.server.facts["files_server"] = files
    away.server.restart()
    sync(away)
    task = call("tasks.get_by_id", {"task": task_id})["task"]
    assert {entry["key"] for entry in task["execution"]["artifacts"]} == {"numbers", "more"}
    images = call("events.debug_images", {"metrics": [{"task": task_id, "metric": "debug"}], "iters": 1})["metrics"]
    assert [event["variant"] for event in images[0]["iterations"][0]["events"]] == ["s"]
    read = away.run(
        f"""
from clearml import Model, Task
task = Task.get_task({task_id!r})
say(numbers=task.artifacts["numbers"].get(), more=task.artifacts["more"].get(),
    weights=open(task.models["output"][0].get_local_copy(), "rb").read().decode())
"""
    )
    assert read.said == {"numbers": {"a": 1}, "more": {"b": 2}, "weights": "weights"}, read.err


def _said(out: str) -> dict[str, Any]:
    from tests.integration.sdk.core.conftest import Ran

    return Ran(0, out, "").said
