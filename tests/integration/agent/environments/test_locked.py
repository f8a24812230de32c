"""Lock files of the code, installed by the real tools: uv, poetry, and uv for pylock.toml."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from clearml_agent.environments import EnvironmentFailed, tools
from clearml_agent.environments.cache import Cache
from clearml_agent.environments.installer import Installer
from clearml_agent.environments.interpreters import uv_program
from clearml_agent.environments.settings import Poetry, Uv

pytestmark = pytest.mark.timeout(240)
WHERE = "import alpha; print(alpha.VERSION, alpha.__file__)"

PROJECT = """
[project]
name = "mine"
version = "1.0"
requires-python = ">=3.11"
dependencies = ["alpha<2"]
[[tool.uv.index]]
url = "{url}"
default = true
[[tool.poetry.source]]
name = "here"
url = "{url}/"
priority = "primary"
[tool.poetry]
package-mode = false
"""


def write_project(folder: Path, url: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(PROJECT.format(url=url))
    return folder


def run(work: Any, folder: Path, *argv: str) -> str:
    work.environ.pop("UV_NO_CONFIG", None)  # the project names its index
    done = subprocess.run(argv, cwd=folder, env=work.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@pytest.fixture
def uv_project(work: Any, index_server: Any, tmp_path: Path) -> Path:
    """A project that uv has locked to alpha 1.0."""
    folder = write_project(tmp_path / "code", index_server.url())
    run(work, folder, uv_program(), "lock", "--quiet")
    return folder


@pytest.mark.rows("S3-090", "S3-091")
async def test_uv_lock_decides_and_is_installed_once(work: Any, uv_project: Path, index_server: Any) -> None:
    first = await work("alpha==2.0", root=uv_project, name="one")
    index_server.downloads.clear()
    second = await work("alpha==2.0", root=uv_project, name="two")
    assert (first.reused, second.reused) == (False, True)
    for made in (first, second):
        version, place = work.run(made, WHERE).split()
        assert version == "1.0" and Path(place).is_relative_to(work.cache)
        assert made.frozen == ["alpha==1.0"]
    assert index_server.downloads == []
    assert "uv.lock of the code decides" in work.console
    assert "own" not in second.stages


async def test_lock_files_can_be_switched_off(work: Any, uv_project: Path) -> None:
    made = await work("alpha==2.0", root=uv_project, settings=msgspec.structs.replace(work.settings, lock_files=False))
    assert work.run(made, WHERE).split()[0] == "2.0"


async def test_lock_file_that_does_not_fit_is_told_how_to_be_mended(work: Any, uv_project: Path) -> None:
    text = (uv_project / "pyproject.toml").read_text()
    (uv_project / "pyproject.toml").write_text(text.replace("alpha<2", "alpha>=2"))
    with pytest.raises(EnvironmentFailed, match="Run `uv lock`"):
        await work(root=uv_project)
    (uv_project / "uv.lock").write_text("broken = [")
    with pytest.raises(EnvironmentFailed, match=r"uv.lock of the code cannot be read"):
        await work(root=uv_project)
    assert work.entries() == [] and work.unfinished() == []


async def test_uv_mode_resolves_a_project_without_lock(work: Any, index_server: Any, tmp_path: Path) -> None:
    folder = write_project(tmp_path / "code", index_server.url())
    settings = msgspec.structs.replace(work.settings, manager="uv")
    made = await work(root=folder, settings=settings)
    assert work.run(made, WHERE).split()[0] == "1.0"
    again = await work("alpha==2.0", name="two", root=tmp_path / "nothing", settings=settings)
    assert work.run(again, WHERE).split()[0] == "2.0"
    assert "as in pip mode" in work.console


async def test_the_project_itself_is_the_tasks_own(work: Any, index_server: Any, tmp_path: Path) -> None:
    from .test_build import BACKEND

    folder = write_project(tmp_path / "code", index_server.url())
    text = (folder / "pyproject.toml").read_text()
    build = "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
    (folder / "pyproject.toml").write_text(text + build)
    (folder / "mine.py").write_text("VALUE = 1\n")
    (folder / "backend.py").write_text(BACKEND)
    run(work, folder, uv_program(), "lock", "--quiet")
    made = await work(root=folder)
    own, shared = work.run(made, "import mine, alpha; print(mine.__file__, alpha.__file__)").split()
    assert Path(own).is_relative_to(folder) and Path(shared).is_relative_to(work.cache)
    assert len(work.entries()) == 1


async def test_our_wheel_is_added_to_a_locked_environment(work: Any, uv_project: Path, index: Any) -> None:
    wheel = index.add("clearml_lean", "0.1.0", {"clearml.py": "OURS = True\n"})
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    made = await work("clearml", root=uv_project, sdk=f"{wheel.as_uri()}#sha256={digest}")
    assert work.run(made, "import clearml, alpha; print(clearml.OURS, alpha.VERSION)") == "True 1.0"
    assert made.frozen == ["alpha==1.0", "clearml"]


async def test_pylock_is_installed(work: Any, uv_project: Path) -> None:
    run(work, uv_project, uv_program(), "export", "--quiet", "--format", "pylock.toml", "-o", "pylock.toml")
    (uv_project / "uv.lock").unlink()
    made = await work("alpha==2.0", root=uv_project)
    assert work.run(made, WHERE).split()[0] == "1.0"
    assert "pylock.toml of the code decides" in work.console


async def test_uv_of_a_chosen_version_installs(work: Any, uv_project: Path, tool_settings: Any) -> None:
    settings = tool_settings(uv=Uv(version="==0.9.0"))
    made = await work(root=uv_project, settings=settings)
    assert work.run(made, WHERE).split()[0] == "1.0"
    (tool,) = work.entries("tool")
    assert list((work.cache / tool / "site").glob("uv-0.9.0.dist-info"))


@pytest.fixture
def tool_settings(work: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Settings under which poetry and the like come from the machine's own index, as they would for a user."""
    from .conftest import machine_indexes

    work.environ.pop("UV_CACHE_DIR")
    return lambda **more: msgspec.structs.replace(work.settings, indexes=machine_indexes(), **more)


@pytest.mark.rows("S3-033", "S3-082", "S3-093")
async def test_poetry_lock_decides(work: Any, index_server: Any, tmp_path: Path, tool_settings: Any) -> None:
    settings = tool_settings(poetry=Poetry(version=">=2"))
    work.environ["POETRY_CACHE_DIR"] = str(tmp_path / "poetry")
    folder = write_project(tmp_path / "code", index_server.url())
    store = Cache(work.cache, Installer(settings, work.environ, work.lines.append), settings, work.lines.append)
    python, site = await tools.obtain(store, ["poetry>=2"], tmp_path)
    await asyncio.to_thread(run, work, folder, *tools.module_command(python, site, "poetry", "lock", "-n"))
    first = await work("alpha==2.0", root=folder, settings=settings, name="one")
    assert work.run(first, WHERE).split()[0] == "1.0"
    assert "poetry.lock of the code decides" in work.console
    second = await work("alpha==2.0", root=folder, settings=settings, name="two")
    assert second.reused and work.run(second, WHERE).split()[0] == "1.0"
    assert len(work.entries("tool")) == 1
    (folder / "poetry.lock").write_text((folder / "poetry.lock").read_text().replace('"1.0"', '"1.5"'))
    with pytest.raises(EnvironmentFailed, match="Run `poetry lock`"):
        await work(root=folder, settings=settings, name="three")
