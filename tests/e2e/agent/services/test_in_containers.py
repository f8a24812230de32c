"""Services mode with --docker: one container a task, each stopped alone."""

from __future__ import annotations

from typing import Any

import pytest

from clearml_agent.docker.naming import TASK_LABEL
from tests.e2e.agent.containers.conftest import docker_agent, new_docker_agent
from tests.e2e.agent.core.conftest import Agent, Tasks, until
from tests.engine import Engine

from .memory import pss_mib
from .test_services import AGENT_GOAL_MIB

__all__ = ["docker_agent", "new_docker_agent"]

pytestmark = pytest.mark.timeout(300)
IDLE = """import os, time
print("in", os.environ["NVIDIA_VISIBLE_DEVICES"], flush=True)
time.sleep(3600)
"""


@pytest.mark.rows("S3-097", "S3-098")
def test_each_service_has_a_container_of_its_own(
    docker_agent: Agent, tasks: Tasks, engine: Engine, server: Any
) -> None:
    docker_agent.start("--services-mode", "--docker", engine.image, "--cpu-only", queue=tasks.queue)
    assert docker_agent.process is not None
    alone = pss_mib([docker_agent.process.pid])
    ids = [tasks.submit(IDLE) for _ in range(3)]

    def said() -> dict[str, str]:
        """Task -> what it said of itself, of those that run."""
        found = {task: [line for line in tasks.console(task).splitlines() if line.startswith("in ")] for task in ids}
        return {task: lines[0] for task, lines in found.items() if lines}

    until(lambda: set(said()) == set(ids), 120, "for all of them to run")
    assert {line.split()[-1] for line in said().values()} == {"none"}

    # 0.8 MiB for the three of them when this was written.
    assert pss_mib([docker_agent.process.pid]) - alone <= 3 * AGENT_GOAL_MIB

    def containers(task: str) -> list[str]:
        return engine.docker("ps", "--all", "--quiet", "--filter", f"label={TASK_LABEL}={task}").split()

    assert [len(containers(task)) for task in ids] == [1, 1, 1]
    server.call("tasks.stop", {"task": ids[0]})
    until(lambda: tasks.status(ids[0]) == "stopped", 60, "for the one that was told to stop")
    until(lambda: not containers(ids[0]), 60, "for its container to go")
    assert [tasks.status(task) for task in ids[1:]] == ["in_progress", "in_progress"]
    assert [len(containers(task)) for task in ids[1:]] == [1, 1]
    assert docker_agent.stop() == 0
    assert {tasks.status(task) for task in ids} == {"stopped"}
    assert [containers(task) for task in ids] == [[], [], []]
