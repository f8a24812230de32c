"""Object storage as a store of files, through fsspec and the driver of each kind."""

from __future__ import annotations

import importlib

from clearml_sdk.storage import credentials, urls
from clearml_sdk.storage.credentials import DRIVERS, Place
from clearml_sdk.storage.errors import StorageError, StorageRefused, StorageUnreachable, StoredFileMissing
from clearml_sdk.storage.http_files import content_type_of
from clearml_sdk.storage.progress import bar
from clearml_sdk.storage.ranges import PART_BYTES, download_in_parts
from clearml_sdk.storage.sources import FileSource, MemorySource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from clearml_sdk.storage.sources import Source

    Progress = Callable[[int], object]

BLOCK_BYTES = 8 << 20
TRIES = 4
REFUSALS = ("NoCredentialsError", "PartialCredentialsError", "AccessDenied", "ClientAuthenticationError")
"""Exceptions of drivers, by name, that no second try mends."""


def upload(source: Source, url: str, *, progress: Progress | None = None) -> None:
    """Store `source` at `url`; a large file in several parts at a time. Raises StorageError."""
    system, place = _open(url)
    with _Translated(url):
        if isinstance(source, FileSource):
            system.put_file(source.name, place.path, **_callback(progress), **_content_type(place, source.name))
            return
        assert isinstance(source, MemorySource)
        with system.open(place.path, "wb", block_size=BLOCK_BYTES, **_content_type(place, source.name)) as file:
            for block in source.blocks():
                file.write(block)
                if progress is not None:
                    progress(block.nbytes)


def download(url: str, path: str, *, progress: Progress | None = None) -> str:
    """Store what is at `url` in the file `path` and return its sha256. Goes on where an earlier process broke off.

    Raises StorageError.
    """
    system, place = _open(url)
    with _Translated(url):
        facts = system.info(place.path)
        if facts.get("type") != "file":
            raise StoredFileMissing(url, "no such file")
    size = int(facts["size"] or 0)
    progress = progress or bar("download", url, size)
    tag = str(facts.get("ETag") or facts.get("etag") or facts.get("md5Hash") or facts.get("LastModified") or "")

    def read(start: int, end: int) -> list[bytes]:
        with _Translated(url):
            return [bytes(system.cat_file(place.path, start=start, end=end))]

    return download_in_parts(url, path, size, tag, _patient(read), progress=progress)


def size(url: str) -> int | None:
    """Size in bytes; None when there is no such file. Raises StorageError."""
    system, place = _open(url)
    try:
        with _Translated(url):
            facts = system.info(place.path)
    except StoredFileMissing:
        return None
    return int(facts["size"] or 0) if facts.get("type") == "file" else None


def delete(url: str) -> bool:
    """Remove the file; False when there was none. Raises StorageError."""
    if size(url) is None:
        return False
    system, place = _open(url)
    with _Translated(url):
        system.rm_file(place.path)
    return True


def listing(url: str) -> Iterator[tuple[str, int]]:
    """(path below `url`, size) of each file, in order. Raises StorageError."""
    system, place = _open(url)
    base = place.path.rstrip("/")
    try:
        with _Translated(url):
            found = system.find(base, withdirs=False, detail=True)
    except StoredFileMissing:
        return
    for name in sorted(found):
        relative = name[len(base) :].lstrip("/") if name.startswith(base) else name
        if relative:
            yield relative, int(found[name].get("size") or 0)


def content(url: str, chunk_bytes: int) -> Iterator[bytes]:
    """The bytes of a file, in pieces, as they come. Raises StorageError."""
    system, place = _open(url)
    with _Translated(url), system.open(place.path, "rb", block_size=max(chunk_bytes, PART_BYTES)) as file:
        while piece := file.read(chunk_bytes):
            yield piece


def _open(url: str) -> tuple[Any, Place]:
    """The driver's file system and the place. Raises StorageRefused when the driver is not installed."""
    from clearml_sdk.config import load_settings

    scheme = urls.scheme_of(url)
    place = credentials.place_of(url, load_settings().get("sdk") or {})
    driver = DRIVERS[scheme]
    try:
        import fsspec

        importlib.import_module(driver)
    except ImportError as error:
        raise StorageRefused(
            url, f"storage of the kind {scheme}:// needs the package {driver}: pip install {driver}"
        ) from error
    with _Translated(url):
        # No listings kept: others write there too.
        return fsspec.filesystem(place.protocol, use_listings_cache=False, **place.options), place


def _patient(read: Callable[[int, int], list[bytes]]) -> Callable[[int, int], list[bytes]]:
    """`read`, tried again where that may help."""

    def again(start: int, end: int) -> list[bytes]:
        for _ in range(TRIES - 1):
            try:
                return read(start, end)
            except StorageUnreachable:
                continue
        return read(start, end)

    return again


def _content_type(place: Place, name: str) -> dict[str, Any]:
    """Drivers have no common name for it."""
    if place.protocol == "s3":
        return {"ContentType": content_type_of(name)}
    return {"content_type": content_type_of(name)} if place.protocol == "gs" else {}


def _callback(progress: Progress | None) -> dict[str, Any]:
    if progress is None:
        return {}
    from fsspec.callbacks import Callback

    tell = progress

    class Telling(Callback):  # type: ignore[misc]  # no types are published
        def relative_update(self, inc: int = 1) -> None:
            super().relative_update(inc)
            tell(inc)

    return {"callback": Telling()}


class _Translated:
    """What drivers raise, as the errors of stored files."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, StorageError) or not isinstance(error, Exception):
            return
        if isinstance(error, FileNotFoundError):
            raise StoredFileMissing(self._url, "no such file") from error
        reason = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, PermissionError) or type(error).__name__ in REFUSALS:
            raise StorageRefused(self._url, f"the storage refuses this process: {reason}") from error
        if isinstance(error, ValueError | TypeError):
            raise StorageRefused(self._url, reason) from error
        raise StorageUnreachable(self._url, reason) from error
