"""Local copies of stored files: one file a URL, under the cache folder, the least recently used removed."""

from __future__ import annotations

import hashlib
import os
import re
import threading
import time

from clearml_sdk.config import cache_base, load_settings
from clearml_sdk.storage import transfer, urls
from clearml_sdk.storage.errors import StoredFileMissing
from clearml_sdk.storage.substitution import substituted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from clearml_sdk.session import Session

CACHE = "sdk.storage.cache"
DEFAULT_LIMIT = 100
IN_USE_S = 600.0
"""A copy that was asked for within this time is not removed, whatever the limit."""

ARCHIVES = (".zip", ".tgz", ".tar.gz", ".tar")
EXTRACTED = ".extracted"
PARTIAL = (".part", ".part.state", ".part.lock")

_limits: dict[str, int] = {}
_locks: dict[str, threading.Lock] = {}
_guard = threading.Lock()
_hashes: dict[str, tuple[tuple[int, ...], str]] = {}
"""Of copies that this process has hashed: what the system said of each then."""


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
    url = substituted(url)
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
        if not force and os.path.isfile(path) and (not sha256 or _hash_of(path) == sha256):
            os.utime(path)
            if sha256:
                _hashes[path] = _state_of(path), sha256
            return path
        found = transfer.download(session, url, path)
        if sha256 and found != sha256:
            os.unlink(path)
            raise HashMismatch(f"{url} is not the file that was recorded: its hash differs")
        _hashes[path] = _state_of(path), found
    prune(context)
    return path


def extracted(path: str, *, force: bool = False) -> str:
    """The folder with the content of the archive at `path`; extracted when it is not yet, or is older.

    Several processes may ask at once, the ranks of a training: what the first of them has put there stays.
    """
    import shutil

    folder = path + EXTRACTED
    with _lock(folder):
        if not force and _is_current(folder, path):
            os.utime(folder)
            return folder
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
        os.utime(partial)
        while True:
            try:
                os.replace(partial, folder)
                return folder
            except OSError:
                if not os.path.isdir(folder):
                    raise
            if not force and _is_current(folder, path):  # another process was faster, and its caller reads there
                shutil.rmtree(partial)
                return folder
            old = f"{folder}.{os.getpid()}.old.part"
            os.replace(folder, old)
            shutil.rmtree(old, ignore_errors=True)


def _is_current(folder: str, archive: str) -> bool:
    """Whether an archive has been extracted since it was stored."""
    return os.path.isdir(folder) and os.stat(folder).st_mtime >= os.stat(archive).st_mtime


def is_archive(path: str) -> bool:
    """Whether `extracted` can open it, by its name."""
    return path.endswith(ARCHIVES)


def cache_folder() -> str:
    """Folder of all contexts."""
    return os.path.join(cache_base(load_settings()), "storage_manager")


def set_limit(limit: int, context: str = "global") -> int:
    """Keep so many files of a context; returns the limit."""
    _limits[context] = limit
    return limit


def limit_of(context: str) -> int:
    """How many files of a context are kept: as set by this process, else by the configuration."""
    configured = load_settings().number(f"{CACHE}.default_cache_manager_size", DEFAULT_LIMIT)
    return _limits.get(context, int(configured))


class SpaceLimits:
    """By size, where the configuration asks for it (`disk_space_file_size_strategy.enabled`); bytes, None for no limit.

    max_used: all copies of a context together. min_free: what stays free of the disk.
    """

    def __init__(self, max_used: int | None, min_free: int | None) -> None:
        self.max_used, self.min_free = max_used, min_free

    @classmethod
    def configured(cls) -> SpaceLimits:
        config = load_settings()
        strategy = f"{CACHE}.disk_space_file_size_strategy"
        if not config.flag(f"{strategy}.enabled", False):
            return cls(None, None)
        used, free = (parse_size(config.get(f"{strategy}.size.{key}")) for key in ("max_used_bytes", "min_free_bytes"))
        return cls(used if used >= 0 else None, free if free >= 0 else None)

    def excess(self, used: int, free: int) -> int:
        """How many bytes of `used` are to go, `free` being free now."""
        over = used - self.max_used if self.max_used is not None else 0
        short = self.min_free - free if self.min_free is not None else 0
        return max(0, over, min(short, used))


def parse_size(value: object) -> int:
    """Bytes of a number or a text such as `10GB`; -1 for what is neither."""
    match = re.fullmatch(r"\s*(-?[\d.]+)\s*([KMGT]?)I?B?\s*", str(value).upper())
    return int(float(match[1]) * 1024 ** " KMGT".index(match[2] or " ")) if match else -1


def prune(context: str, *, now: float | None = None) -> list[str]:
    """Remove the least recently used copies beyond the context's limits; returns their paths."""
    import shutil

    now = time.time() if now is None else now
    folder = os.path.join(cache_folder(), context)
    found = []
    for entry in os.scandir(folder):
        if not entry.name.endswith(PARTIAL):
            try:
                found.append((entry.stat().st_mtime, entry.path))
            except FileNotFoundError:
                continue  # another process has pruned it
    found.sort(reverse=True)
    limit, space = limit_of(context), SpaceLimits.configured()
    sizes = (
        {path: _bytes_of(path) for _, path in found} if space.max_used is not None or space.min_free is not None else {}
    )
    excess = space.excess(sum(sizes.values()), shutil.disk_usage(folder).free) if sizes else 0
    removed = []
    for position, (used_at, path) in reversed(list(enumerate(found))):
        if now - used_at < IN_USE_S or (position < limit and excess <= 0):
            continue
        if os.path.isdir(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            try:
                os.unlink(path)
            except FileNotFoundError:
                continue  # another process has pruned it
        excess -= sizes.get(path, 0)
        removed.append(path)
    return removed


def _bytes_of(path: str) -> int:
    """Of a file, or of all files in a folder; 0 for what has gone meanwhile."""
    try:
        if not os.path.isdir(path):
            return os.path.getsize(path)
        return sum(os.path.getsize(os.path.join(where, name)) for where, _, names in os.walk(path) for name in names)
    except FileNotFoundError:
        return 0


def _hash_of(path: str) -> str:
    """The hash of a copy; one that has not changed since this process hashed it is not read again."""
    state, found = _hashes.get(path, ((), ""))
    return found if state == _state_of(path) else transfer.sha256(path)


def _state_of(path: str) -> tuple[int, ...]:
    facts = os.stat(path)
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns


def _lock(path: str) -> threading.Lock:
    with _guard:
        return _locks.setdefault(path, threading.Lock())
