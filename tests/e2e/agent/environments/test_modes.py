"""Each way to build an environment runs a task end to end: real server, real agent, real repository."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clearml_agent.environments import PackageSettings, tools
from clearml_agent.environments.cache import Cache
from clearml_agent.environments.installer import Installer
from clearml_agent.environments.interpreters import uv_program
from clearml_agent.environments.settings import read_indexes
from tests.e2e.agent.core.conftest import Agent, Tasks
from tests.integration.agent.environments.conda_channel import Channel

pytestmark = pytest.mark.timeout(300)
LIMIT_S = 200.0

SCRIPT = """
import importlib.metadata, json, sys
names = {d.metadata["Name"].lower() for d in importlib.metadata.distributions()}
import idna
print("FOUND " + json.dumps({"idna": idna.__version__ if hasattr(idna, "__version__") else "", "file": idna.__file__,
                             "prefix": sys.prefix, "base": sys.base_prefix, "file0": __file__}))
"""
PROJECT = """
[project]
name = "mine"
version = "1.0"
requires-python = ">=3.11"
dependencies = ["idna==3.6"]
[tool.poetry]
package-mode = false
"""


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@t", *words], cwd=folder, check=True,
                   capture_output=True)  # fmt: skip


def commit(folder: Path) -> str:
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "x")
    return folder.as_uri()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "main.py").write_text(SCRIPT)
    return folder


@pytest.fixture
def run(agent: Agent, tasks: Tasks) -> Callable[..., tuple[dict[str, Any], dict[str, Any], str]]:
    """Run one task; answers the task, what its script found, and its console."""

    def run_one(**script: Any) -> tuple[dict[str, Any], dict[str, Any], str]:
        if agent.process is None:
            agent.start(queue=tasks.queue)
        task = tasks.submit(script.pop("code", ""), **script)
        ended = tasks.finished(task, LIMIT_S)
        console = tasks.console(task)
        assert ended["status"] == "completed", console
        found = next((line for line in console.splitlines() if line.startswith("FOUND ")), "FOUND {}")
        return ended, json.loads(found.removeprefix("FOUND ")), console

    return run_one


@pytest.mark.rows("S3-004", "S3-080")
def test_pip_mode_is_the_default(run: Any, repository: Path, agent: Agent) -> None:
    requirements = {"pip": ["idna==3.6"]}
    url = commit(repository)
    first, found, _ = run(repository=url, branch="main", requirements=requirements)
    assert found["idna"] == "3.6" and Path(found["file"]).is_relative_to(agent.cache)
    assert Path(found["prefix"]).is_relative_to(agent.home)
    recorded = first["script"]["requirements"]
    assert recorded["pip"] == ["idna==3.6"] and recorded["org_pip"] == recorded["orig_pip"] == "idna==3.6"
    _, _, console = run(repository=url, branch="main", requirements=requirements)
    assert ": reused in " in console


def test_uv_lock(run: Any, repository: Path, agent: Agent) -> None:
    (repository / "pyproject.toml").write_text(PROJECT)
    subprocess.run([uv_program(), "lock", "-q"], cwd=repository, env=package_environment(), check=True)
    url = commit(repository)
    ended, found, console = run(repository=url, branch="main", requirements={"pip": ["idna==3.7"]})
    assert found["idna"] == "3.6" and "uv.lock of the code decides" in console
    assert ended["script"]["requirements"]["pip"] == ["idna==3.6"]
    assert ended["script"]["requirements"]["orig_pip"] == "idna==3.7"
    _, _, console = run(repository=url, branch="main", requirements={"pip": ["idna==3.7"]})
    assert ": reused in " in console


def package_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}


@pytest.mark.rows("S3-033", "S3-082")
def test_poetry_lock(run: Any, repository: Path, agent: Agent, tmp_path: Path, index: Any, index_server: Any) -> None:
    index.add("idna", "3.6", {"idna/__init__.py": "__version__ = '3.6'\n"})
    source = f"[[tool.poetry.source]]\nname = 'here'\nurl = '{index_server.url()}/'\npriority = 'primary'\n"
    agent.variables |= {"CLEARML__AGENT__PACKAGE_MANAGER__TYPE": "poetry", "POETRY_CACHE_DIR": str(tmp_path / "poetry")}
    (repository / "pyproject.toml").write_text(PROJECT + source)
    # Poetry remembers what an index had by the index's name, also from one run of this test to the next.
    environ = package_environment() | {"POETRY_CACHE_DIR": agent.variables["POETRY_CACHE_DIR"]}
    settings = PackageSettings(indexes=read_indexes([], environ), free_space_bytes=0)
    store = Cache(agent.cache / "envs", Installer(settings, environ, print), settings, print)
    python, site = asyncio.run(tools.obtain(store, ["poetry"], tmp_path))
    lock = tools.module_command(python, site, "poetry", "lock", "-n")
    subprocess.run(lock, cwd=repository, env=environ, check=True, capture_output=True)
    ended, found, console = run(repository=commit(repository), branch="main", requirements={"pip": ["idna==3.7"]})
    assert found["idna"] == "3.6" and "poetry.lock of the code decides" in console
    assert ended["script"]["requirements"]["pip"] == ["idna==3.6"]


@pytest.mark.rows("S3-032", "S3-039", "S3-081")
def test_environment_file_in_conda_mode(run: Any, repository: Path, agent: Agent, tmp_path: Path) -> None:
    channel = Channel(tmp_path / "channel")
    channel.add_python()
    channel.add_module("alpha", "1.0")
    agent.variables["CLEARML__AGENT__PACKAGE_MANAGER__TYPE"] = "conda"
    (repository / "environment.yml").write_text(
        f"channels:\n  - {channel.url}\ndependencies:\n  - alpha\n  - pip:\n    - idna==3.6\n"
    )
    (repository / "main.py").write_text("import alpha\nassert alpha.VERSION == '1.0'\n" + SCRIPT)
    ended, found, console = run(repository=commit(repository), branch="main", requirements={"pip": ["idna==3.7"]})
    assert found["idna"] == "3.6" and Path(found["base"]).is_relative_to(agent.cache)
    assert Path(found["prefix"]).is_relative_to(agent.home)
    assert ended["script"]["requirements"]["pip"] == ["idna==3.7"]
    assert "conda" not in ended["script"]["requirements"]
    assert "environment.yml of the code decides" in console
    assert agent.stop() == 0
    agent.process, agent.variables["CLEARML__AGENT__PACKAGE_MANAGER__CONDA_FULL_ENV_UPDATE"] = None, "true"
    ended, _, _ = run(repository=f"file://{repository}", branch="main", requirements={"pip": ["idna==3.7"]})
    written = ended["script"]["requirements"]
    assert any(line.startswith("alpha=1.0") for line in written["conda"]) and "idna==3.6" in written["pip"]
    assert written["orig_pip"] == "idna==3.7"


NOTEBOOK = {
    "cells": [
        {"cell_type": "markdown", "source": ["# text"]},
        {"cell_type": "code", "source": ["%time x = 1\n", "files = !echo shell"]},
        {"cell_type": "code", "source": ["print('FOUND ' + __import__('json').dumps({'files': list(files)}))"]},
    ],
    "nbformat": 4,
    "metadata": {},
}


def test_notebook_with_magics(run: Any, repository: Path) -> None:
    (repository / "work.ipynb").write_text(json.dumps(NOTEBOOK))
    _, found, console = run(repository=commit(repository), branch="main", entry_point="work.ipynb",
                            requirements={"pip": ["idna==3.6"]})  # fmt: skip
    assert found == {"files": ["shell"]}
    assert "work.ipynb runs as work.py" in console


def test_task_init_is_put_into_a_script_that_lacks_it(run: Any, agent: Agent, tmp_path: Path) -> None:
    agent.variables["CLEARML_AGENT_FORCE_TASK_INIT"] = "1"
    stand_in = tmp_path / "clearml.py"
    stand_in.write_text("class Task:\n    @staticmethod\n    def init(): print('FOUND {\"init\": true}')\n")
    agent.variables |= {"CLEARML_AGENT_EXTRA_PYTHON_PATH": str(tmp_path), "CLEARML_AGENT_SKIP_PYTHON_ENV_INSTALL": "1"}
    _, found, console = run(code='"""Doc."""\nfrom __future__ import annotations\nprint(1)\n')
    assert found == {"init": True} and "Task.init is put into main.py" in console


BUILD = """#!/bin/sh
test -d "$CLEARML_GIT_ROOT/.git" && test "$CLEARML_TASK_SCRIPT_ENTRY" = main.py || exit 3
echo "$CLEARML_CUSTOM_BUILD_TASK_CONFIG_JSON" | grep -q '"id"' || exit 4
mkdir -p made && echo 'import os, sys; print("FOUND {\\"own\\": true}")' > made/other.py
echo "built here"
echo "{\\"binary\\": \\"%s\\", \\"entry_point\\": \\"made/other.py\\", \\"working_dir\\": \\"made\\"}" \
  > "$CLEARML_CUSTOM_BUILD_OUTPUT"
