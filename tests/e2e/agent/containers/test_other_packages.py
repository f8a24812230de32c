"""Packages in containers beyond pip for glibc: conda, and images for musl."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.agent.core.conftest import LIMIT_S, Agent, Tasks
from tests.engine import Engine
from tests.integration.agent.environments.conda_channel import Channel

from .test_containers import variant, wheel

NewAgent = Callable[..., Agent]
SHOWS = """
import alpha, json, os, subprocess, sys
print("SEES " + json.dumps([
    alpha.VERSION, sys.base_prefix, os.environ["CONDA_PREFIX"],
    subprocess.run(["python", "-c", "import alpha; print(alpha.VERSION)"], capture_output=True, text=True).stdout,
    open("/proc/1/cmdline").read().split(chr(0))[-2],
]), flush=True)
"""


@pytest.mark.full
@pytest.mark.timeout(300)
def test_a_conda_environment_is_made_here_and_used_in_the_container(
    new_docker_agent: NewAgent, tasks: Tasks, tmp_path: Path
) -> None:
    channel = Channel(tmp_path / "channel")
    channel.add_python()
    channel.add_module("alpha", "1.0")
    packages = {"type": "conda", "conda_channels": [channel.url]}
    # The channel's Python is this machine's, which may have its library at a place of its own; conda's have it inside.
    library = ["-v", f"{sys.base_prefix}:{sys.base_prefix}:ro"]
    agent = new_docker_agent({"package_manager": packages, "extra_docker_arguments": library})
    agent.start("--docker", queue=tasks.queue)
    for said in ("built in", "reused in"):
        task = tasks.submit(SHOWS, requirements={"conda": "alpha=1.0"})
        done = tasks.finished(task, 4 * LIMIT_S)
        console = tasks.console(task)
        assert done["status"] == "completed" and said in console, console
        line = next(line for line in console.splitlines() if line.startswith("SEES "))
        version, base, prefix, child, first = json.loads(line.removeprefix("SEES "))
        assert (version, child, first) == ("1.0", "1.0\n", "--contained")
        assert base == prefix and Path(base).is_relative_to(agent.cache)


def test_a_conda_environment_that_containers_lack_is_refused(
    new_docker_agent: NewAgent, tasks: Tasks, tmp_path: Path
) -> None:
    agent = new_docker_agent({"package_manager": {"type": "conda"}}, CLEARML_CONDA_ENV_PACKAGE=str(tmp_path))
    agent.start("--docker", queue=tasks.queue)
    task = tasks.submit("print('never')")
    done = tasks.finished(task)
    assert done["status"] == "failed" and "conda-pack" in done["status_message"], done["status_message"]


@pytest.mark.full
@pytest.mark.timeout(300)
def test_an_image_for_musl_gets_a_uv_that_runs_there(
    new_docker_agent: NewAgent, tasks: Tasks, engine: Engine, tmp_path: Path
) -> None:
    """The image's Python says that it is of musl; uv's build for it needs no C library, and so runs here as well."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for name in ("present", "further"):
        wheel(wheels, name, "2.0", "version = '2.0'")
    says = "sed -i s/x86_64-linux-gnu/x86_64-linux-musl/g /usr/lib/python3.11/_sysconfigdata__x86_64-linux-gnu.py"
    image = variant(engine, "musl", command=f"{says}; rm -rf /usr/lib/python3.11/__pycache__/_sysconfigdata*")
    agent = new_docker_agent(PIP_FIND_LINKS=str(wheels))
    agent.start("--docker", image, queue=tasks.queue)
    for name, is_first in (("present", True), ("further", False)):
        code = f"import {name}, sysconfig; print('GOT', {name}.version, sysconfig.get_config_var('SOABI'))"
        task = tasks.submit(code, requirements={"pip": f"{name}==2.0"})
        assert tasks.finished(task, 4 * LIMIT_S)["status"] == "completed", tasks.console(task)
        console = tasks.console(task)
        assert "GOT 2.0" in console and "linux-musl" in console
        assert ("uv's build for it is fetched" in console) == is_first
