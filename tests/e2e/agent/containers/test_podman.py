"""The same over podman's socket."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.agent.core.conftest import Agent, Tasks, until
from tests.engine import BASE, NoEngine, make_base

from .test_containers import LOOK, WAITS, sees

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]
IMAGE = "localhost/base:1"
LIMITS = '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'
"""Below those of any machine: podman's own are higher than some may set."""


@pytest.fixture
def podman(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a podman service of the test's own, with the base image."""
    if shutil.which("podman") is None:
        pytest.skip("no podman here (apt-get install podman)")
    try:
        make_base()
    except NoEngine as error:
        pytest.skip(str(error))
    folder = Path(tempfile.mkdtemp(prefix="pod-"))  # it wants short paths
    (folder / "containers.conf").write_text(LIMITS)
    monkeypatch.setenv("CONTAINERS_CONF", str(folder / "containers.conf"))
    command = ["podman", "--root", str(folder / "root"), "--runroot", str(folder / "run")]
    command += ["--cgroup-manager", "cgroupfs", "--events-backend", "file"]
    load = [*command, "import", "--quiet", str(BASE), IMAGE]
    loaded = subprocess.run(load, capture_output=True, timeout=300, check=False)
    assert loaded.returncode == 0, loaded.stderr
    socket = folder / "podman.sock"
    with (folder / "podman.log").open("wb") as log:
        service = subprocess.Popen(
            [*command, "system", "service", "--time", "0", f"unix://{socket}"], stdout=log, stderr=log
        )
    try:
        until(socket.exists, what="for podman")
        yield f"unix://{socket}"
    finally:
        for end in (["rm", "--all", "--force"], ["system", "reset", "--force"]):
            subprocess.run([*command, *end], capture_output=True, timeout=120, check=False)
        service.terminate()
        service.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def test_task_runs_and_is_stopped(podman: str, server: object, new_agent: Callable[..., Agent], tasks: Tasks) -> None:
    agent = new_agent(server, DOCKER_HOST=podman)
    agent.start("--podman", IMAGE, queue=tasks.queue)
    task = tasks.submit(LOOK, requirements={"pip": "six"})
    assert sees(tasks, task)["pid1"][-1] == "--contained"
    task = tasks.submit(WAITS)
    tasks.says(task, "begun now")
    tasks.server.call("tasks.stop", {"task": task})
    assert tasks.finished(task)["status"] == "stopped"