"""


def test_custom_build_script_stands_in_for_the_agent(run: Any, agent: Agent, tasks: Tasks, repository: Path,
                                                     tmp_path: Path) -> None:  # fmt: skip
    script = tmp_path / "build.sh"
    script.write_text(BUILD.replace("%s", sys.executable))
    script.chmod(0o755)
    agent.variables["CLEARML_AGENT_CUSTOM_BUILD_SCRIPT"] = str(script)
    url = commit(repository)
    _, found, console = run(repository=url, branch="main", requirements={"pip": ["no-such-package"]})
    assert found == {"own": True} and "built here" in console
    script.write_text("#!/bin/sh\necho wrong >&2\nexit 7\n")
    failed = tasks.finished(tasks.submit("", repository=url, branch="main"), LIMIT_S)
    assert failed["status"] == "failed" and "exit code 7" in failed["status_message"]


def test_packages_go_into_an_interpreter_that_is_there(run: Any, agent: Agent, tmp_path: Path) -> None:
    subprocess.run([uv_program(), "venv", "-q", "--python", sys.executable, tmp_path / "there"], check=True)
    agent.variables["CLEARML_AGENT_SKIP_PIP_VENV_INSTALL"] = str(tmp_path / "there" / "bin" / "python")
    _, found, _ = run(code=SCRIPT, requirements={"pip": ["idna==3.6"]})
    assert found["idna"] == "3.6" and found["prefix"] == str(tmp_path / "there")
    assert not (agent.cache / "envs" / "env-none").exists()


@pytest.mark.rows("S3-031")
def test_python_of_the_configuration_and_of_the_task(run: Any, agent: Agent, other_python: str) -> None:
    version = "import json, sys; print('FOUND ' + json.dumps({'v': sys.version.split()[0]}))"
    agent.variables["CLEARML_AGENT_PYTHON_BINARY"] = other_python
    other = subprocess.run([other_python, "-c", "import sys; print(sys.version.split()[0])"], capture_output=True,
                           text=True, check=True).stdout.strip()  # fmt: skip
    _, found, _ = run(code=version, binary="python3")
    assert found == {"v": other}
    own = ".".join(map(str, sys.version_info[:2]))
    _, found, _ = run(code=version, binary=f"python{own}")
    assert found["v"].startswith(own + ".")


def test_cache_command(run: Any, agent: Agent, server: Any) -> None:
    agent.variables["CLEARML_AGENT_VENV_CACHE_PATH"] = str(agent.home / "own-envs")
    run(code=SCRIPT, requirements={"pip": ["idna==3.6"]})
    listed = json.loads(agent.run("cache", "list", "--json").stdout)
    (item,) = [item for item in listed if item["kind"] == "env"]
    assert item["requirements"] == ["idna==3.6"] and item["packages"] == 1 and item["size"] > 100_000
    assert "idna==3.6" in agent.run("cache", "list").stdout.replace("\n", "")
    size = json.loads(agent.run("cache", "size", "--json").stdout)
    assert size["environments"] == 2 and size["size"] > item["size"]
    kept = agent.run("cache", "prune", "--unused", "1d", "--json")
    assert json.loads(kept.stdout) == []
    removed = json.loads(agent.run("cache", "prune", "--json").stdout)
    assert sorted(found["kind"] for found in removed) == ["env", "seeds"]
    assert json.loads(agent.run("cache", "list", "--json").stdout) == []
    _, found, _ = run(code=SCRIPT, requirements={"pip": ["idna==3.6"]})
    assert found["idna"] == "3.6"


def test_standalone_mode_runs_from_the_caches_alone(
    agent: Agent, tasks: Tasks, repository: Path, index: Any, index_server: Any
) -> None:
    """The repository's host and the index are there for the first run, and gone for the second."""
    index.add("only_here", "1.0")
    agent.variables["CLEARML__AGENT__PACKAGE_MANAGER__EXTRA_INDEX_URL"] = index_server.url()
    agent.variables["CLEARML_AGENT_VENV_CACHE_PATH"] = str(agent.home / "own-envs")
    (repository / "main.py").write_text("import only_here\nprint('FOUND', only_here.VERSION)\n")
    script = {"repository": commit(repository), "branch": "main", "requirements": {"pip": "only_here\n"}}
    first = tasks.create("", **script)
    early = agent.run("execute", "--id", first, "--standalone-mode")
    assert early.returncode == 1 and tasks.status(first) == "failed"
    assert "standalone mode" in tasks.get(first)["status_message"]
    second = tasks.create("", **script)
    assert agent.run("execute", "--id", second, limit_s=LIMIT_S).returncode == 0, tasks.console(second)
    index_server.stop()
    repository.rename(repository.with_name("gone"))
    third = tasks.create("", **script)
    assert agent.run("execute", "--id", third, "--standalone-mode").returncode == 0, tasks.console(third)
    assert "\nFOUND 1.0\n" in tasks.console(third) and ": reused in " in tasks.console(third)
    assert tasks.get(third)["script"]["version_num"] == tasks.get(second)["script"]["version_num"]


