"""The daemons of this machine: one file a worker id, held by a lock for as long as its daemon lives."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from urllib.parse import quote

import msgspec

from clearml_agent.config import AgentConfig
from clearml_agent.errors import AlreadyRunning
from clearml_agent.runner import start_ticks
from clearml_agent.runs import take_lock
from clearml_agent.watch import is_same_process

STOP_LIMIT_S = 60.0


class Facts(msgspec.Struct, frozen=True):
    """What a daemon writes about itself."""

    worker: str
    pid: int
    start_ticks: int | None = None
    queues: list[str] = []
    started_at: float = 0.0
    log: str = ""

    @property
    def is_alive(self) -> bool:
        return is_same_process(self.pid, self.start_ticks)


class Instance:
    """This process's registration; ends with the process."""

    def __init__(self, path: Path, fd: int, worker: str) -> None:
        self.path, self._fd, self.worker = path, fd, worker

    def describe(self, queues: Iterable[str], log: str) -> None:
        """Say what this daemon is, for `--stop` and others of this user."""
        facts = Facts(self.worker, os.getpid(), start_ticks(os.getpid()), list(queues), time.time(), log)
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, msgspec.json.encode(facts), 0)

    def close(self) -> None:
        if self._fd >= 0:
            os.ftruncate(self._fd, 0)
            os.close(self._fd)
            self._fd = -1


def directory(home: Path) -> Path:
    return home / "instances"


def register(config: AgentConfig) -> Instance:
    """Take the configured worker id, or the first free slot number after the worker's name.

    Raises AlreadyRunning when a daemon of that id runs here.
    """
    folder = directory(config.home)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for worker in candidates(config):
        path = folder / f"{quote(worker, safe=':,')}.json"
        fd = take_lock(path)
        if fd is not None:
            instance = Instance(path, fd, worker)
            instance.describe((), "")
            return instance
    raise AlreadyRunning(
        f"an agent with worker id {worker} already runs on this machine; stop it with "
        f"`clearml-agent daemon --stop {worker}`, or set another CLEARML_WORKER_ID"
    )


def candidates(config: AgentConfig) -> Iterator[str]:
    """The worker ids to try, best first. Source: contract/agent_behaviour.md 1."""
    names = config.names
    if names.fixed:
        yield names.base
        return
    for slot in count():
        yield f"{names.base}:{slot}"


def running(home: Path) -> list[Facts]:
    """The daemons that live, by worker id."""
    found = []
    folder = directory(home)
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else []:
        try:
            facts = msgspec.json.decode(path.read_bytes(), type=Facts)
        except (OSError, msgspec.DecodeError):
            continue  # empty: its daemon has left
        if facts.is_alive:
            found.append(facts)
    return found


def stop(facts: Facts, *, limit_s: float = STOP_LIMIT_S) -> bool:
    """SIGTERM a daemon and wait until it is gone; a second one after half of the time. False when it stays."""
    start = time.monotonic()
    signalled = 0
    while facts.is_alive:
        waited = time.monotonic() - start
        if waited >= limit_s:
            return False
        if signalled == 0 or (signalled == 1 and waited > limit_s / 2):
            try:
                os.kill(facts.pid, signal.SIGTERM)
            except ProcessLookupError:
                return True
            except PermissionError:
                return False
            signalled += 1
        time.sleep(0.02)  # not this process's child: nothing tells of its end on every system
    return True
