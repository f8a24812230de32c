"""Services mode in containers: many at once, one container a task, each stopped alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.agent.core.conftest import Agent, Tasks, until
from tests.engine import Engine

from .test_containers import WAITS, containers, gone


@pytest.mark.rows("S3-097", "S3-098", "S3-094")
def test_services_run_side_by_side_in_a_container_each(
    docker_agent: Agent, tasks: Tasks, engine: Engine, server: Any
) -> None:
    queue = f"new-{tasks.queue}"[:60]
    assert not server.call("queues.get_all", {"name": f"^{queue}$"})["queues"]
    docker_agent.start("--services-mode", "--docker", engine.image, "--cpu-only", queue=queue)
    mine = Tasks(server, queue)
    ids = [mine.submit(WAITS) for _ in range(3)]
    for task in ids:
        mine.says(task, "begun now")
    found = {task: containers(engine, task) for task in ids}
    assert all(len(ones) == 1 for ones in found.values()), found
    (shown,) = json.loads(engine.docker("inspect", *found[ids[0]]))
    assert not shown["HostConfig"]["DeviceRequests"]
    assert "NVIDIA_VISIBLE_DEVICES=none" in shown["Config"]["Env"]
    server.call("tasks.stop", {"task": ids[0]})
    assert mine.finished(ids[0])["status"] == "stopped"
    until(lambda: containers(engine, ids[0]) == [], what="for the container to be removed")
    assert [mine.status(task) for task in ids[1:]] == ["in_progress"] * 2
    for task in ids[1:]:
        server.call("tasks.stop", {"task": task})
        mine.finished(task)
    assert gone(engine, ids[1], docker_agent)
