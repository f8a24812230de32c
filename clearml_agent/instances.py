"""The daemons of this machine: one file a worker id, held by a lock for as long as its daemon lives.

Beside it, for a moment, the file in which `daemon --stop` says who wants the daemon to stop.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import platform
import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from urllib.parse import quote

import msgspec

from clearml_agent.config import AgentConfig
from clearml_agent.errors import AlreadyRunning
from clearml_agent.runner import start_ticks
from clearml_agent.runs import take_lock
from clearml_agent.watch import is_same_process

STOP_LIMIT_S = 10.0
"""How long, beside its tasks' grace, a daemon may take to stop; then it is killed."""
LOOK_S = 0.02


class Facts(msgspec.Struct, frozen=True):
    """What a daemon writes about itself."""

    worker: str
    pid: int
    start_ticks: int | None = None
    queues: list[str] = []
    started_at: float = 0.0
    log: str = ""
    grace_s: float = 10.0
    """How long its tasks are given between SIGTERM and SIGKILL."""

    @property
    def is_alive(self) -> bool:
        return is_same_process(self.pid, self.start_ticks)


class Instance:
    """This process's registration; ends with the process."""

    def __init__(self, path: Path, fd: int, worker: str, grace_s: float) -> None:
        self.path, self._fd, self.worker, self.grace_s = path, fd, worker, grace_s

    def describe(self, queues: Iterable[str], log: str) -> None:
        """Say what this daemon is, for `--stop` and others of this user."""
        pid = os.getpid()
        facts = Facts(self.worker, pid, start_ticks(pid), list(queues), time.time(), log, self.grace_s)
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, msgspec.json.encode(facts), 0)

    def asked_by(self) -> str:
        """Who wants this daemon to stop, once; empty for a Ctrl-C."""
        path = request_path(self.path.parent, self.worker)
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
            path.unlink()
        except OSError:
            return ""
        return text

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
            instance = Instance(path, fd, worker, config.grace_s)
            instance.asked_by()  # an order that its predecessor did not live to hear
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


def request_path(folder: Path, worker: str) -> Path:
    return folder / f"{quote(worker, safe=':,')}.stop"


def stop(facts: Facts, *, home: Path, actor: str = "") -> bool:
    """Have a daemon stop now, its tasks with it; see `stop_all`."""
    return stop_all([facts], home=home, actor=actor)[facts.worker]


def stop_all(daemons: Sequence[Facts], *, home: Path, actor: str = "") -> dict[str, bool]:
    """Have daemons stop now, side by side, their tasks with them: which of them are gone.

    Returns after the longest grace and 10 s at the latest. A daemon that does not obey in that time is killed; what it
    ran is dead by then or dies of its runner, and is reported by the next start. One that cannot be signalled stays.

    Args:
        home: the agents' home directory; actor: who wants it, by default the user of this process.
    """
    who = actor or f"{getpass.getuser()}@{platform.node()} (clearml-agent daemon --stop)"
    for facts in daemons:
        with contextlib.suppress(OSError):  # on a full disk it stops all the same, and does not say for whom
            request_path(directory(home), facts.worker).write_text(who, encoding="utf-8")
    grace_s = max((facts.grace_s for facts in daemons), default=0.0)
    staying = _signal(daemons, signal.SIGINT, grace_s + STOP_LIMIT_S - 1.0)
    staying = _signal(staying, signal.SIGKILL, 1.0)
    return {facts.worker: facts not in staying for facts in daemons}


def _signal(daemons: Sequence[Facts], number: signal.Signals, limit_s: float) -> list[Facts]:
    """Signal daemons and wait until they are gone; returns those that stay."""
    deadline = time.monotonic() + limit_s
    for facts in daemons:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # gone; or another user's, which stays
            if facts.is_alive:
                os.kill(facts.pid, number)
    while staying := [facts for facts in daemons if facts.is_alive]:
        if time.monotonic() >= deadline:
            break
        time.sleep(LOOK_S)  # not this process's children: nothing tells of their end on every system
    return staying
