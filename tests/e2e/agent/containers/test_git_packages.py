"""Packages from a git repository that wants the agent's password: the password stays with the agent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.agent.core.conftest import Agent, Tasks
from tests.engine import Engine
from tests.integration.agent.vcs.conftest import PASSWORD, USER, Repository, host, repository

__all__ = ["host", "repository"]

PROJECT = "[project]\nname = 'mine'\nversion = '1.0'\n[build-system]\nrequires = []\n"
PROJECT += "build-backend = 'backend'\nbackend-path = ['.']\n"
BACKEND = """
import os, pathlib, zipfile
SEEN = "\\n".join(os.environ.values())
def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "mine-1.0-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(folder) / name, "w") as wheel:
        wheel.writestr("mine.py", f"VALUE, SEEN = 'git', {SEEN!r}")
        wheel.writestr("mine-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: mine\\nVersion: 1.0\\n")
        wheel.writestr("mine-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("mine-1.0.dist-info/RECORD", "")
    return name
"""
USES = f"import os, mine\nprint('PACKAGE', mine.VALUE, {PASSWORD!r} in mine.SEEN + str(os.environ), flush=True)\n"


@pytest.fixture
def package(repository: Repository, host: Any) -> str:
    """The requirement line of a package that no other test installs."""
    (repository.path / "backend.py").write_text(BACKEND)
    (repository.path / "pyproject.toml").write_text(PROJECT)
    repository.commit("a package")
    return f"mine @ git+{host.url('project')}@main"


def requirements(package: str) -> dict[str, str]:
    return {"pip": f"{package}\n"}


@pytest.mark.parametrize("place", [("--docker",), ()], ids=["container", "machine"])
def test_the_agent_brings_a_package_that_only_it_may_read(
    new_docker_agent: Callable[..., Agent], tasks: Tasks, package: str, place: tuple[str, ...]
) -> None:
    agent = new_docker_agent({"git_user": USER, "git_pass": PASSWORD})
    agent.start(*place, queue=tasks.queue)
    task = tasks.create(USES, requirements=requirements(package))
    tasks.enqueue(task)
    assert tasks.finished(task)["status"] == "completed", tasks.console(task)
    assert "PACKAGE git False\n" in tasks.console(task)
    assert f"- {package}\n" in tasks.console(task)


def test_without_a_password_the_failure_names_the_setting(
    new_docker_agent: Callable[..., Agent], tasks: Tasks, package: str
) -> None:
    # The repository is on this machine's loopback, and a task does not choose what of that it reaches.
    docker_agent = new_docker_agent({"extra_docker_arguments": "--network host"})
    docker_agent.start("--docker", queue=tasks.queue)
    task = tasks.create(USES, requirements=requirements(package))
    tasks.enqueue(task)
    done = tasks.finished(task)
    assert (done["status"], "agent.git_user" in done["status_message"]) == ("failed", True), done["status_message"]


def test_an_image_is_built_with_a_package_that_only_the_agent_may_read(
    new_docker_agent: Callable[..., Agent], tasks: Tasks, package: str, engine: Engine
) -> None:
    agent = new_docker_agent({"git_user": USER, "git_pass": PASSWORD})
    task = tasks.create(USES, requirements=requirements(package))
    name = f"built-{task[:8]}"
    done = agent.run("build", "--id", task, "--docker", engine.image, "--target", name, limit_s=300)
    try:
        assert done.returncode == 0, done.stdout + done.stderr
        assert engine.docker("run", "--rm", name, "python3", "-c", USES) == "PACKAGE git False"
        assert "gitconfig" not in engine.docker("run", "--rm", name, "ls", "/root", "/etc", "/dev")
    finally:
        engine.docker("image", "rm", "--force", name, check=False)
