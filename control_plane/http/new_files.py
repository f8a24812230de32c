"""A new file in the file server's folder: in its place, whole and on disk, or not there at all. Blocks.

Until it is whole it has no name, where the file system can do that: what a server that dies has received is gone with
it. Elsewhere it has a temporary name beside its place, which cannot be asked for.
"""

import errno
import fcntl
import mmap
import os
import secrets
from pathlib import Path

from control_plane.http.paths import BadName

UPLOADING = ".uploading-"
"""Prefix of temporary names; a name with it cannot be asked for."""
LARGE_BYTES = 4 << 20
"""What is larger is written past the system's cache."""
BLOCK_BYTES = 1 << 20
TRIES = 10
_DIRECT: int = getattr(os, "O_DIRECT", 0)
_NAMELESS: int = getattr(os, "O_TMPFILE", 0)
_WRITES = os.O_WRONLY | os.O_CLOEXEC
_MODE = 0o640


class NewFile:
    """`write` it, then `finish` or `discard` it. Raises BadName for a place that is outside of `root` or taken."""

    def __init__(self, target: Path, root: Path, *, is_large: bool) -> None:
        self.target, self._root = target, root
        self._temporary = target.parent / f"{UPLOADING}{secrets.token_hex(8)}"
        self._handle, self._has_name = self._create()
        self._blocks = _Blocks(self._handle) if is_large and _go_direct(self._handle) else None

    def write(self, data: memoryview) -> None:
        """Write the next bytes."""
        if self._blocks is not None:
            self._blocks.write(data)
        else:
            _write(self._handle, data)

    def finish(self) -> None:
        """Put it in its place. It is on disk then."""
        try:
            if self._blocks is not None:
                self._blocks.end()
            os.fsync(self._handle)
            if not self._has_name:
                self._get_name()
            if self.target.is_dir():
                raise BadName("a folder has this name")
            self._temporary.replace(self.target)
        except BaseException:
            self.discard()
            raise
        os.close(self._handle)
        folder = _open_folder(self.target.parent)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def discard(self) -> None:
        """Leave nothing of it."""
        os.close(self._handle)
        if self._has_name:
            self._temporary.unlink(missing_ok=True)

    def _create(self) -> tuple[int, bool]:
        for left in reversed(range(TRIES)):
            self._temporary.parent.mkdir(parents=True, exist_ok=True)
            try:
                return self._create_once()
            except FileNotFoundError:
                # The last file of the folder was deleted at this moment, and the folder with it.
                if not left:
                    raise
        raise AssertionError

    def _create_once(self) -> tuple[int, bool]:
        # Between the check of the name and this moment nobody else writes here; checked again, it costs a microsecond.
        parent, root = self._temporary.parent, self._root
        real = Path(os.path.realpath(parent))
        if real != root and root not in real.parents:
            raise BadName("a link leads out of the server")
        if _NAMELESS:
            try:
                handle = os.open(parent, _NAMELESS | _WRITES, _MODE)
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
                    raise
            else:
                if os.path.exists(_link_of(handle)):
                    return handle, False
                os.close(handle)  # no /proc, and no other way to give it a name
        return os.open(self._temporary, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | _WRITES, _MODE), True

    def _get_name(self) -> None:
        for left in reversed(range(TRIES)):
            self._temporary.parent.mkdir(parents=True, exist_ok=True)
            try:
                folder = _open_folder(self._temporary.parent)
            except FileNotFoundError:
                continue
            try:
                # With a folder given, the link is followed to the file; without, it is not.
                os.link(_link_of(self._handle), self._temporary.name, src_dir_fd=folder, dst_dir_fd=folder)
            except FileNotFoundError:
                if not left:
                    raise
            else:
                self._has_name = True
                return
            finally:
                os.close(folder)


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
                self._flush()

    def end(self) -> None:
        """Write what is left, which is no whole block."""
        _go_through_cache(self._handle)
        self._flush()

    def _flush(self) -> None:
        data = self._block[: self._filled]
        try:
            _write(self._handle, data)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            _go_through_cache(self._handle)  # this disk wants larger blocks than ours
            _write(self._handle, data)
        self._filled = 0


def _go_direct(handle: int) -> bool:
    """Whether this disk can write past the system's cache, and now will."""
    try:
        fcntl.fcntl(handle, fcntl.F_SETFL, fcntl.fcntl(handle, fcntl.F_GETFL) | _DIRECT)
    except OSError:
        return False
    return bool(_DIRECT)


def _go_through_cache(handle: int) -> None:
    fcntl.fcntl(handle, fcntl.F_SETFL, fcntl.fcntl(handle, fcntl.F_GETFL) & ~_DIRECT)


def _write(handle: int, data: memoryview) -> None:
    while data:
        data = data[os.write(handle, data) :]


def _link_of(handle: int) -> str:
    return f"/proc/self/fd/{handle}"


def _open_folder(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
