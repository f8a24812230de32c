"""Locks between agents of one machine: `flock` on a file, which the kernel frees when its holder dies."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

from clearml_agent.process import Log

FIRST_WAIT_S, LONGEST_WAIT_S = 0.005, 0.1
SAY_AFTER_S = 1.0


class LockTimeout(Exception):
    """Another process held the lock for too long."""


@contextlib.asynccontextmanager
async def file_lock(
    path: Path, *, timeout_s: float, shared: bool = False, log: Log | None = None
) -> AsyncIterator[None]:
    """Hold the lock at `path` (made if missing), alone or shared; raises LockTimeout after `timeout_s`.

    The kernel tells nobody when a lock is freed, and a thread blocked in `flock` cannot be cancelled: hence the short
    waits. The file itself stays: removing it would let two holders lock two files of one name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        await _acquire(fd, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, path, timeout_s, log)
        yield
    finally:
        os.close(fd)


async def _acquire(fd: int, mode: int, path: Path, timeout_s: float, log: Log | None) -> None:
    start = time.monotonic()
    wait_s, said = FIRST_WAIT_S, log is None
    while True:
        try:
            fcntl.flock(fd, mode | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            waited = time.monotonic() - start
        if waited > timeout_s:
            raise LockTimeout(f"{path} was held by another process for {timeout_s:.0f} s")
        if not said and waited > SAY_AFTER_S and log is not None:
            log(f"waiting for another task that prepares the same thing ({path.name})")
            said = True
        await asyncio.sleep(wait_s)
        wait_s = min(wait_s * 1.5, LONGEST_WAIT_S)
