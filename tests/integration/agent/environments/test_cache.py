"""The cache of environments under kills, races, changes and age."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from clearml_agent.environments import EnvironmentFailed, byte_compile
from clearml_agent.environments.layout import SMALL, entries

VERSION = "import alpha; print(alpha.VERSION)"


async def test_two_builds_of_one_key_install_once(work: Any, index_server: Any) -> None:
    settings = index_server.settings()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work("alpha==1.0", name=f"run{n}", settings=settings)) for n in range(4)]
    assert sum(not task.result().reused for task in tasks) == 1
    assert work.console.count(" + alpha==1.0") == 1
    assert len(work.entries()) == 1
    assert {work.run(task.result(), VERSION) for task in tasks} == {"1.0"}


BUILDER = """
import asyncio, os, sys
from pathlib import Path
from clearml_agent.environments import *
from clearml_agent.environments.settings import Indexes
settings = PackageSettings(indexes=Indexes(default=sys.argv[1]))
request = EnvironmentRequest(requirements=["alpha==1.0"], settings=settings)
made = asyncio.run(build(request, Path(sys.argv[2]), cache=Path(sys.argv[3]), log=lambda line: None))
print(made.reused, flush=True)
"""


def start_agent(work: Any, url: str, name: str) -> subprocess.Popen[str]:
    environ = {**work.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    argv = [sys.executable, "-c", BUILDER, url, str(work.folder / name), str(work.cache)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environ)


async def test_builds_of_two_agents_install_once(work: Any, index_server: Any) -> None:
    index_server.gate.clear()
    agents = [start_agent(work, index_server.url(), f"agent{n}") for n in range(2)]
    try:
        assert await asyncio.to_thread(index_server.arrived.wait, 60)
        index_server.gate.set()
        said = [(await asyncio.to_thread(agent.communicate, None, 90))[0].strip() for agent in agents]
    finally:
        for agent in agents:
            agent.kill()
            await asyncio.to_thread(agent.wait)
    assert sorted(said) == ["False", "True"]
    assert len(work.entries()) == 1


async def test_kill_in_the_middle_of_a_build_leaves_nothing_that_is_taken(work: Any, index_server: Any) -> None:
    index_server.gate.clear()
    agent = start_agent(work, index_server.url(), "killed")
    try:
        assert await asyncio.to_thread(index_server.arrived.wait, 60)
    finally:
        agent.kill()
        await asyncio.to_thread(agent.communicate)
    assert work.entries() == [] and work.unfinished() != []
    index_server.gate.set()
    made = await work("alpha==1.0", settings=index_server.settings())
    assert (made.reused, work.run(made, VERSION)) == (False, "1.0")
    assert work.unfinished() == []


async def test_entry_without_its_marker_is_not_taken(work: Any) -> None:
    """What a power cut may leave of a rename: the name, but not what was in the directory."""
    await work("alpha==1.0")
    (name,) = work.entries()
    (work.cache / name / "entry.json").write_bytes(b"{")
    made = await work("alpha==1.0", name="two")
    assert not made.reused and work.run(made, VERSION) == "1.0"


def changed_in_place(site: Path) -> None:
    """As a task with a careless script may do it: through the link, so that the installer's own cache changes too."""
    with (site / "alpha" / "__init__.py").open("a") as file:
        file.write("VERSION = 'changed'\n")


def file_added(site: Path) -> None:
    (site / "sitecustomize.py").write_text("import sys\nsys.exit('changed')\n")


def file_removed(site: Path) -> None:
    (site / "alpha" / "__init__.py").unlink()


def package_removed(site: Path) -> None:
    for path in sorted((site / "alpha").rglob("*"), reverse=True):
        path.unlink()
    (site / "alpha").rmdir()


@pytest.mark.parametrize("change", [changed_in_place, file_added, file_removed, package_removed])
async def test_changed_environment_is_given_to_nobody_any_more(work: Any, change: Any) -> None:
    first = await work("alpha==1.0", name="one")
    (site,) = [entry.site for entry in first.shared if entry.path.name.startswith("env-")]
    change(site)
    second = await work("alpha==1.0", name="two")
    assert (second.reused, work.run(second, VERSION)) == (False, "1.0")
    assert "was changed after it was built" in work.console
    assert site.exists()  # the first task runs in it
    (work.folder / "runs" / "one").rename(work.folder / "ended")
    third = await work("alpha==2.0", name="three")  # a new environment is when the cache is tidied
    assert work.run(third, VERSION) == "2.0"
    assert not site.exists()


@pytest.mark.rows("S3-047")
async def test_least_recently_used_environments_are_removed_but_none_in_use(work: Any, index: Any) -> None:
    settings = msgspec.structs.replace(work.settings, max_entries=2)
    for number in range(5):
        index.add("many", f"{number}.0")
    made = [await work(f"many=={n}.0", name=f"run{n}", settings=settings) for n in range(4)]
    assert len(work.entries()) == 4  # all in use
    for number in (0, 1, 3):
        (work.folder / "runs" / f"run{number}").rename(work.folder / f"ended{number}")
    made.append(await work("many==4.0", name="run4", settings=settings))
    kept = {entry.record.frozen[0] for entry in entries(work.cache) if entry.record.key.startswith("env-")}
    assert {"many==2.0", "many==4.0"} <= kept and len(kept) <= 3
    for number in (2, 4):
        assert work.run(made[number], "import many; print(many.VERSION)") == f"{number}.0"


