"""Helper processes: ugly children, and nothing left of them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from clearml_agent.locks import LockTimeout, file_lock
from clearml_agent.process import HelperTimeout, run_process


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


async def until_dead(pid: int) -> None:
    async with asyncio.timeout(60):
        while is_alive(pid):  # noqa: ASYNC110 - nothing announces the end of a process that is not our child
            await asyncio.sleep(0.005)


async def test_output_error_lines_input_and_exit_code() -> None:
    lines: list[str] = []
    argv = ["sh", "-c", "cat; echo one >&2; printf 'two\\r\\nlast' >&2; exit 3"]
    done = await run_process(argv, stdin=b"x" * 300_000, timeout_s=20, log=lines.append)
    assert (done.code, len(done.output), lines) == (3, 300_000, ["one", "two", "last"])
    assert done.errors.endswith("last")


async def test_background_grandchild_does_not_hold_the_call_and_is_killed() -> None:
    done = await run_process(["sh", "-c", "sleep 300 & echo $!"], timeout_s=60)  # raises when it is held
    await until_dead(int(done.output))


async def test_time_out_kills_a_child_that_ignores_the_signal(tmp_path: Path) -> None:
    script = f"trap '' TERM; while true; do sleep 0.05; done; : {tmp_path}"
    with pytest.raises(HelperTimeout):
        await run_process(["sh", "-c", script], timeout_s=0.5, grace_s=0.1)
    assert [p for p in psutil.process_iter(["cmdline"]) if str(tmp_path) in " ".join(p.info["cmdline"] or ())] == []


async def test_many_rounds_leave_no_descriptor_behind() -> None:
    await run_process(["true"], timeout_s=20)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(50):
        await run_process(["true"], timeout_s=20, stdin=b"x")
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


async def test_missing_program_is_told() -> None:
    with pytest.raises(FileNotFoundError):
        await run_process(["no-such-program-at-all"], timeout_s=5)


HELD = """
import asyncio, os, sys
from pathlib import Path
from clearml_agent.process import run_process
print("ready", flush=True)
script = f"echo $$ > {sys.argv[1]}.new; mv {sys.argv[1]}.new {sys.argv[1]}; sleep 300"
asyncio.run(run_process(["sh", "-c", script], timeout_s=300))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux kills children with their parent")
def test_helper_dies_with_a_killed_agent(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    agent = subprocess.Popen(
        [sys.executable, "-c", HELD, str(path)], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
    try:
        deadline = time.monotonic() + 60
        while not path.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        helper = int(path.read_text())
        agent.kill()
        agent.wait(60)
        while is_alive(helper):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        agent.kill()
        agent.wait(60)


async def test_lock_is_alone_or_shared_and_waiting_ends(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    async with file_lock(path, timeout_s=0, shared=True), file_lock(path, timeout_s=0, shared=True):
        with pytest.raises(LockTimeout):
            async with file_lock(path, timeout_s=0.02):
                pass
    async with file_lock(path, timeout_s=0):
        waiting = asyncio.create_task(taken(path))
        await asyncio.sleep(0)
        assert not waiting.done()
    async with asyncio.timeout(60):
        await waiting


async def taken(path: Path) -> None:
    async with file_lock(path, timeout_s=60):
        pass
