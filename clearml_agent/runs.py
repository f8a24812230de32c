"""The directory of one run: all that must survive the agent, and how a restarted agent learns what became of a run.

run.json      which task and claim, the claim's token, what was decided (stop, outcome); see Record
agent.lock    flock of the agent that looks after the run; free = orphaned, whoever starts next takes it over
launch.json, lock, started, log, result.json     the runner's, see runner.py
agent.log, error.log, final.log, console.json    the console's, see console.py
runner.py, start.sh, go, home/, outside          of a run in a container, see docker/container.py
relay.py, loopback/                              its way to this machine's loopback, see docker/loopback.py
code/, env/, journal/, clearml.conf              what the task runs in
"""

from __future__ import annotations

import enum
import fcntl
import logging
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from clearml_agent.gpus.packing import Allocation
from clearml_agent.runner import boot_id, sync_directory

T = TypeVar("T")
log = logging.getLogger("clearml_agent")
STALE_S = 60.0
CONTAINED, OUTSIDE = "go", "outside"
"""Files of a run in a container: the FIFO that each has, and the runner's pid outside of the container."""


class StopKind(enum.StrEnum):
    """Why a run was stopped before its end."""

    USER = "user"
    """Somebody called tasks.stop: the task becomes stopped."""
    AGENT = "agent"
    """The agent is being stopped: the task becomes stopped."""
    REQUEUE = "requeue"
    """The agent leaves: the task goes back to its queue."""
    LIMIT = "limit"
    """The task took more than it was given: it fails, for this reason."""
    STATUS = "status"
    """The task's status was changed by somebody: it is left as they set it."""
    FENCED = "fenced"
    """The task was claimed again, or is gone: nothing more is said about it."""


class Stop(msgspec.Struct, frozen=True):
    """A request to stop, as it was recorded before the first signal; `actor`: who asked, where that is known."""

    kind: StopKind
    reason: str
    actor: str = ""

    def outranks(self, known: Stop | None) -> bool:
        """Whether it takes the place of one that is recorded: what a user wants goes before the agent's own leaving."""
        return known is None or RANK[self.kind] > RANK[known.kind]


RANK = {
    StopKind.REQUEUE: 0,
    StopKind.AGENT: 1,
    StopKind.LIMIT: 2,
    StopKind.USER: 3,
    StopKind.STATUS: 4,
    StopKind.FENCED: 5,
}


class Outcome(msgspec.Struct, frozen=True):
    """What is reported about a run that has ended.

    endpoint: the call that sets the final status; empty when the status is left alone.
    otherwise: the one in its place when that call is to put the task back into its queue and cannot.
    is_lost: such a return counts against the task's `retries`.
    reason, message: of the status; error: explanation for the console; last_line: its last line.
    exit_code: for `execute`: what this process should end with.
    """

    endpoint: str
    reason: str = ""
    message: str = ""
    error: str = ""
    last_line: str = ""
    exit_code: int = 0
    otherwise: str = ""
    is_lost: bool = False


class Record(msgspec.Struct):
    """run.json.

    claim: number of the claim, 0 for a run without one (`execute`); token: its token, which alone may write.
    boot: the machine's boot in which the run began.
    gpus: those that are this run's alone; None: what the agent's configuration says.
    container: name of the one it runs in, recorded before it is made; "" for none.
    """

    task: str
    claim: int
    token: str
    worker: str
    queue: str = ""
    created_at: float = 0.0
    claimed_at: float = 0.0
    boot: str = ""
    gpus: Allocation | None = None
    stop: Stop | None = None
    outcome: Outcome | None = None
    container: str = ""

    @property
    def shown_worker(self) -> str:
        """The worker under which the run is seen: one with GPUs of its own is named after them."""
        if self.gpus is None:
            return self.worker
        host, colon, _ = self.worker.rpartition(":")
        return f"{host if colon else self.worker}:{self.gpus.name}"

    @property
    def run_id(self) -> str:
        return f"{self.task}.{self.claim}" if self.claim else f"{self.task}.x{int(self.created_at * 1000)}"


class Result(msgspec.Struct, frozen=True):
    """result.json, by the runner: exit_code, or the signal that ended the task; `error` when it could not start.

    oom: something was killed for memory while it ran. full: where its container has disks without room.
    """

    exit_code: int | None = None
    signal: int | None = None
    error: str = ""
    ended_at: float = 0.0
    stop_signal: str = ""
    oom: bool = False
    full: list[str] = []
    killed: int = 0
    left: list[int] = []


class RunnerPid(msgspec.Struct, frozen=True):
    """What the runner wrote into its lock."""

    pid: int
    start_ticks: int | None = None


class Phase(enum.Enum):
    """What the files say about the runner."""

    NOT_STARTED = enum.auto()
    """No instruction of the task has run."""
    RUNNING = enum.auto()
    ENDED = enum.auto()
    """There is a result."""
    LOST = enum.auto()
    """The task was started, its runner is dead and left no result: the exit is unknown."""


