"""Lock files of the code decide in containers as elsewhere; the tools run there, on the image's Python."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path
from typing import Any

import pytest

from clearml_agent.environments import PackageSettings, tools
from clearml_agent.environments.cache import Cache
from clearml_agent.environments.installer import Installer
from clearml_agent.environments.interpreters import uv_program
from clearml_agent.environments.settings import read_indexes
from tests.e2e.agent.core.conftest import LIMIT_S, Agent, Tasks
from tests.e2e.agent.environments.test_modes import PROJECT, commit, package_environment

SCRIPT = "import idna, os; print('FOUND', idna.__file__, os.path.exists('/.dockerenv'))"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "main.py").write_text(SCRIPT)
    (folder / "pyproject.toml").write_text(PROJECT)
    return folder


def check(agent: Agent, tasks: Tasks, url: str, file: str) -> None:
    """Run the code at `url`: it has the locked package, from the agent's cache, and another task has the same."""
    for _ in range(2):
        task = tasks.submit("", repository=url, branch="main", requirements={"pip": ["idna==3.7"]})
        ended = tasks.finished(task, 4 * LIMIT_S)
        console = tasks.console(task)
        assert ended["status"] == "completed", console
        assert f"FOUND {agent.cache}/envs/env-" in console and f"{file} of the code decides" in console
        assert ended["script"]["requirements"]["pip"] == ["idna==3.6"]
    assert ": reused in" in console


def test_uv_lock(docker_agent: Agent, tasks: Tasks, repository: Path) -> None:
    subprocess.run([uv_program(), "lock", "-q"], cwd=repository, env=package_environment(), check=True)
    docker_agent.start("--docker", queue=tasks.queue)
    check(docker_agent, tasks, commit(repository), "uv.lock")


@pytest.mark.full
def test_poetry_lock(
    docker_agent: Agent, tasks: Tasks, repository: Path, tmp_path: Path, index: Any, index_server: Any
) -> None:
    index.add("idna", "3.6", {"idna/__init__.py": "__version__ = '3.6'\n"})
    source = f"[[tool.poetry.source]]\nname = 'here'\nurl = '{index_server.url()}/'\npriority = 'primary'\n"
    (repository / "pyproject.toml").write_text(PROJECT + source)
    environ = package_environment() | {"POETRY_CACHE_DIR": str(tmp_path / "poetry")}
    settings = PackageSettings(indexes=read_indexes([], environ), free_space_bytes=0)
    store = Cache(docker_agent.cache / "envs", Installer(settings, environ, print), settings, print)
    python, site = asyncio.run(tools.obtain(store, ["poetry"], tmp_path))
    lock = tools.module_command(python, site, "poetry", "lock", "-n")
    subprocess.run(lock, cwd=repository, env=environ, check=True, capture_output=True)
    docker_agent.start("--docker", queue=tasks.queue)
    check(docker_agent, tasks, commit(repository), "poetry.lock")
