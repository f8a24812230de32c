"""Moving one file to or from where it is stored, whatever that is."""

from __future__ import annotations

import hashlib
import os
import shutil

from clearml_sdk.storage import http_files, urls
from clearml_sdk.storage.errors import StorageRefused, StoredFileMissing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from clearml_sdk.session import Session

    Progress = Callable[[int], object]

BLOCK_BYTES = 1 << 20


def upload(session: Session | None, path: str, url: str, *, progress: Progress | None = None) -> str:
    """Copy the file at `path` to `url` and return the URL to record. Waits.

    Raises StorageError; FileNotFoundError when there is no file at `path`.
    """
    scheme = urls.scheme_of(url)
    if scheme == "file":
        target = urls.local_path(url)
        if os.path.abspath(target) != os.path.abspath(path):
            _copy(path, target)
        return url
    if scheme in ("http", "https"):
        http_files.upload(session, path, url, progress=progress)
        return url
    raise _unsupported(url, scheme)


def download(session: Session | None, url: str, path: str, *, progress: Progress | None = None) -> str:
    """Copy what is stored at `url` to `path`, whole or not at all; its sha256. Waits. Raises StorageError."""
    scheme = urls.scheme_of(url)
    partial = f"{path}.{os.getpid()}.{os.urandom(4).hex()}.part"
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    try:
        if scheme == "file":
            source = urls.local_path(url)
            if not os.path.isfile(source):
                raise StoredFileMissing(url, "no such file")
            shutil.copyfile(source, partial)
            digest = sha256(partial)
        elif scheme in ("http", "https"):
            digest = http_files.download(session, url, partial, progress=progress)
        else:
            raise _unsupported(url, scheme)
        os.replace(partial, path)
    finally:
        if os.path.exists(partial):
            os.unlink(partial)
    return digest


def exists(session: Session | None, url: str) -> bool:
    """Whether something is stored at `url`. Raises StorageError when that cannot be found out."""
    return size(session, url) is not None


def size(session: Session | None, url: str) -> int | None:
    """Size in bytes of what is stored at `url`; None when there is nothing, -1 when the server does not say."""
    scheme = urls.scheme_of(url)
    if scheme == "file":
        try:
            return os.stat(urls.local_path(url)).st_size
        except FileNotFoundError:
            return None
    if scheme in ("http", "https"):
        return http_files.size(session, url)
    raise _unsupported(url, scheme)


def delete(session: Session | None, url: str) -> bool:
    """Remove what is stored at `url`; False when there was nothing. Raises StorageError."""
    scheme = urls.scheme_of(url)
    if scheme == "file":
        try:
            os.unlink(urls.local_path(url))
        except FileNotFoundError:
            return False
        return True
    if scheme in ("http", "https"):
        return http_files.delete(session, url)
    raise _unsupported(url, scheme)


def sha256(path: str) -> str:
    """The hash of a file, as artifacts record it."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _copy(path: str, target: str) -> None:
    os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
    partial = f"{target}.{os.getpid()}.{os.urandom(4).hex()}.part"
    try:
        shutil.copyfile(path, partial)
        os.replace(partial, target)
    finally:
        if os.path.exists(partial):
            os.unlink(partial)


def _unsupported(url: str, scheme: str) -> StorageRefused:
    return StorageRefused(url, f"storage of the kind {scheme}:// is not supported: use a files server or a folder")
