"""Wait for what other processes do: files that grow in a directory, and a process that ends.

Linux tells by inotify and pidfd; elsewhere, and where the kernel refuses them, a short wait stands in.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
import sys
from pathlib import Path

from clearml_agent.runner import start_ticks

IN_MODIFY, IN_MOVED_TO = 0x2, 0x80
IN_NONBLOCK, IN_CLOEXEC = 0o4000, 0o2000000
HEADER = struct.Struct("iIII")
FALLBACK_WAIT_S = 0.1
REST_S = 0.05
"""After some news, until more is read: a task that writes line by line would have us do nothing else."""


class Watcher:
    """Tells when one of a few named files of a directory changes; one kernel object for any number of directories."""

    def __init__(self) -> None:
        self._fd = -1
        self._libc: ctypes.CDLL | None = None
        self._directories: dict[int, WatchedDirectory] = {}
        self._rest: asyncio.TimerHandle | None = None

    def __enter__(self) -> Watcher:
        if sys.platform.startswith("linux"):
            self._libc = ctypes.CDLL(None, use_errno=True)
            self._fd = self._libc.inotify_init1(IN_NONBLOCK | IN_CLOEXEC)
        self._listen()
        return self

    def _listen(self) -> None:
        if self._fd >= 0:
            asyncio.get_running_loop().add_reader(self._fd, self._read)

    def __exit__(self, *_: object) -> None:
        if self._rest is not None:
            self._rest.cancel()
        if self._fd >= 0:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def watch(self, directory: Path, names: frozenset[str]) -> WatchedDirectory:
        """Begin to watch; call `close()` on the answer when done."""
        number = -1
        if self._fd >= 0 and self._libc is not None:
            path = os.fsencode(directory)
            number = int(self._libc.inotify_add_watch(self._fd, path, IN_MODIFY | IN_MOVED_TO))
        watched = WatchedDirectory(self, number, names)
        if number >= 0:
            self._directories[number] = watched
        return watched

    def forget(self, number: int) -> None:
        if self._directories.pop(number, None) is not None and self._libc is not None:
            self._libc.inotify_rm_watch(self._fd, number)

    def _read(self) -> None:
        try:
            data = os.read(self._fd, 64 * 1024)
        except BlockingIOError:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._fd)
        self._rest = loop.call_later(REST_S, self._listen)
        offset = 0
        while offset < len(data):
            number, _, _, length = HEADER.unpack_from(data, offset)
            offset += HEADER.size
            name = data[offset : offset + length].rstrip(b"\0").decode("utf-8", "replace")
            offset += length
            if number < 0:  # more news than the kernel keeps
                for directory in self._directories.values():
                    directory.event.set()
                continue
            watched = self._directories.get(number)
            if watched is not None and name in watched.names:
                watched.event.set()


class WatchedDirectory:
    """One directory under a Watcher."""

    def __init__(self, watcher: Watcher, number: int, names: frozenset[str]) -> None:
        self._watcher, self._number = watcher, number
        self.names = names
        self.event = asyncio.Event()

    async def changed(self, timeout_s: float) -> bool:
        """Wait until a named file has changed since the last answer; False after `timeout_s`, or where nobody tells."""
        if self._number < 0:
            timeout_s = min(timeout_s, FALLBACK_WAIT_S)
        try:
            async with asyncio.timeout(timeout_s):
                await self.event.wait()
        except TimeoutError:
            return False
        self.event.clear()
        return True

    def close(self) -> None:
        self._watcher.forget(self._number)


def is_same_process(pid: int, ticks: int | None) -> bool:
    """Whether the process that had this pid and start time still lives (a zombie does not)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it exists
    if ticks is not None and start_ticks(pid) != ticks:
        return False
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return ticks is None


async def process_ended(pid: int, ticks: int | None) -> None:
    """Wait until that process has ended, whosever child it is; returns at once when it has."""
    if not is_same_process(pid, ticks):
        return
    opener = getattr(os, "pidfd_open", None)  # Linux only
    try:
        fd = opener(pid) if opener else -1
    except ProcessLookupError:
        return
    except OSError:
        fd = -1  # an old or a restricted kernel
    if fd < 0:
        while is_same_process(pid, ticks):  # noqa: ASYNC110 - this kernel tells of no end but to the parent
            await asyncio.sleep(FALLBACK_WAIT_S)
        return
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    try:
        if not is_same_process(pid, ticks):  # the pid may have found another owner before it was opened
            return
        loop.add_reader(fd, ended.set)
        await ended.wait()
    finally:
        loop.remove_reader(fd)
        os.close(fd)