class RunDirectory:
    """One run's directory, owned by this process from creation or adoption until `remove` or `leave`."""

    def __init__(self, path: Path, record: Record, lock_fd: int) -> None:
        self.path, self.record, self._lock_fd = path, record, lock_fd

    @classmethod
    def create(cls, root: Path, record: Record) -> RunDirectory:
        """Make the directory, whole or not at all, and durably.

        Raises FileExistsError when this run is known on this machine, OSError when the disk does not take it.
        """
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        record.created_at = record.created_at or time.time()
        record.boot = boot_id()
        path = root / record.run_id
        if path.exists():
            raise FileExistsError(f"{path} exists: this run is looked after already")
        temporary = root / f".new.{record.run_id}.{os.getpid()}"
        temporary.mkdir(mode=0o700)
        try:
            lock_fd = take_lock(temporary / "agent.lock")
            write_struct(temporary / "run.json", record)
            temporary.rename(path)
            sync_directory(str(root))
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        if lock_fd is None:
            raise FileExistsError(str(path))
        return cls(path, record, lock_fd)

    @classmethod
    def orphans(cls, root: Path) -> Iterator[RunDirectory]:
        """Take over every run whose agent is dead, and clear away what was being made or removed when it died."""
        for path in sorted(root.iterdir()) if root.is_dir() else []:
            if path.name.startswith(".new."):
                if is_abandoned(path):
                    shutil.rmtree(path, ignore_errors=True)
                continue
            if path.name.startswith(".gone."):
                shutil.rmtree(path, ignore_errors=True)
                continue
            found = cls.adopt(path)
            if found is not None:
                yield found

    @classmethod
    def adopt(cls, path: Path) -> RunDirectory | None:
        """Take over one run; None when an agent looks after it, or it is no run."""
        try:
            lock_fd = take_lock(path / "agent.lock")
        except OSError:
            return None
        if lock_fd is None:
            return None
        try:
            record = read_struct(path / "run.json", Record)
        except (OSError, msgspec.DecodeError):
            os.close(lock_fd)
            return None
        return cls(path, record, lock_fd)

    def save(self) -> None:
        """Write the record, durably. Where the disk does not take it, this process alone knows what was decided."""
        try:
            write_struct(self.path / "run.json", self.record)
        except OSError as error:
            log.error("run %s cannot be written down: %s; free some space", self.record.run_id, error)

    def phase(self) -> tuple[Phase, RunnerPid | None, Result | None]:
        """What the files say now. The runner's lock is probed, so do not ask while starting one."""
        held = not is_free(self.path / "lock")
        if held:
            return Phase.RUNNING, self._runner_pid(), None
        if (self.path / "result.json").exists():
            return Phase.ENDED, None, read_struct(self.path / "result.json", Result)
        return (Phase.LOST if (self.path / "started").exists() else Phase.NOT_STARTED), None, None

    def _runner_pid(self) -> RunnerPid | None:
        try:
            return read_struct(self.path / "lock", RunnerPid)
        except (OSError, msgspec.DecodeError):
            return None  # it has the lock and is about to write

    def leave(self) -> None:
        """Stop looking after the run: the next agent that starts takes it over."""
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1

    def remove(self) -> None:
        """Delete the directory; a crash on the way leaves nothing that looks like a run."""
        gone = self.path.with_name(f".gone.{self.path.name}")
        try:
            self.path.rename(gone)
        except OSError:
            gone = self.path
        shutil.rmtree(gone, ignore_errors=True)
        self.leave()


def has_containers(root: Path) -> bool:
    """Whether an earlier agent left runs in containers, which have to be looked after."""
    for path in root.glob("[!.]*/run.json"):
        try:
            if read_struct(path, Record).container:
                return True
        except (OSError, msgspec.DecodeError):
            continue  # just over, or no run
    return False


def is_abandoned(path: Path) -> bool:
    """Whether whoever was making this directory is dead: nobody holds its lock, or it has long been without one."""
    try:
        lock = path / "agent.lock"
        return is_free(lock) if lock.exists() else time.time() - path.stat().st_mtime > STALE_S
    except OSError:
        return False  # it is whole now, under its own name


def take_lock(path: Path) -> int | None:
    """An exclusive flock on `path` until the descriptor is closed; None when another process has it."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


def is_free(path: Path) -> bool:
    """Whether nobody holds an exclusive flock on `path`."""
    try:
        fd = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True


def write_struct(path: Path, value: Any) -> None:
    """Write, fsync, rename, fsync the directory: a crash leaves the old text or the new one."""
    temporary = path.with_name(f"{path.name}.tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(fd, msgspec.json.encode(value))
        os.fsync(fd)
    finally:
        os.close(fd)
    temporary.replace(path)
    sync_directory(str(path.parent))


def read_struct(path: Path, kind: type[T]) -> T:
    return msgspec.json.decode(path.read_bytes(), type=kind)
