"""A mirror that was damaged, or whose maker was killed, is noticed and made again; nothing half done is used."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clearml_agent.vcs import CheckoutFailed

SCRIPT: dict[str, Any] = {"entry_point": "train.py", "working_dir": ".", "binary": "python"}


def truncate_packs(mirror: Path) -> None:
    for pack in mirror.glob("objects/pack/*.pack"):
        pack.chmod(0o600)
        os.truncate(pack, pack.stat().st_size // 2)


def truncate_loose(mirror: Path) -> None:
    for file in mirror.glob("objects/??/*"):
        file.chmod(0o600)
        os.truncate(file, 0)


def empty_head(mirror: Path) -> None:
    (mirror / "HEAD").write_bytes(b"")


def lose_objects(mirror: Path) -> None:
    for file in [*mirror.glob("objects/??/*"), *mirror.glob("objects/pack/*")]:
        file.unlink()


def empty_config(mirror: Path) -> None:
    (mirror / "config").write_bytes(b"\0\0\0")


@pytest.mark.parametrize("harm", [truncate_packs, truncate_loose, empty_head, lose_objects, empty_config])
@pytest.mark.parametrize("wish", ["commit", "branch"])
async def test_damaged_mirror_is_rebuilt(repository: Any, work: Any, harm: Any, wish: str) -> None:
    commit = repository.git("rev-parse", "HEAD").strip()
    script = {"repository": f"file://{repository.path}", "version_num": commit, **SCRIPT}
    if wish == "branch":
        script |= {"version_num": "", "branch": "main"}
    await work("one", **script)
    harm(work.mirror)
    done = await work("two", **script)
    assert (done.commit, (done.root / "train.py").read_text()) == (commit, "print('one')\n")
    assert not list(work.cache.glob(".*"))


async def test_damage_without_the_host_fails_instead_of_giving_half_the_files(repository: Any, work: Any) -> None:
    commit = repository.git("rev-parse", "HEAD").strip()
    script = {"repository": f"file://{repository.path}", "version_num": commit, **SCRIPT}
    await work("one", **script)
    truncate_loose(work.mirror)
    truncate_packs(work.mirror)
    repository.path.rename(repository.path.with_name("moved"))
    with pytest.raises(CheckoutFailed):
        await work("two", **script)
    assert not (work.folder / "two" / "project" / "train.py").exists()


async def test_locks_that_a_killed_git_left_do_not_stop_a_fetch(repository: Any, work: Any) -> None:
    script = {"repository": str(repository.path), "branch": "main", **SCRIPT}
    await work("one", **script)
    for name in ("packed-refs.lock", "HEAD.lock", "config.lock", "refs/heads/main.lock", "shallow.lock"):
        path = work.mirror / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    inode = work.mirror.stat().st_ino
    commit = repository.commit(train_py="print('two')\n")
    done = await work("two", **script)
    assert done.commit == commit
    assert work.mirror.stat().st_ino == inode  # fetched, not cloned again


KILLED = """
import asyncio, os, sys
from pathlib import Path
from clearml_agent.vcs import checkout
async def main():
    await checkout({"repository": sys.argv[1], "branch": "main", "entry_point": "train.py"}, Path(sys.argv[2]),
                   cache=Path(sys.argv[3]), log=lambda line: print(line, flush=True))
asyncio.run(main())
"""


def start_agent(work: Any, url: str) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-c", KILLED, url, str(work.folder / "killed"), str(work.cache)]
    environ = {**work.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(argv, stdout=subprocess.DEVNULL, env=environ)


def gits_for(folder: Path) -> list[str]:
    """The git processes that have `folder` on their command line."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if b"git" in line and str(folder).encode() in line:
            found.append(process.name)
    return found


async def test_kill_in_the_middle_of_a_clone_leaves_nothing_that_is_used(repository: Any, work: Any, host: Any) -> None:
    """The agent is killed while git waits for the host; git goes with it, and the next checkout starts clean."""
    host.gate.clear()
    host.accepted = ""
    agent = start_agent(work, host.url("project"))
    try:
        assert await asyncio.to_thread(host.arrived.wait, 60)
        (unfinished,) = work.cache.glob(".new-*")
        assert gits_for(unfinished)
        agent.kill()
        async with asyncio.timeout(60):
            while gits_for(unfinished):  # noqa: ASYNC110 - nothing announces the end of another's child
                await asyncio.sleep(0.01)
    finally:
        host.gate.set()
        agent.kill()
        await asyncio.to_thread(agent.wait)
    done = await work("next", repository=host.url("project"), branch="main", **SCRIPT)
    assert (done.root / "train.py").read_text() == "print('one')\n"
    assert not list(work.cache.glob(".new-*"))


async def test_cancelled_checkout_kills_git(repository: Any, work: Any, host: Any) -> None:
    host.gate.clear()
    host.accepted = ""
    task = asyncio.create_task(work(repository=host.url("project"), branch="main", **SCRIPT))
    assert await asyncio.to_thread(host.arrived.wait, 60)
    (unfinished,) = work.cache.glob(".new-*")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    host.gate.set()
    assert not gits_for(unfinished)
    assert not list(work.cache.glob(".new-*"))
