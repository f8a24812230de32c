"""Processes forked from a program that has the SDK imported (`step_server`): begun in milliseconds. On Linux."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading

from clearml_sdk.automation.jobs.processes import Order, Process
from clearml_sdk.notices import warn_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

IS_HERE = sys.platform == "linux"
"""Elsewhere libraries of the system do not bear a fork."""

_PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "step_server.py")
_AT_START = ("PYTHON", "LD_", "MALLOC_", "GLIBC_", "LANG", "LC_")
"""Variables that begin so act when Python starts, and cannot be given to a process that was forked."""


class Forked(Process):
    """A forked process: it waits until `tell`."""

    def __init__(self, pid: int, pipe: int) -> None:
        super().__init__(pid)
        self._pipe = pipe
        self._has_ended = threading.Event()
        self._code: int | None = None

    def tell(self, order: Order) -> None:
        """Have it run. Raises OSError where it has ended meanwhile."""
        with open(self._pipe, "w", encoding="utf-8") as file:
            file.write(json.dumps(vars(order)) + "\n")

    def dismiss(self) -> None:
        """Have it end without an order."""
        with contextlib.suppress(OSError):
            os.close(self._pipe)

    def wait(self) -> int | None:
        """As of every process."""
        self._has_ended.wait()
        return self._code if self._code is not None else super().wait()

    def _note_end(self, code: int | None) -> None:
        self._code = code
        self._has_ended.set()


class _Server:
    """The program, as its one client sees it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.at_start, self.owner = _at_start(environment), os.getpid()
        others = {key: value for key, value in os.environ.items() if key not in _at_start(os.environ)}
        own = {**others, **self.at_start}  # its search path is this process's, those of orders come with them
        self._channel, other = socket.socketpair()
        with other:
            command = [sys.executable, _PROGRAM, str(other.fileno())]
            self._popen = subprocess.Popen(command, pass_fds=(other.fileno(),), env=own, start_new_session=True)
        self._changed = threading.Condition()
        self._forking = threading.Lock()
        self._children: dict[int, Forked] = {}
        self._forked: list[int] = []
        self._is_retired = self.is_over = False
        threading.Thread(target=self._read, name="clearml-step-server", daemon=True).start()

    def fork(self) -> Forked:
        """A process that waits for its order. Raises OSError where the program has ended."""
        theirs, ours = os.pipe()
        try:
            with self._forking:
                socket.send_fds(self._channel, [b"f"], [theirs])
                with self._changed:
                    self._changed.wait_for(lambda: self._forked or self.is_over)
                    if not self._forked:
                        raise BrokenPipeError("the program that forks processes has ended")
                    child = Forked(self._forked.pop(), ours)
                    self._children[child.pid] = child
                    self._changed.notify_all()
                    return child
        except OSError:
            os.close(ours)
            raise
        finally:
            os.close(theirs)

    def retire(self) -> None:
        """Have the program end once its processes have."""
        with self._changed:
            self._is_retired = True
            if not self._children:
                self._hang_up()

    def _hang_up(self) -> None:
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)

    def _read(self) -> None:
        with self._channel.makefile(encoding="utf-8") as lines, contextlib.suppress(OSError):
            for line in lines:
                what, pid, code = line.split()
                with self._changed:
                    if what == "forked":
                        self._forked.append(int(pid))
                        self._changed.notify_all()
                        self._changed.wait_for(lambda: not self._forked)
                        continue
                    self._children.pop(int(pid))._note_end(int(code))
                    if self._is_retired and not self._children:
                        self._hang_up()
        with self._changed:
            self.is_over = True
            for child in self._children.values():
                child._note_end(None)
            self._changed.notify_all()
        self._popen.wait()
        self._channel.close()


_lock = threading.Lock()
_servers: list[_Server] = []
"""The one that forks now, or none."""


def prepare() -> None:
    """Have the program started before a process is needed."""
    if IS_HERE:
        with contextlib.suppress(OSError):  # said when it is needed
            _server(os.environ)


def fork(environment: Mapping[str, str]) -> Forked | None:
    """A process for an order with these variables; None where there cannot be one."""
    if IS_HERE:
        try:
            return _server(environment).fork()
        except OSError as error:
            warn_once("forking", f"processes of jobs begin slower: they cannot be forked: {error}")
    return None


def retire() -> None:
    """No more processes are needed."""
    with _lock:
        while _servers:
            _servers.pop().retire()


def _server(environment: Mapping[str, str]) -> _Server:
    with _lock:
        if _servers and _servers[0].owner != os.getpid():
            _servers.clear()  # this process was forked: the program is its parent's
        if _servers and (_servers[0].at_start != _at_start(environment) or _servers[0].is_over):
            _servers.pop().retire()
        if not _servers:
            _servers.append(_Server(environment))
        return _servers[0]


def _at_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in environment.items() if key.startswith(_AT_START) and key != "PYTHONPATH"}
