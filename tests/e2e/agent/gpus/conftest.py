"""A real agent on a machine whose GPUs are made of files: see stand_in/pynvml.py."""

from __future__ import annotations

import json
import os
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.agent.core.conftest import Agent, Tasks, agent_cache, new_agent, tasks, until

__all__ = ["Agent", "GpuHost", "Tasks", "agent_cache", "new_agent", "tasks", "until"]

HOLDS = """
import json, os, pathlib, sys, time
shown = {name: value for name, value in os.environ.items() if "GPU" in name or "CUDA" in name or "DEVICES" in name}
print("SEES " + json.dumps({**shown, "worker": os.environ["CLEARML_WORKER_ID"]}), flush=True)
host, mib = pathlib.Path(os.environ["GPU_HOST"]), MIB
for device in os.environ["CUDA_VISIBLE_DEVICES"].split(","):
    uuid = "GPU-" + device if device.isdigit() else device
    (host / uuid).mkdir(exist_ok=True)
    (host / uuid / str(os.getpid())).write_text(str(mib))
gate = host / ("go-" + os.environ["CLEARML_TASK_ID"])
while not gate.exists():
    time.sleep(0.02)
"""


@dataclass
class GpuHost:
    """GPUs, and tasks that hold what they were given until they are told to go."""

    server: Any
    folder: Path
    prefix: str

    def queue(self, name: str) -> str:
        return f"{self.prefix}-{name}"

    def wanted(self, **gpus: str) -> list[str]:
        """For the command line: `--queue` and its words."""
        return ["--queue", *(f"{self.queue(name)}={number}" for name, number in gpus.items())]

    def submit(self, queue: str, *, mib: int = 100, code: str = "") -> str:
        return Tasks(self.server, self.queue(queue)).submit(HOLDS.replace("MIB", str(mib)) + code)

    def go(self, task: str) -> None:
        (self.folder / f"go-{task}").touch()

    def seen(self, task: str) -> dict[str, str]:
        """What a task that runs sees of its GPUs."""
        console = until(lambda: self._said(task), what=f"for {task} to begin")
        return dict(json.loads(console))

    def _said(self, task: str) -> str:
        found = re.search(r"^SEES (.*)$", Tasks(self.server, "").console(task), re.MULTILINE)
        return found[1] if found else ""

    def occupy(self, uuid: str, pid: int) -> None:
        (self.folder / uuid).mkdir(exist_ok=True)
        (self.folder / uuid / str(pid)).write_text("500")


@pytest.fixture
def gpu_host(server: Any, tmp_path: Path) -> GpuHost:
    """Four GPUs of 8,000 MiB: GPU-0 to GPU-3."""
    folder = tmp_path / "gpus"
    folder.mkdir()
    boards = [
        {"uuid": f"GPU-{index}", "memory_mib": 8000, "usage": 10 * index, "temperature": 40 + index}
        for index in range(4)
    ]
    (folder / "boards.json").write_text(json.dumps(boards))
    return GpuHost(server, folder, uuid.uuid4().hex[:8])


@pytest.fixture
def gpu_agent(server: Any, gpu_host: GpuHost, new_agent: Callable[..., Agent], tmp_path: Path) -> Callable[..., Agent]:
    """Makes agents on that host; the arguments are settings under `agent.gpu`."""

    def make(**settings: Any) -> Agent:
        conf = tmp_path / "agent.conf"
        conf.write_text(json.dumps({"agent": {"gpu": settings}}))
        return new_agent(
            server,
            CLEARML_CONFIG_FILE=str(conf),
            GPU_HOST=str(gpu_host.folder),
            PYTHONPATH=os.pathsep.join([str(Path(__file__).parent / "stand_in"), str(Path(__file__).parents[4])]),
            CLEARML_AGENT_STATUS_REPORT_FREQ_SEC="0.5",
        )

    return make
