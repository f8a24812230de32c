"""A batch and the change of its task's document as one step, whatever the server believed of the document."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from control_plane.store import Store
from control_plane.store.events import Part, Run
from tests.conftest import ApiFailure, RunningServer

from .test_reporting import last, scalar, send

BATCHES = 200


def commands(server: RunningServer) -> int:
    with urllib.request.urlopen(f"{server.api}/metrics", timeout=20) as answer:
        found = re.search(r"\nclearml_store_commands_total (\S+)", answer.read().decode())
    assert found is not None
    return int(float(found[1]))


@pytest.mark.embedded
@pytest.mark.one_server
def test_a_batch_is_one_command_of_the_store(own_server: RunningServer) -> None:
    task = str(own_server.call("tasks.create", {"name": "reports", "type": "testing"})["id"])
    send(own_server, scalar(task, 0, 0.5))
    before = commands(own_server)
    for step in range(1, BATCHES + 1):
        send(own_server, scalar(task, step, 0.5))
    # What the server asks for by itself meanwhile is far less than another command a batch.
    assert commands(own_server) - before < BATCHES * 1.8
    assert last(own_server, task)["count"] == BATCHES + 1


def test_a_task_that_changed_meanwhile_is_looked_at_again(call: Callable[..., Any], server: RunningServer) -> None:
    task = str(call("tasks.create", {"name": "reports", "type": "testing"})["id"])
    for step, change in enumerate(("tasks.started", "tasks.stopped", "tasks.publish")):
        assert send(server, scalar(task, step, 1.0))["added"] == 1
        call(change, {"task": task})
    with pytest.raises(ApiFailure) as refused:
        send(server, scalar(task, 3, 1.0))
    assert (refused.value.code, refused.value.subcode) == (400, 131)
    assert refused.value.answer["meta"]["error_data"] == {f"Invalid task id {task}": 1}
    assert send(server, scalar(task, 4, 2.0, allow_locked=True))["added"] == 1
    assert (last(server, task)["count"], last(server, task)["value"]) == (4, 2.0)
    call("tasks.reset", {"task": task, "force": True})
    assert send(server, scalar(task, 0, 7.0))["added"] == 1
    assert (last(server, task)["count"], last(server, task)["value"]) == (1, 7.0)
    call("tasks.delete", {"task": task, "force": True})
    with pytest.raises(ApiFailure) as gone:
        send(server, scalar(task, 1, 1.0))
    assert (gone.value.code, gone.value.subcode) == (400, 131)


@pytest.mark.embedded
async def test_what_another_server_stored_is_shown_too(own_server: RunningServer) -> None:
    task = str(own_server.call("tasks.create", {"name": "reports", "type": "testing"})["id"])
    send(own_server, scalar(task, 0, 1.0))
    store = await Store.open(f"unix://{own_server.data_dir}/store/valkey.sock")
    try:
        # It died before the document was changed.
        run = Run("loss", "train", steps=[1], times_ms=[1], values=[9.0])
        await store.events.append(task, Part("other", 1, b"1", {("loss", "train"): run}))
    finally:
        await store.close()
    line = {"type": "log", "task": task, "msg": "hello", "timestamp": 1}
    send(own_server, line)
    send(own_server, scalar(task, 2, 2.0))
    shown = last(own_server, task)
    assert (shown["count"], shown["max_value"], shown["value"]) == (3, 9.0, 2.0)
