"""Moving one file to or from where it is stored, whatever that is."""

from __future__ import annotations

import os

from clearml_sdk.storage import http_files, object_files, urls
from clearml_sdk.storage.credentials import DRIVERS
from clearml_sdk.storage.errors import StorageError, StorageRefused, StoredFileMissing
from clearml_sdk.storage.progress import bar
from clearml_sdk.storage.sources import FileSource
from clearml_sdk.storage.substitution import substituted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clearml_sdk.session import Session
    from clearml_sdk.storage.sources import Source

    Progress = Callable[[int], object]


def upload(
    session: Session | None, path: str, url: str, *, progress: Progress | None = None, tries: int | None = None
) -> str:
    """Copy the file at `path` to `url` and return the URL to record. Waits. tries: see `upload_source`.

    Raises StorageError; FileNotFoundError when there is no file at `path`.
    """
    if urls.scheme_of(url) == "file" and os.path.abspath(urls.local_path(url)) == os.path.abspath(path):
        return url
    return upload_source(session, FileSource(path), url, progress=progress, tries=tries)


def upload_source(
    session: Session | None, source: Source, url: str, *, progress: Progress | None = None, tries: int | None = None
) -> str:
    """Store `source` at `url` and return the URL to record. Waits. Raises StorageError.

    tries: how often more an HTTP server that does not answer is asked; None: for half a minute.
    """
    scheme = urls.scheme_of(url)
    if scheme == "file":
        _place(source, urls.local_path(url))
        return url
    progress = progress or bar("upload", url, source.length)
    if scheme in ("http", "https"):
        http_files.upload(
            session, source, url, progress=progress, tries=http_files.UPLOAD_TRIES if tries is None else tries
        )
        return url
    if scheme in DRIVERS:
        object_files.upload(source, url, progress=progress)
        return url
    raise _unsupported(url, scheme)


def retried(work: Callable[[], object], retries: int) -> None:
    """Do something with a stored file, up to `retries` times more where the failure may pass. Raises StorageError."""
    for left in range(max(0, retries), -1, -1):
        try:
            work()
        except StorageError as error:
            if not left or not error.is_transient:
                raise
        else:
            return


def download(session: Session | None, url: str, path: str, *, progress: Progress | None = None) -> str:
    """Copy what is stored at `url` to `path`, whole or not at all; its sha256. Waits. Raises StorageError."""
    url = substituted(url)
    scheme = urls.scheme_of(url)
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    if scheme in DRIVERS:
        return object_files.download(url, path, progress=progress)
    if scheme in ("http", "https"):
        return http_files.download(session, url, path, progress=progress)
    if scheme != "file":
        raise _unsupported(url, scheme)
    source = urls.local_path(url)
    if not os.path.isfile(source):
        raise StoredFileMissing(url, "no such file")
    _place(FileSource(source), path)
    return sha256(path)


def exists(session: Session | None, url: str) -> bool:
    """Whether something is stored at `url`. Raises StorageError when that cannot be found out."""
    return size(session, url) is not None


def size(session: Session | None, url: str) -> int | None:
    """Size in bytes of what is stored at `url`; None when there is nothing, -1 when the server does not say."""
    url = substituted(url)
    scheme = urls.scheme_of(url)
    if scheme == "file":
        try:
            return os.stat(urls.local_path(url)).st_size
        except FileNotFoundError:
            return None
    if scheme in ("http", "https"):
        return http_files.size(session, url)
    if scheme in DRIVERS:
        return object_files.size(url)
    raise _unsupported(url, scheme)


def delete(session: Session | None, url: str) -> bool:
    """Remove what is stored at `url`; False when there was nothing. Raises StorageError."""
    url = substituted(url)
    scheme = urls.scheme_of(url)
    if scheme == "file":
        try:
            os.unlink(urls.local_path(url))
        except FileNotFoundError:
            return False
        return True
    if scheme in ("http", "https"):
        return http_files.delete(session, url)
    if scheme in DRIVERS:
        return object_files.delete(url)
    raise _unsupported(url, scheme)


def listing(url: str) -> Iterator[tuple[str, int]]:
    """(path below `url`, size in bytes) of each file under a folder or a prefix, in order. Raises StorageError."""
    url = substituted(url)
    scheme = urls.scheme_of(url)
    if scheme in DRIVERS:
        yield from object_files.listing(url)
        return
    if scheme != "file":
        raise StorageRefused(url, "a server of this kind does not list its files")
    base = urls.local_path(url)
    for where, _, names in sorted(os.walk(base)):
        for name in sorted(names):
            path = os.path.join(where, name)
            yield os.path.relpath(path, base).replace(os.sep, "/"), os.path.getsize(path)


def sha256(path: str) -> str:
    """The hash of a file, as artifacts record it."""
    return FileSource(path).sha256()


def _place(source: Source, target: str) -> None:
    """Write a file whole or not at all."""
    os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
    partial = f"{target}.{os.getpid()}.{os.urandom(4).hex()}.part"
    try:
        source.write(partial)
        os.replace(partial, target)
    finally:
        if os.path.exists(partial):
            os.unlink(partial)


def _unsupported(url: str, scheme: str) -> StorageRefused:
    known = ", ".join(f"{name}://" for name in ("http", "https", "file", *DRIVERS))
    return StorageRefused(url, f"storage of the kind {scheme}:// is not supported: use one of {known}")