@pytest.mark.rows("S3-040")
def test_a_conda_environment_named_as_the_image(
    run: Any, repository: Path, agent: Agent, tasks: Tasks, tmp_path: Path
) -> None:
    channel = Channel(tmp_path / "channel")
    channel.add_python()
    channel.add_module("alpha", "1.0")
    manager = "CLEARML__AGENT__PACKAGE_MANAGER__"
    agent.variables |= {f"{manager}TYPE": "conda", f"{manager}CONDA_ENV_AS_BASE_DOCKER": "true"}
    (repository / "environment.yml").write_text(
        f"channels:\n  - {channel.url}\ndependencies:\n  - alpha\n  - pip:\n    - idna==3.6\n"
    )
    _, found, _ = run(repository=commit(repository), branch="main")
    made = tmp_path / "elsewhere"
    shutil.copytree(found["base"], made, symlinks=True)

    def run_on(image: str) -> tuple[str, str]:
        code = "import alpha, sys\nprint('ON', sys.base_prefix)\n"
        task = tasks.create(code, requirements={"pip": ["idna==3.6"]})
        tasks.server.call("tasks.edit", {"task": task, "container": {"image": image}})
        return tasks.finished(tasks.enqueue(task), LIMIT_S)["status"], tasks.console(task)

    status, console = run_on(str(made))
    assert status == "completed" and f"ON {made}" in console, console
    status, console = run_on("nvidia/cuda:12")
    assert status == "failed" and "there is no conda environment at nvidia/cuda:12" in console, console
