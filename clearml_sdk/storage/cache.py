"""Local copies of stored files: one file a URL, under the cache folder, the least recently used removed."""

from __future__ import annotations

import hashlib
import os
import threading
import time

from clearml_sdk.config import environment
from clearml_sdk.storage import transfer, urls
from clearml_sdk.storage.errors import StoredFileMissing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from clearml_sdk.session import Session

DEFAULT_LIMIT = 100
IN_USE_S = 600.0
"""A copy that was asked for within this time is not removed, whatever the limit."""

ARCHIVES = (".zip", ".tgz", ".tar.gz", ".tar")
EXTRACTED = ".extracted"

_limits: dict[str, int] = {}
_locks: dict[str, threading.Lock] = {}
_guard = threading.Lock()


class HashMismatch(ValueError):
    """What was downloaded is not what was recorded."""


def local_copy(
    session: Session | None,
    url: str,
    *,
    context: str = "global",
    name: str | None = None,
    force: bool = False,
    sha256: str | None = None,
) -> str:
    """The path of a local copy of `url`: downloaded when there is none; a file of this machine itself as it is.

    Args:
        context: folder of the cache; each has a limit of its own.
        name: name of the copy; None: the URL's.
        force: download also when there is a copy.
        sha256: the expected hash; a copy with another one is downloaded anew.

    Waits. Raises StorageError, and HashMismatch when the file that is stored is not the expected one.
    """
    if not urls.is_remote(url):
        path = urls.local_path(url)
        if not os.path.exists(path):
            raise StoredFileMissing(url, "no such file")
        if sha256 and os.path.isfile(path) and transfer.sha256(path) != sha256:
            raise HashMismatch(f"{url} is not the file that was recorded: its hash differs")
        return path
    folder = os.path.join(cache_folder(), context)
    path = os.path.join(folder, f"{hashlib.md5(url.encode()).hexdigest()}.{name or urls.file_name(url)}")
    with _lock(path):
        if not force and os.path.isfile(path) and (not sha256 or transfer.sha256(path) == sha256):
            os.utime(path)
            return path
        found = transfer.download(session, url, path)
        if sha256 and found != sha256:
            os.unlink(path)
            raise HashMismatch(f"{url} is not the file that was recorded: its hash differs")
    prune(context)
    return path


def extracted(path: str, *, force: bool = False) -> str:
    """The folder with the content of the archive at `path`; extracted when it is not yet, or is older."""
    folder = path + EXTRACTED
    with _lock(folder):
        if not force and os.path.isdir(folder) and os.stat(folder).st_mtime >= os.stat(path).st_mtime:
            os.utime(folder)
            return folder
        import shutil

        partial = f"{folder}.{os.getpid()}.part"
        shutil.rmtree(partial, ignore_errors=True)
        os.makedirs(partial)
        if path.endswith(".zip"):
            import zipfile

            with zipfile.ZipFile(path) as archive:
                archive.extractall(partial)  # drops absolute names and ".." itself
        else:
            import tarfile

            with tarfile.open(path) as tar:
                tar.extractall(partial, filter="data")
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(partial, folder)
        os.utime(folder)
    return folder


def is_archive(path: str) -> bool:
    """Whether `extracted` can open it, by its name."""
    return path.endswith(ARCHIVES)


def cache_folder() -> str:
    """Folder of all contexts."""
    base = environment.read("CACHE_DIR") or "~/.clearml/cache"
    return os.path.join(os.path.expanduser(base), "storage_manager")


def set_limit(limit: int, context: str = "global") -> int:
    """Keep so many files of a context; returns the limit."""
    _limits[context] = limit
    return limit


def prune(context: str, *, now: float | None = None) -> list[str]:
    """Remove the least recently used copies beyond the context's limit; returns their paths."""
    import shutil

    now = time.time() if now is None else now
    folder = os.path.join(cache_folder(), context)
    found = []
    for entry in os.scandir(folder):
        if not entry.name.endswith(".part"):
            found.append((entry.stat().st_mtime, entry.path))
    found.sort(reverse=True)
    removed = []
    for used_at, path in found[_limits.get(context, DEFAULT_LIMIT) :]:
        if now - used_at < IN_USE_S:
            continue
        if os.path.isdir(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            try:
                os.unlink(path)
            except FileNotFoundError:
                continue  # another process has pruned it
        removed.append(path)
    return removed


def _lock(path: str) -> threading.Lock:
    with _guard:
        return _locks.setdefault(path, threading.Lock())
