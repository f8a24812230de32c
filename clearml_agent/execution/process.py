"""Start the runner of a run, wait for its end, stop it. Everything about it is read from the run's directory."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec

from clearml_agent import runner
from clearml_agent.errors import RunFailed
from clearml_agent.runs import Phase, Result, RunDirectory, RunnerPid, take_lock, write_struct
from clearml_agent.watch import is_same_process, process_ended

RUN_VARIABLE = "CLEARML_AGENT_RUN"
"""Set for every process of a run, to the path of its directory: what remains of it is found by this where the process
tree no longer tells."""
LOCK_WAIT_S = 0.01
LOCK_FD = 3
START_LIMIT_S = 30.0


class Launch(msgspec.Struct, frozen=True):
    """launch.json: what the runner starts.

    grace_s: between SIGTERM and SIGKILL when the run is stopped; leftover_grace_s: the same for processes that the
    task's main process left behind. inherit: `env` is in addition to the runner's own, which is a container's.
    """

    argv: list[str]
    cwd: str
    env: dict[str, str]
    grace_s: float = 10.0
    leftover_grace_s: float = 2.0
    inherit: bool = False


async def start(directory: RunDirectory, launch: Launch) -> None:
    """Start the runner; when this returns the task has begun, or has already ended.

    The lock is taken here and goes over to the runner: whoever finds it free knows that none is on its way. Where a
    runner has it already, nothing happens. Raises RunFailed when the runner itself cannot start.
    """
    lock_fd = take_lock(directory.path / "lock")
    if lock_fd is None:
        return
    try:
        os.ftruncate(lock_fd, 0)  # the pid of a runner that died before it began
        write_struct(directory.path / "launch.json", launch)
        pid = _spawn(directory.path, lock_fd)
    finally:
        os.close(lock_fd)
    started = directory.path / "started"
    code = None
    try:
        async with asyncio.timeout(START_LIMIT_S):
            while not started.exists() and (code := _exit_code(pid)) is None:  # noqa: ASYNC110 - it takes 20 ms
                await asyncio.sleep(0.002)
    except TimeoutError:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)  # noqa: ASYNC222 - a killed process ends at once
        code = -signal.SIGKILL
    if code in (None, 0, runner.EXIT_TAKEN) or started.exists():
        return
    said = (directory.path / "runner.err").read_text(errors="replace").strip()
    raise RunFailed(
        f"the task's runner did not start (exit {code}): {said[-500:] or 'no output'}. Check the disk and the limits "
        "of this worker.",
        reason="worker failed to start the task",
    )


def _spawn(path: Path, lock_fd: int) -> int:
    """Start the runner in a session of its own, where nothing that ends the agent ends it; returns its pid."""
    write = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-I", "-S", runner.__file__, str(path), str(LOCK_FD)],
        {"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, str(path / "runner.err"), write, 0o600),
            (os.POSIX_SPAWN_DUP2, lock_fd, LOCK_FD),
        ],
        setsid=True,
        setsigmask=(),
        setsigdef=(signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP),
    )


def _exit_code(pid: int) -> int | None:
    """How this child ended (-N for signal N); None while it runs."""
    try:
        done, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return 0  # collected already
    return os.waitstatus_to_exitcode(status) if done else None


async def ended(directory: RunDirectory) -> Result | None:
    """Wait until the runner is dead and return its result; None when it left none (it was killed)."""
    while True:
        phase, pid, result = directory.phase()
        if phase is not Phase.RUNNING:
            return result
        if pid is None:
            await asyncio.sleep(LOCK_WAIT_S)  # between its lock and its first line in it
            continue
        await process_ended(pid.pid, pid.start_ticks)
        _exit_code(pid.pid)  # a child of this process must be collected, or it stays a zombie
        if not await _lock_freed(directory, pid):
            return None


async def _lock_freed(directory: RunDirectory, pid: RunnerPid) -> bool:
    """Wait for the lock of a runner that has ended; False when something else holds on to it."""
    try:
        async with asyncio.timeout(5.0):
            # The kernel closes the files of a process a moment after its end, and tells nobody: hence no event.
            while (  # noqa: ASYNC110 - see above
                directory.phase()[0] is Phase.RUNNING and not is_same_process(pid.pid, pid.start_ticks)
            ):
                await asyncio.sleep(LOCK_WAIT_S)
    except TimeoutError:
        return False
    return True


async def identified(directory: RunDirectory) -> None:
    """Wait until a runner that has the lock can be signalled, or has ended."""
    while True:
        phase, pid, _ = directory.phase()
        if phase is not Phase.RUNNING or pid is not None:
            return
        await asyncio.sleep(LOCK_WAIT_S)  # it writes its pid within milliseconds


def stop(directory: RunDirectory, *, now: bool = False) -> bool:
    """Ask the runner to stop the task (SIGTERM, grace, SIGKILL), or with `now` to kill it. False when none runs."""
    try:
        phase, pid, _ = directory.phase()
    except FileNotFoundError:
        return False  # the run is over, and its directory is just being removed
    if phase is not Phase.RUNNING or pid is None or not is_same_process(pid.pid, pid.start_ticks):
        return False
    try:
        os.kill(pid.pid, signal.SIGQUIT if now else signal.SIGTERM)
    except ProcessLookupError:
        return False
    return True


def kill_remains(directory: RunDirectory) -> list[int]:
    """SIGKILL what is left of a run whose runner was killed, by its mark and by its session; returns the pids."""
    mark = f"{RUN_VARIABLE}={directory.path}".encode()
    session = _session(directory)
    if directory.record.boot != runner.boot_id():
        return []  # the machine has been started since: nothing of it can live, and pids mean others
    killed: list[int] = []
    for _ in range(20):  # what forks while it is looked for is found the next time
        found = set(marked(mark, session))
        if not found:
            break
        for number in (signal.SIGSTOP, signal.SIGKILL):
            runner.send(found, number)
        killed += found
    return killed


def _session(directory: RunDirectory) -> int:
    """The task's session id; -1 when unknown, or when that number has come to mean another process."""
    try:
        facts = json.loads((directory.path / "started").read_bytes())
        leader, ticks = int(facts["task_pid"]), facts.get("task_start_ticks")
    except (OSError, ValueError, KeyError):
        return -1
    return leader if runner.start_ticks(leader) in (None, ticks) else -1


def marked(mark: bytes, session: int) -> Iterable[int]:
    """Pids of the living processes with `mark` in their environment, or of `session`. Linux; elsewhere none."""
    proc = Path("/proc")
    for folder in proc.iterdir() if proc.is_dir() else []:
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            state, _, _, sid = (folder / "stat").read_bytes().rpartition(b")")[2].split()[:4]
            if state in (b"Z", b"X"):
                continue
            if int(sid) == session or mark in (folder / "environ").read_bytes().split(b"\0"):
                yield int(folder.name)
        except OSError:
            continue  # gone, or another user's
