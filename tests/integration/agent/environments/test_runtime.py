"""What tasks do to their environments while they run, and what happens to the machine beneath them."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from clearml_agent.environments import Environment
from clearml_agent.environments.layout import entries

pytestmark = pytest.mark.timeout(180)
VERSION = "import alpha; print(alpha.VERSION)"


async def pip(work: Any, made: Environment, *words: str) -> int:
    """pip as the task itself would start it."""
    find = ["--no-index", "--find-links", work.settings.indexes.find_links[-1]]
    argv = [str(made.python), "-m", "pip", words[0], *(find if words[0] == "install" else []), *words[1:]]
    process = await asyncio.create_subprocess_exec(*argv, env={**work.environ, **made.variables})
    return await process.wait()


@pytest.mark.rows("S3-003", "S3-091")
async def test_pip_install_of_a_running_task_is_its_own_also_of_two_at_once(real_pip: Any, index: Any) -> None:
    work = real_pip
    index.add("tool", "1.0", {"tool.py": "def main(): print(1)\n"}, scripts={"tool": "tool:main"})
    index.add("tool", "2.0", {"tool.py": "def main(): print(2)\n"}, scripts={"tool": "tool:main"})
    index.add("data", "1.0", {"data/__init__.py": "", "data-1.0.data/data/share/data/x.txt": "old"})
    index.add("data", "2.0", {"data/__init__.py": "", "data-2.0.data/data/share/data/x.txt": "new",
                              "data-2.0.data/data/share/data/y.txt": "new"})  # fmt: skip
    lines = ("alpha==1.0", "tool==1.0", "data==1.0")
    one, two = await work(*lines, name="one"), await work(*lines, name="two")
    assert two.reused
    upgraded = await asyncio.gather(
        pip(work, one, "install", "-q", "--upgrade", "alpha==2.0", "tool==2.0", "data==2.0"),
        pip(work, two, "install", "-q", "--upgrade", "alpha==2.0", "data==2.0"),
    )
    assert upgraded == [0, 0]
    for made in (one, two):
        assert work.run(made, VERSION) == "2.0"
    three = await work(*lines, name="three")
    assert three.reused and three.key == one.key
    assert work.run(three, VERSION) == "1.0"
    read = "import sys; print(open(sys.prefix + '/share/data/x.txt').read())"
    assert (work.run(one, read), work.run(three, read)) == ("new", "old")
    for made, said in ((one, "2"), (three, "1")):
        tool = Path(made.variables["VIRTUAL_ENV"]) / "bin" / "tool"
        shown = subprocess.run([tool], capture_output=True, text=True, check=True).stdout.strip()  # noqa: ASYNC221 - at once
        assert shown == said
    await pip(work, one, "uninstall", "-q", "-y", "alpha", "data")
    assert work.run(three, VERSION) == "1.0"
    assert all(entry.is_unchanged() for entry in three.shared)
    assert "was changed" not in work.console


def copied_python(folder: Path) -> Path:
    """An interpreter of its own: this one's binary beside links to its libraries."""
    base = Path(sys.base_prefix)
    (folder / "bin").mkdir(parents=True)
    (folder / "lib").symlink_to(base / "lib")
    python = folder / "bin" / "python3"
    shutil.copy2(Path(sys.executable).resolve(), python)
    return python


async def test_replaced_interpreter_is_noticed(work: Any, tmp_path: Path, other_python: str) -> None:
    python = copied_python(tmp_path / "python")
    settings = msgspec.structs.replace(work.settings, python_binary=str(python))
    first = await work("alpha==1.0", settings=settings, name="one")
    again = await work("alpha==1.0", settings=settings, name="two")
    assert again.reused
    newer = Path(subprocess.run(  # noqa: ASYNC221 - a moment
        [other_python, "-c", "import sys; print(sys.base_prefix)"], capture_output=True, text=True, check=True
    ).stdout.strip())  # fmt: skip
    shutil.rmtree(tmp_path / "python" / "bin")
    (tmp_path / "python" / "lib").unlink()
    (tmp_path / "python" / "lib").symlink_to(newer / "lib")
    (tmp_path / "python" / "bin").mkdir()
    shutil.copy2(next(newer.glob("bin/python3.[0-9]*[0-9]")).resolve(), python)
    third = await work("alpha==1.0", settings=settings, name="three")
    assert not third.reused and third.key != first.key
    version = "import sys, alpha; print(sys.version_info[:2], alpha.VERSION)"
    assert work.run(third, version) == f"{tuple(map(int, newer_minor(third)))} 1.0"
    from clearml_agent.environments.explain import why_not_reused

    (old,) = entries(work.cache, first.key)
    (new,) = entries(work.cache, third.key)
    shutil.rmtree(new.path)
    said = "\n".join(why_not_reused(work.cache, new.record.facts))
    assert "the interpreter (version)" in said and old.record.facts["interpreter"]["version"] in said


def newer_minor(made: Environment) -> list[str]:
    text = (made.python.parent.parent / "pyvenv.cfg").read_text()
    return text.partition("version = ")[2].split()[0].split(".")[:2]


AGENT = """
import asyncio, random, sys
from pathlib import Path
import msgspec
from clearml_agent.environments import EnvironmentRequest, PackageSettings, build
from clearml_agent.environments.settings import Indexes
from clearml_agent.files import remove_tree
links, folder, cache, seed = sys.argv[1:]
rng = random.Random(int(seed))
settings = PackageSettings(indexes=Indexes(no_index=True, find_links=(links,)), free_space_bytes=0, max_entries=2)

async def main():
    for number in range(6):
        version = rng.randrange(4)
        request = EnvironmentRequest(requirements=[f"many=={version}.0"], settings=settings)
        made = await build(request, Path(folder) / str(number), cache=Path(cache), log=lambda line: None)
        child = await asyncio.create_subprocess_exec(
            str(made.python), "-c", f"import many; assert many.VERSION == '{version}.0'; import pip"
        )
        assert await child.wait() == 0, made
        remove_tree(Path(folder) / str(number))
    print("all good", flush=True)

asyncio.run(main())
"""


async def test_ten_agents_share_one_cache_while_some_are_killed(work: Any, index: Any) -> None:
    """Six environments each, of four kinds, two of which fit into the cache; three agents are killed on the way."""
    for number in range(4):
        index.add("many", f"{number}.0")
    environ = {**work.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    agents = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", AGENT, str(index.folder), str(work.folder / f"agent{n}"), str(work.cache), str(n)),
            env=environ,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        for n in range(10)
    ]
    try:
        while not work.unfinished():  # noqa: ASYNC110 - nothing tells that a build has begun on the disk
            await asyncio.sleep(0.01)
        for agent in agents[:3]:
            agent.kill()
            await asyncio.sleep(0.2)  # kills at different moments of the others' builds
        said = await asyncio.gather(*(agent.communicate() for agent in agents[3:]))
    finally:
        for agent in agents:
            if agent.returncode is None:
                agent.kill()
            await agent.wait()
    for output, errors in said:
        assert output.strip() == b"all good", errors.decode()
    for number in range(3):
        shutil.rmtree(work.folder / f"agent{number}", ignore_errors=True)
    settings = msgspec.structs.replace(work.settings, max_entries=2)
    last = await work("alpha==1.0", settings=settings)  # a new environment is when the cache is tidied
    assert work.run(last, VERSION) == "1.0"
    assert work.unfinished() == []
    assert len(work.entries()) <= 2
