"""`clearml-agent build` without a container: a folder with a task's environment and code, which stands alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.agent.core.conftest import Agent, Tasks

pytestmark = pytest.mark.timeout(180)

CODE = """import importlib.metadata as m, json, sys
import only_here, own
print("SEEN", json.dumps({"file": only_here.__file__, "own": own.__file__, "version": m.version("only-here"),
                          "prefix": sys.prefix, "argv": sys.argv[1:]}))
"""


def git(folder: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@t", *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose code brings an editable package of its own."""
    folder = tmp_path / "repository"
    (folder / "part").mkdir(parents=True)
    (folder / "train.py").write_text("raise SystemExit('as committed')\n")
    (folder / "part" / "own.py").write_text("")
    setup = "from setuptools import setup\nsetup(name='own', version='1', py_modules=['own'])\n"
    (folder / "part" / "setup.py").write_text(setup)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "one")
    return folder


def ran(target: Path, *arguments: str) -> Any:
    """What the built folder's program says it saw, on a machine that has no agent."""
    env = {"PATH": os.defpath, "HOME": str(target.parent)}
    done = subprocess.run(
        [str(target / "run"), *arguments], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.partition("SEEN ")[2])


def test_a_built_folder_runs_without_the_agent_and_its_caches(
    agent: Agent, tasks: Tasks, repository: Path, tmp_path: Path, index: Any, index_server: Any
) -> None:
    index.add("only_here", "1.0")
    agent.variables |= {
        "CLEARML__AGENT__PACKAGE_MANAGER__EXTRA_INDEX_URL": index_server.url(),
        "CLEARML_AGENT_VENV_CACHE_PATH": str(tmp_path / "cache"),
    }
    (repository / "train.py").write_text(CODE)
    diff = git(repository, "diff")
    git(repository, "checkout", "-q", ".")
    task = tasks.create(
        diff,
        repository=repository.as_uri(),
        branch="main",
        entry_point="train.py",
        requirements={"pip": "only_here\n-e ./part\n"},
    )
    target = tmp_path / "built"
    done = agent.run("build", "--id", task, "--target", str(target), limit_s=120)
    assert done.returncode == 0, done.stderr
    assert f"run it: {target}/run\n" in done.stdout
    assert tasks.status(task) == "created"
    for place in ("cache", "repository"):
        shutil.rmtree(tmp_path / place)
    shutil.rmtree(agent.home / "vcs")
    seen = ran(target, "--flag")
    assert seen["file"].startswith(f"{target}/env/lib/")
    assert seen["own"].startswith(f"{target}/code/repository/part/")
    assert (seen["version"], seen["prefix"], seen["argv"]) == ("1.0", f"{target}/env", ["--flag"])
    code = target / "code" / "repository"
    assert git(code, "status", "--short", "--untracked-files=no") == " M train.py\n"
    assert git(code, "log", "--format=%s") == "one\n"
    (repository.parent / "other").mkdir()
    (repository.parent / "other" / "mine").touch()
    refused = agent.run("build", "--id", task, "--target", str(repository.parent / "other"))
    assert (refused.returncode, (repository.parent / "other" / "mine").exists()) == (2, True)
    assert "not made by a build" in refused.stderr


def test_a_build_that_was_cut_off_is_done_again_in_its_place(agent: Agent, tasks: Tasks, tmp_path: Path) -> None:
    task = tasks.create(
        "import attr, sys\nprint('SEEN', '\"' + attr.__file__ + '\"')\n", requirements={"pip": "attrs\n"}
    )
    target = tmp_path / "built"
    (target / "env").mkdir(parents=True)
    (target / ".building").touch()  # as a killed build leaves it
    for _ in range(2):
        done = agent.run("build", "--id", task, "--target", str(target), limit_s=120)
        assert done.returncode == 0, done.stderr
        assert ran(target).startswith(f"{target}/env/")


def test_a_build_may_use_an_interpreter_as_it_is(agent: Agent, tasks: Tasks, tmp_path: Path) -> None:
    task = tasks.create(
        "import sys\nprint('SEEN', '\"' + sys.prefix + '\"')\n", requirements={"pip": ""}, binary="python3"
    )
    target = tmp_path / "built"
    version = ".".join(map(str, sys.version_info[:2]))
    words = ("--id", task, "--target", str(target), "--install-globally", "--python-version", version)
    done = agent.run("build", *words, limit_s=120)
    assert done.returncode == 0, done.stderr
    assert json.loads((target / "built.json").read_text())["python"] == os.path.realpath(sys._base_executable)
    assert ran(target) == sys.base_prefix
