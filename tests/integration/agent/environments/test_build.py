"""Environments of tasks, built by a real installer from a small index."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from clearml_agent.environments import EnvironmentFailed, byte_compile
from clearml_agent.files import remove_tree

WHERE = "import alpha; print(alpha.VERSION, alpha.__file__)"


def shell(command: list[Any], **options: Any) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout.strip()


async def test_packages_are_built_once_and_used_in_place(work: Any) -> None:
    first = await work("alpha==1.0", name="one")
    second = await work("alpha==1.0", name="two")
    assert (first.reused, second.reused) == (False, True)
    assert first.key == second.key and first.python != second.python
    for environment in (first, second):
        version, place = work.run(environment, WHERE).split()
        assert version == "1.0" and Path(place).is_relative_to(work.cache)
        assert environment.frozen == ["alpha==1.0"]
        assert work.run(environment, "import sys; print(sys.prefix)") == environment.variables["VIRTUAL_ENV"]
    assert len(work.entries()) == 1
    assert set(first.stages) == {"interpreter", "packages", "thin"}


async def test_order_and_comments_make_no_other_environment(work: Any, index: Any) -> None:
    index.add("beta", "1.0")
    first = await work("alpha==1.0", "beta==1.0")
    assert (await work("beta==1.0  # why", "", "alpha==1.0")).key == first.key
    assert (await work("alpha==2.0", "beta==1.0")).key != first.key


async def test_another_index_or_interpreter_makes_another_environment(work: Any, index_server: Any) -> None:
    first = await work("alpha==1.0")
    assert (await work("alpha==1.0", settings=index_server.settings())).key != first.key


async def test_what_a_task_installs_stays_its_own(work: Any, index: Any) -> None:
    one, two = await work("alpha==1.0", name="one"), await work("alpha==1.0", name="two")
    site = Path(work.run(one, "import site; print(site.getsitepackages()[0])"))
    assert site.is_relative_to(one.variables["VIRTUAL_ENV"])
    (site / "alpha").mkdir()
    (site / "alpha" / "__init__.py").write_text("VERSION = 'own'\n")
    assert work.run(one, WHERE).split()[0] == "own"
    assert work.run(two, WHERE).split()[0] == "1.0"
    assert work.run(two, "import pip; print(pip.__file__)").startswith(str(work.cache))
    assert shell([one.python, "-m", "pip"]) == "pip 99"


async def test_commands_run_with_the_tasks_own_interpreter(work: Any, index: Any) -> None:
    index.add("tool", "1.0", {"tool.py": "import sys\ndef main(): print(sys.prefix)\n"}, scripts={"tool": "tool:main"})
    made = await work("tool==1.0")
    assert shell(["tool"], env={**work.environ, **made.variables}) == made.variables["VIRTUAL_ENV"]


async def test_path_files_of_cached_packages_are_honoured(work: Any, index: Any) -> None:
    index.add("hook", "1.0", {"hook_module.py": "import sys\nsys.hooked = True\n", "hook.pth": "import hook_module\n"})
    made = await work("hook==1.0")
    assert work.run(made, "import sys; print(sys.hooked)") == "True"


async def test_data_files_are_found_under_the_prefix(work: Any, index: Any) -> None:
    index.add("data", "1.0", {"data/__init__.py": "", "data-1.0.data/data/share/data/x.txt": "hello"})
    made = await work("data==1.0")
    assert work.run(made, "import sys; print(open(sys.prefix + '/share/data/x.txt').read())") == "hello"


async def test_unresolvable_packages_fail_with_advice_and_leave_nothing(work: Any, index: Any) -> None:
    index.add("gamma", "1.0", requires=("alpha<2",))
    for lines in (["no-such-package-here==1.0"], ["alpha==9.9"], ["gamma==1.0", "alpha==2.0"]):
        with pytest.raises(EnvironmentFailed, match=r"(?s)Correct the task's packages.*Because") as failed:
            await work(*lines)
        assert failed.value.reason == "failed installing packages"
    assert work.entries() == [] and work.unfinished() == []


async def test_malformed_requirement_fails_with_advice(work: Any) -> None:
    with pytest.raises(EnvironmentFailed, match=r"Correct the task's packages"):
        await work("alpha = = 1")


async def test_package_that_cannot_be_built_is_named(work: Any, tmp_path: Path) -> None:
    source = tmp_path / "broken"
    source.mkdir()
    (source / "setup.py").write_text("raise SystemExit('no compiler here')\n")
    with pytest.raises(EnvironmentFailed, match=r"built from source|cannot be installed"):
        await work("./broken", root=tmp_path)


async def test_requirements_file_of_the_code_is_used_when_nothing_is_recorded(work: Any, tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("-r more.txt\n")
    (tmp_path / "more.txt").write_text("alpha==1.0\n")
    made = await work(root=tmp_path)
    assert made.frozen == ["alpha==1.0"]
    assert (await work("alpha==1.0", name="two")).key == made.key


async def test_nothing_to_install_is_no_error(work: Any) -> None:
    made = await work()
    assert made.frozen == [] and work.run(made, "print(1)") == "1"
    assert "none are installed" in work.console


async def test_local_and_editable_requirements_are_the_tasks_own(work: Any, index: Any, tmp_path: Path) -> None:
    project = tmp_path / "code" / "mine"
    project.mkdir(parents=True)
    (project / "mine.py").write_text("VALUE = 1\n")
    (project / "backend.py").write_text(BACKEND)
    (project / "pyproject.toml").write_text(
        "[project]\nname = 'mine'\nversion = '1.0'\n"
        "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
    )
    for number, line in enumerate(("-e ./mine", "./mine")):
        made = await work("alpha==1.0", line, root=tmp_path / "code", name=f"run{number}")
        where = work.run(made, "import mine, alpha; print(mine.__file__, alpha.__file__)").split()
        own = project if line.startswith("-e") else Path(made.variables["VIRTUAL_ENV"])
        assert Path(where[0]).is_relative_to(own)
        assert Path(where[1]).is_relative_to(work.cache)  # the dependency was there already
        assert made.frozen == ["alpha==1.0", line]
        assert not made.reused
        assert not list(Path(made.variables["VIRTUAL_ENV"]).rglob("alpha*"))
    assert len(work.entries()) == 1


BACKEND = """
import pathlib, zipfile
def _wheel(folder, files):
    name = "mine-1.0-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(folder) / name, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        archive.writestr("mine-1.0.dist-info/METADATA",
                         "Metadata-Version: 2.1\\nName: mine\\nVersion: 1.0\\nRequires-Dist: alpha\\n")
        archive.writestr("mine-1.0.dist-info/WHEEL",
                         "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        archive.writestr("mine-1.0.dist-info/RECORD", "")
    return name
def build_wheel(folder, config_settings=None, metadata_directory=None):
    return _wheel(folder, {"mine.py": pathlib.Path("mine.py").read_text()})
def build_editable(folder, config_settings=None, metadata_directory=None):
    return _wheel(folder, {"mine.pth": str(pathlib.Path.cwd()) + "\\n"})
"""


async def test_git_requirement_is_the_tasks_own(work: Any, tmp_path: Path) -> None:
    project = tmp_path / "mine"
    project.mkdir()
    (project / "mine.py").write_text("VALUE = 'git'\n")
    (project / "backend.py").write_text(BACKEND)
    (project / "pyproject.toml").write_text(
        "[project]\nname = 'mine'\nversion = '1.0'\n"
        "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
    )
    shell(["git", "init", "-q"], cwd=project)
    shell(["git", "add", "-A"], cwd=project)
    shell(["git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "x"], cwd=project)
    line = f"mine @ git+file://{project}"
    made = await work("alpha==2.0", line)
    assert work.run(made, "import mine, alpha; print(mine.VALUE, alpha.VERSION)") == "git 2.0"
    assert made.frozen == ["alpha==2.0", line]


async def test_our_wheel_takes_the_place_of_clearml_and_is_recorded_as_clearml(work: Any, index: Any) -> None:
    wheel = index.add("clearml_lean", "0.1.0", {"clearml.py": "OURS = True\n"})
    index.add("clearml", "2.0")
    made = await work("alpha==1.0", "clearml==2.0", sdk=wheel.as_uri())
    assert work.run(made, "import clearml; print(clearml.OURS)") == "True"
    assert made.frozen == ["alpha==1.0", "clearml==2.0"]
    made = await work("alpha==1.0", sdk=wheel.as_uri(), name="two")
    assert made.frozen == ["alpha==1.0", "clearml"]


async def test_python_too_old_for_our_sdk_gets_the_official_one(work: Any, index: Any, old_python: str) -> None:
    wheel = index.add("clearml_lean", "0.1.0", {"clearml.py": "OURS = True\n"})
    index.add("clearml", "2.0", {"clearml.py": "OURS = False\n"})
    settings = msgspec.structs.replace(work.settings, python_binary=old_python)
    for lines in (["clearml==2.0"], ["alpha==1.0"]):
        made = await work(*lines, sdk=wheel.as_uri(), settings=settings)
        assert work.run(made, "import clearml; print(clearml.OURS)") == "False"
    assert "the official clearml package is installed" in work.console


async def test_notes_of_ended_runs_are_forgotten(work: Any) -> None:
    for number in range(4):
        remove_tree(work.folder / "runs" / f"run{number - 1}")
        made = await work("alpha==1.0", name=f"run{number}")
    assert len(list((made.shared[0].users).iterdir())) == 1


async def test_system_packages_on_request(work: Any) -> None:
    settings = msgspec.structs.replace(work.settings, system_site_packages=True)
    made = await work("alpha==1.0", settings=settings)
    base = shell([sys.executable, "-c", "import sys; print(sys._base_executable)"])
    system = shell([base, "-c", "import site; print(site.getsitepackages()[0])"])
    assert system in work.run(made, "import sys; print(sys.path)")


async def test_nothing_is_installed_when_told_so(work: Any) -> None:
    made = await work("no-such-package==1", settings=msgspec.structs.replace(work.settings, skip_install=True))
    assert made.python.exists() and made.frozen == []


async def test_python_of_another_version(work: Any, other_python: str) -> None:
    work.environ["PATH"] = f"{Path(other_python).parent}{os.pathsep}{work.environ['PATH']}"
    version = shell([other_python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"])
    made = await work("alpha==1.0", python=version)
    assert work.run(made, "import sys, alpha; print('%d.%d' % sys.version_info[:2])") == version
    assert made.key != (await work("alpha==1.0", name="two")).key


async def test_missing_python_falls_back_with_a_warning(work: Any) -> None:
    made = await work("alpha==1.0", python="3.99")
    assert "asks for Python 3.99" in work.console
    assert work.run(made, "import sys; print(sys.version_info[:2])") == str(sys.version_info[:2])


async def test_configured_python_is_used(work: Any, other_python: str) -> None:
    made = await work("alpha==1.0", settings=msgspec.structs.replace(work.settings, python_binary=other_python))
    assert work.run(made, "import sys; print(sys.version)") == shell(
        [other_python, "-c", "import sys; print(sys.version)"]
    )


async def test_passwords_of_indexes_reach_the_index_and_nothing_else(work: Any, index_server: Any) -> None:
    made = await work("alpha==1.0", settings=index_server.settings("user:s3cret@"))
    assert work.run(made, WHERE).startswith("1.0")
    assert any(line.startswith("Basic ") for line in index_server.authorizations)
    assert "s3cret" not in work.console
    with pytest.raises(EnvironmentFailed) as failed:
        await work("nothing==1.0", settings=index_server.settings("user:s3cret@"))
    assert "s3cret" not in failed.value.message
    for path in work.cache.rglob("*"):
        assert path.is_dir() or b"s3cret" not in path.read_bytes(), path


async def test_modules_are_compiled_beside_the_task_and_stay_unchanged(work: Any) -> None:
    made = await work("alpha==1.0")
    await byte_compile(made)
    (site,) = [entry.site for entry in made.shared if entry.path.name.startswith("env-")]
    assert list((site / "alpha" / "__pycache__").glob("*.pyc"))
    assert site.stat().st_mode & 0o222 == 0
    assert (await work("alpha==1.0", name="two")).reused
    remove_tree(work.cache)
    assert not work.cache.exists()


async def test_warm_environment_takes_milliseconds(work: Any) -> None:
    await work("alpha==1.0")
    times = [sum((await work("alpha==1.0", name=f"run{number}")).stages.values()) for number in range(10)]
    assert min(times) < 0.03


async def test_cancelled_build_kills_the_installer_and_leaves_nothing(work: Any, index_server: Any) -> None:
    index_server.gate.clear()
    task = asyncio.create_task(work("alpha==1.0", settings=index_server.settings()))
    assert await asyncio.to_thread(index_server.arrived.wait, 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    index_server.gate.set()
    assert work.entries() == [] and work.unfinished() == []
    assert not installers_for(work.cache)
    assert not os.path.lexists(work.folder / "runs" / "env" / "env" / "bin" / "python")


def installers_for(cache: Path) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if b"uv" in line and os.fsencode(cache) in line:
            found.append(process.name)
    return found
