"""Processes of jobs that run on this machine: what they run, their names, their ends."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading

import psutil

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

HAS_PROC = sys.platform == "linux"
GRACE_S = 10.0
"""From SIGTERM to SIGKILL of a process that is to end."""


class Order:
    """What a process is to run: a file, or a module, in a folder, with these arguments and variables."""

    def __init__(
        self, folder: str, environment: Mapping[str, str], *, path: str = "", module: str = "", arguments: list[str]
    ) -> None:
        self.folder, self.environment = folder, dict(environment)
        self.path, self.module, self.arguments = path, module, arguments

    @property
    def command(self) -> list[str]:
        """The command line that does the same."""
        return [sys.executable, *(["-m", self.module] if self.module else [self.path]), *self.arguments]


class Process:
    """A process of a job; this one is of another process of ours, and nobody here learns its exit code."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def wait(self) -> int | None:
        """Wait until it has ended: its exit code (below zero: the signal), None where that is not known."""
        wait_for(self.pid)
        return None


class Started(Process):
    """A process that was started by its command line."""

    def __init__(self, order: Order) -> None:
        """Start it. Raises OSError."""
        self._popen = subprocess.Popen(
            order.command, cwd=order.folder, env=order.environment, start_new_session=os.name == "posix"
        )
        super().__init__(self._popen.pid)

    def wait(self) -> int | None:
        """As of every process."""
        return self._popen.wait()


# A process by its name: `host:pid:start`, where the start tells it from another one that has its number later.


def name_of(pid: int) -> str:
    """The name of a process that lives."""
    return f"{socket.gethostname()}:{pid}:{_start_of(pid)}"


def pid_of(name: str) -> int | None:
    """The number of a process of this machine that lives; None where it has ended, or is another machine's."""
    host, _, rest = name.partition(":")
    number, _, start = rest.partition(":")
    if host != socket.gethostname() or not number.isdigit():
        return None
    return int(number) if start and _start_of(int(number)) == start else None


def _start_of(pid: int) -> str:
    """When the process began; "" for none that lives."""
    if HAS_PROC:  # not as a time of day: that changes when the clock is set
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            return ""
        return "" if fields[0] in (b"Z", b"X") else fields[19].decode()
    try:
        process = psutil.Process(pid)
        return "" if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except psutil.Error:
        return ""


def wait_for(pid: int) -> None:
    """Wait until a process that is none of this one's children has ended."""
    if hasattr(os, "pidfd_open"):
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        except OSError:
            pass  # a kernel, or a sandbox, that does not have it
        else:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            try:
                poll.poll()
            finally:
                os.close(descriptor)
            return
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait()


def terminate(pid: int, has_ended: threading.Thread) -> None:
    """SIGTERM, then SIGKILL, to a process and what it has started. has_ended: ends when the process does."""
    _signal(pid, signal.SIGTERM)
    has_ended.join(GRACE_S)
    _signal(pid, getattr(signal, "SIGKILL", signal.SIGTERM))


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.name == "posix":
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
