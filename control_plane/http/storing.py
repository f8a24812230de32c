"""Writing an upload to the disk: under a temporary name, in its place once it is whole and on disk. Blocks.

Nobody ever reads half a file. What a server that dies leaves has a temporary name, which cannot be asked for.
Source: contract/wire.md, section 12; DESIGN 5.
"""

import fcntl
import mmap
import os
import re
import secrets
import threading
from pathlib import Path

from control_plane.http.multipart import Event, Scanner
from control_plane.http.paths import BadName, inside

UPLOADING = ".uploading-"
"""Prefix of temporary names; a name with it cannot be asked for."""

_FIELD_NAME = re.compile(r';\s*name="((?:[^"\\]|\\.)*)"', re.IGNORECASE)
BLOCK_BYTES = 1 << 20
LARGE_BYTES = 4 << 20
"""A body of this size is written past the system's cache."""
_DIRECT: int = getattr(os, "O_DIRECT", 0)


class Upload:
    """One multipart body on its way into the folder `root`. stored: the names of what is there."""

    def __init__(self, root: Path, boundary: str, size_bytes: int) -> None:
        """size_bytes: of the body; 0 where nobody knows. Raises ValueError for no boundary."""
        self._root, self._scanner = root, Scanner(boundary.encode())
        self._is_large = size_bytes >= LARGE_BYTES
        self._file: _File | None = None
        self._lock = threading.Lock()  # a caller that was cancelled discards what a thread still writes
        self.stored: list[str] = []

    def take(self, data: bytes | bytearray, size_bytes: int) -> None:
        """Store what the next `size_bytes` of the body hold. Raises BadName, ValueError for a body that is none."""
        with self._lock:
            for event in self._scanner.feed(data, size_bytes):
                self._do(event)

    def end(self) -> None:
        """Say that the body is over. Raises ValueError for one that ended early."""
        if not self._scanner.is_over:
            raise ValueError("the upload ended early")

    def discard(self) -> None:
        """Let go of what is not whole."""
        with self._lock:
            if self._file is not None:
                self._file.discard()
                self._file = None

    def _do(self, event: Event) -> None:
        if isinstance(event, memoryview):
            assert self._file is not None
            self._file.write(event)
        elif event is not None:
            if event.get("content-type", "").lower().startswith("multipart/"):
                raise BadName("nested multipart bodies are not read")
            name = field_name(event.get("content-disposition", ""))
            self._file = _File(target(self._root, name), self._root, is_large=self._is_large)
        else:
            assert self._file is not None
            file, self._file = self._file, None
            file.finish()
            self.stored.append(str(file.target.relative_to(self._root)))


class _File:
    """A file that is being written beside its place."""

    def __init__(self, target: Path, root: Path, *, is_large: bool) -> None:
        self.target = target
        self._temporary = target.parent / f"{UPLOADING}{secrets.token_hex(8)}"
        self._handle = _create(self._temporary, root)
        self._blocks = _Blocks(self._handle) if is_large and _go_direct(self._handle) else None

    def write(self, data: memoryview) -> None:
        if self._blocks is not None:
            self._blocks.write(data)
        else:
            _write(self._handle, data)

    def finish(self) -> None:
        try:
            if self._blocks is not None:
                self._blocks.end()
            os.fsync(self._handle)
            if self.target.is_dir():
                raise BadName("a folder has this name")
            self._temporary.replace(self.target)
        except BaseException:
            self.discard()
            raise
        os.close(self._handle)
        folder = os.open(self.target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def discard(self) -> None:
        os.close(self._handle)
        self._temporary.unlink(missing_ok=True)


class _Blocks:
    """Writes past the system's cache: whole blocks, from memory that begins at a page.

    A file of gigabytes then pushes nothing out of the cache, and costs no memory that is used once.
    """

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._block = memoryview(mmap.mmap(-1, BLOCK_BYTES))
        self._filled = 0

    def write(self, data: memoryview) -> None:
        while data:
            count = min(len(data), BLOCK_BYTES - self._filled)
            self._block[self._filled : self._filled + count] = data[:count]
            self._filled += count
            data = data[count:]
            if self._filled == BLOCK_BYTES:
                _write(self._handle, self._block)
                self._filled = 0

    def end(self) -> None:
        """Write what is left, which is no whole block."""
        fcntl.fcntl(self._handle, fcntl.F_SETFL, fcntl.fcntl(self._handle, fcntl.F_GETFL) & ~_DIRECT)
        _write(self._handle, self._block[: self._filled])


def _go_direct(handle: int) -> bool:
    """Whether this disk can write past the system's cache, and now will."""
    try:
        fcntl.fcntl(handle, fcntl.F_SETFL, fcntl.fcntl(handle, fcntl.F_GETFL) | _DIRECT)
    except OSError:
        return False
    return bool(_DIRECT)


def _write(handle: int, data: memoryview) -> None:
    while data:
        data = data[os.write(handle, data) :]


def target(root: Path, name: str) -> Path:
    """Where the file `name` is or will be. Raises BadName."""
    path = inside(root, name)
    if any(part.startswith(UPLOADING) for part in path.relative_to(root).parts):
        raise BadName("the name is reserved")
    return path


def field_name(disposition: str) -> str:
    """The field's name in a part's Content-Disposition, as it was meant; empty when there is none.

    File names may hold backslashes. Clients write a quote as %22 or with a backslash before it.
    """
    found = _FIELD_NAME.search(disposition)
    return found[1].replace('\\"', '"').replace("%22", '"') if found else ""


def _create(temporary: Path, root: Path) -> int:
    for _ in range(10):
        temporary.parent.mkdir(parents=True, exist_ok=True)
        try:
            return _create_in(temporary, root)
        except FileNotFoundError:
            continue  # the last file of the folder was deleted at this moment, and the folder with it
    return _create_in(temporary, root)


def _create_in(temporary: Path, root: Path) -> int:
    # Between the check of the name and this moment nobody else writes here; checked again, it costs a microsecond.
    real = Path(os.path.realpath(temporary.parent))
    if real != root and root not in real.parents:
        raise BadName("a link leads out of the server")
    return os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
