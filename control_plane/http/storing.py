"""Writing an upload to the disk: under a temporary name, in its place once it is whole and on disk. Blocks.

Nobody ever reads half a file. What a server that dies leaves has a temporary name, which cannot be asked for.
Source: contract/wire.md, section 12; DESIGN 5.
"""

import ctypes
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
_WRITE_BACK_BYTES = 8 << 20
_SYNC_FILE_RANGE_WRITE = 2


class Upload:
    """One multipart body on its way into the folder `root`. stored: the names of what is there."""

    def __init__(self, root: Path, boundary: str) -> None:
        """Raises ValueError for no boundary."""
        self._root, self._scanner = root, Scanner(boundary.encode())
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
            self._file = _File(target(self._root, name), self._root)
        else:
            assert self._file is not None
            file, self._file = self._file, None
            file.finish()
            self.stored.append(str(file.target.relative_to(self._root)))


class _File:
    """A file that is being written beside its place."""

    def __init__(self, target: Path, root: Path) -> None:
        self.target = target
        self._temporary = target.parent / f"{UPLOADING}{secrets.token_hex(8)}"
        self._handle = _create(self._temporary, root)
        self._written = self._sent = 0

    def write(self, data: memoryview) -> None:
        while data:
            count = os.write(self._handle, data)
            self._written += count
            data = data[count:]
        if self._written - self._sent >= _WRITE_BACK_BYTES:
            _begin_write_back(self._handle, self._sent, self._written - self._sent)
            self._sent = self._written

    def finish(self) -> None:
        try:
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


def _begin_write_back(handle: int, start: int, count: int) -> None:
    """Have the disk begin with what was written, so that the sync in the end finds most of it done."""
    libc = ctypes.CDLL(None, use_errno=True)
    call = getattr(libc, "sync_file_range", None)  # Linux's alone; nothing is lost without it
    if call is not None:
        call(handle, ctypes.c_int64(start), ctypes.c_int64(count), _SYNC_FILE_RANGE_WRITE)