async def test_unpinned_requests_are_looked_up_again_after_a_day(work: Any, index: Any) -> None:
    first = await work("alpha", name="one")
    assert work.run(first, VERSION) == "2.0"
    (entry,) = entries(work.cache, first.key)
    assert entry.record.expires_at is not None and 23 * 3600 < entry.record.expires_at - time.time() < 25 * 3600
    index.add("alpha", "3.0")
    assert work.run(await work("alpha", name="two"), VERSION) == "2.0"
    age(work, first.key)
    third = await work("alpha", name="three")
    assert (third.reused, work.run(third, VERSION)) == (False, "3.0")
    assert work.run(first, VERSION) == "2.0"  # a running task keeps what it has


def age(work: Any, key: str) -> None:
    """Make the entries of `key` a day older."""
    for entry in entries(work.cache, key):
        record = msgspec.structs.replace(entry.record, expires_at=time.time() - 1)
        (entry.path / "entry.json").write_bytes(msgspec.json.encode(record))


async def test_old_environment_serves_when_the_index_is_gone(work: Any, index: Any) -> None:
    first = await work("alpha", name="one")
    age(work, first.key)
    for wheel in index.folder.glob("alpha-*"):
        wheel.unlink()
    second = await work("alpha", name="two")
    assert (second.key, work.run(second, VERSION)) == (first.key, "2.0")
    assert "those of before are used" in work.console


async def test_exact_versions_never_expire(work: Any) -> None:
    first = await work("alpha==1.0")
    assert [entry.record.expires_at for entry in entries(work.cache, first.key)] == [None]


@pytest.mark.rows("S3-092")
async def test_exact_versions_in_the_installers_cache_need_no_index(work: Any, index_server: Any) -> None:
    settings = index_server.settings()
    await work("alpha==1.0", settings=settings)
    index_server.downloads.clear()
    work.cache.rename(work.folder / "old-cache")
    index_server.stop()
    made = await work("alpha==1.0", name="two", settings=settings)
    assert (made.reused, work.run(made, VERSION)) == (False, "1.0")


async def test_environment_without_pip_is_built_all_the_same(work: Any, index: Any) -> None:
    (index.folder / "pip-99.0-py3-none-any.whl").unlink()
    made = await work("alpha==1.0")
    assert work.run(made, VERSION) == "1.0"
    assert "no pip" in work.console


@pytest.mark.rows("S3-048")
async def test_full_disk_removes_unused_environments_first(work: Any) -> None:
    await work("alpha==1.0", name="one")
    (work.folder / "runs" / "one").rename(work.folder / "ended")
    settings = msgspec.structs.replace(work.settings, free_space_bytes=1 << 62)
    made = await work("alpha==2.0", name="two", settings=settings)
    assert work.run(made, VERSION) == "2.0"
    assert "less than agent.venvs_cache.free_space_threshold_gb" in work.console
    assert [entry.record.frozen for entry in entries(work.cache, made.key)] == [["alpha==2.0"]]
    assert len(work.entries()) == 1


async def test_lock_that_is_never_freed_fails_the_task(work: Any) -> None:
    made = await work("alpha==1.0")
    settings = msgspec.structs.replace(work.settings, lock_s=0.05)
    import fcntl

    with (work.cache / f"{made.key}.lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(EnvironmentFailed, match="held by another process"):
            await work("alpha==1.0", name="two", settings=settings)


async def test_large_environments_are_looked_over_beside_the_task(work: Any, index: Any) -> None:
    """Before a task only their folders are looked at; a file changed in place is found while the next task runs."""
    files = {f"large/part{number // 100}/m{number}.txt": "x" for number in range(SMALL + 100)}
    index.add("large", "1.0", {"large/__init__.py": "VERSION = '1.0'\n", **files})
    first = await work("large==1.0", name="one")
    await byte_compile(first)
    (entry,) = [entry for entry in first.shared if entry.path.name.startswith("env-")]
    assert (await work("large==1.0", name="two")).reused
    with (entry.site / "large" / "part1" / "m100.txt").open("a") as file:
        file.write("changed")
    third = await work("large==1.0", name="three")
    await byte_compile(third)
    fourth = await work("large==1.0", name="four")
    assert third.reused and not fourth.reused
    assert "was changed after it was built (large)" in work.console
    (new,) = [entry for entry in fourth.shared if entry.path.name.startswith("env-")]
    await byte_compile(fourth)
    os.chmod(new.site / "large" / "part2", 0o755)
    (new.site / "large" / "part2" / "added.txt").touch()
    assert not (await work("large==1.0", name="five")).reused  # a folder tells at once
