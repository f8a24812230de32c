"""Docker mode: a task runs in a container of the image that it names, watched over as any other task."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.agent.core.conftest import Agent, Tasks, until
from tests.engine import Engine

pytestmark = pytest.mark.timeout(600)  # the first one may have to wait for the base image

LOOK = """
import json, os, platform, sys
print("SEES " + json.dumps({
    "python": sys.version.split()[0], "debian": open("/etc/debian_version").read().strip(), "uid": os.getuid(),
    "pid1": open("/proc/1/cmdline").read().split(chr(0))[:-1],
    "packages": sorted(set(sys.modules) & {"git"}), "variables": dict(os.environ), "cwd": os.getcwd(),
}), flush=True)
"""


def sees(tasks: Tasks, task: str) -> dict[str, Any]:
    """What a task that ran LOOK found."""
    line = next(line for line in tasks.console(task).splitlines() if line.startswith("SEES "))
    return dict(json.loads(line.removeprefix("SEES ")))


@pytest.mark.rows("S3-084", "S3-087")
def test_task_runs_in_a_container_of_the_given_image(docker_agent: Agent, tasks: Tasks, engine: Engine) -> None:
    docker_agent.start("--docker", engine.image, queue=tasks.queue)
    task = tasks.submit(LOOK)
    done = tasks.finished(task)
    assert done["status"] == "completed", tasks.console(task)
    seen = sees(tasks, task)
    assert "runner.py" in " ".join(seen["pid1"])
    assert seen["variables"]["CLEARML_TASK_ID"] == task
