"""`StorageHelper`: files of one storage, for scripts that go below `StorageManager`."""

from __future__ import annotations

import functools
import logging
import os
import tempfile

from clearml_sdk.async_result import AsyncResult
from clearml_sdk.session import Session
from clearml_sdk.storage import cache, object_files, substitution, transfer, urls
from clearml_sdk.storage.bucket_settings import BucketSettings
from clearml_sdk.storage.credentials import DRIVERS
from clearml_sdk.storage.errors import StorageError, StorageRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

__all__ = ["DownloadError", "StorageError", "StorageHelper", "StoredObject"]

CHUNK_BYTES = 1 << 20


class DownloadError(Exception):
    """A stored file could not be brought here."""


class StoredObject:
    """A stored file: `name`, its URL or path, and `size` in bytes."""

    def __init__(self, name: str, size: int) -> None:
        self.name, self.size = name, size

    def __repr__(self) -> str:
        return f"StoredObject(name={self.name!r}, size={self.size})"


class StorageHelper(BucketSettings):
    """The storage that a URL is in; `get` gives one. What fails in reading is logged, and None."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """The storage of `url`; logger: where failures are said (None: `clearml.storage`)."""
        self._open(*args, **kwargs)

    def _open(self, url: str, logger: logging.Logger | None = None, **_: Any) -> None:
        self._base_url, self._logger = str(url).rstrip("/"), logger

    @classmethod
    def get(cls, url: str, logger: logging.Logger | None = None, **kwargs: Any) -> StorageHelper:
        """The helper for the storage of `url`, the same for the same one."""
        return _helper(cls, str(url), logger)  # type: ignore[arg-type]  # a class is hashable

    # Which storage it is.

    @property
    def base_url(self) -> str:
        """The URL it was asked for by."""
        return self._base_url

    @property
    def scheme(self) -> str:
        """`file`, `http`, `https`, `s3`, `gs` or `azure`."""
        return urls.scheme_of(self._base_url)

    @property
    def secure(self) -> bool:
        """Whether what is on its way is encrypted."""
        return self.scheme not in ("file", "http")

    @property
    def log(self) -> logging.Logger:
        """Where failures are said."""
        return self._logger or logging.getLogger("clearml.storage")

    @property
    def cache_dir(self) -> str:
        """The folder of local copies."""
        return cache.cache_folder()

    def get_free_bytes(self) -> int:
        """How much room the folder of local copies has."""
        import shutil

        os.makedirs(self.cache_dir, exist_ok=True)
        return shutil.disk_usage(self.cache_dir).free

    @classmethod
    def conform_url(cls, folder_uri: str, base_url: str | None = None) -> str:
        """A URL of a folder as it is recorded: of a path, a `file://` one, unless that is below `base_url` as it is."""
        if not folder_uri or urls.is_remote(folder_uri) or folder_uri.lower().startswith("file://"):
            return folder_uri
        if base_url and not urls.is_url(base_url) and folder_uri.startswith(base_url):
            return folder_uri
        return f"file://{os.path.abspath(os.path.expanduser(folder_uri))}"

    @classmethod
    def sanitize_url(cls, remote_url: str) -> str:
        """`conform_url`."""
        return cls.conform_url(remote_url)

    @classmethod
    def add_path_substitution(
        cls,
        registered_prefix: str,
        local_prefix: str,
        replace_windows_sep: bool = False,
        replace_linux_sep: bool = False,
    ) -> None:
        """Read what is registered under one prefix from under another, as `sdk.storage.path_substitution` says it."""
        substitution.add(registered_prefix, local_prefix, windows_sep=replace_windows_sep, linux_sep=replace_linux_sep)

    @classmethod
    def clear_path_substitutions(cls) -> None:
        """Use no substitutions in this process, those of the configuration included."""
        substitution.clear()

    # Storing.

    def upload(
        self,
        src_path: str,
        dest_path: str | None = None,
        extra: dict[str, Any] | None = None,
        async_enable: bool = False,
        cb: Callable[[Any], object] | None = None,
        retries: int = 3,
        return_canonized: bool = True,
    ) -> Any:
        """Store a file at `dest_path` (None: at the base under its own name), and return that URL.

        Args:
            async_enable: do it in the background and return what to `get` the URL from.
            cb: called with the URL then, with False when it failed.
            retries: how often more it is tried.
            return_canonized: the URL as it is recorded, its blanks quoted. extra is accepted for compatibility.

        Raises StorageError; FileNotFoundError when there is no such file.
        """
        path = os.path.abspath(os.path.expanduser(src_path))
        target = dest_path or f"{self._base_url}/{os.path.basename(path)}"
        if not os.path.isfile(path):
            raise FileNotFoundError(f"there is no file {path}")

        def store() -> str:
            try:
                transfer.retried(lambda: transfer.upload(self._session(), path, target), retries)
            except StorageError:
                if cb is not None:
                    cb(False)
                raise
            url = _canonized(target) if return_canonized else target
            if cb is not None:
                cb(url)
            return url

        return AsyncResult(store) if async_enable else store()

    def upload_from_stream(
        self,
        stream: Any,
        dest_path: str,
        extra: dict[str, Any] | None = None,
        retries: int = 1,
        return_canonized: bool = True,
    ) -> str:
        """Store what a stream (or an iterator of bytes) still holds at `dest_path`, and return that. As `upload`."""
        with tempfile.TemporaryDirectory(prefix="clearml-stream-") as folder:
            path = os.path.join(folder, urls.file_name(dest_path) or "stream")
            with open(path, "wb") as file:
                given = iter(functools.partial(stream.read, CHUNK_BYTES), None) if hasattr(stream, "read") else stream
                for piece in given:
                    if not piece:
                        break
                    file.write(piece.encode() if isinstance(piece, str) else piece)
            url = self.upload(path, dest_path, extra, retries=retries, return_canonized=return_canonized)
        return str(url)

    def check_write_permissions(self, dest_path: str | None = None) -> bool:
        """Whether a file can be stored, found out by storing one and removing it. Raises StorageError where not."""
        target = f"{(dest_path or self._base_url).rstrip('/')}/.clearml-{os.urandom(6).hex()}.test"
        with tempfile.NamedTemporaryFile(prefix="clearml-", suffix=".test") as file:
            file.write(b"clearml")
            file.flush()
            transfer.upload(self._session(), file.name, target)
        transfer.delete(self._session(), target)
        return True

    def verify_upload(self, folder_uri: str = "", raise_on_error: bool = True, log_on_error: bool = True) -> str:
        """The URL of a folder, once a file could be stored there; "" where it could not. Raises StorageError."""
        url = self.conform_url(folder_uri) or ""
        try:
            self.check_write_permissions(url or None)
        except StorageError as error:
            if log_on_error:
                self.log.error("cannot store files at %s: %s", url or self._base_url, error)
            if raise_on_error:
                raise
            return ""
        return url

    @classmethod
    def terminate_uploads(cls, force: bool = True, timeout: float = 2.0) -> None:
        """Wait for uploads in the background of this class, `timeout` seconds each. What is not over then goes on."""
        AsyncResult.wait_for_all(timeout)

    @staticmethod
    def close_async_threads() -> None:
        """Wait for uploads in the background of this class."""
        AsyncResult.wait_for_all(None)

    # Reading.

    def download_to_file(
        self,
        remote_path: str,
        local_path: str | None = None,
        overwrite_existing: bool = False,
        delete_on_failure: bool = True,
        verbose: bool | None = None,
        force_content_type: str | None = None,
        force_cache: bool = False,
        skip_zero_size_check: bool = False,
        silence_errors: bool = False,
        direct_access: bool = False,
    ) -> str | None:
        """Copy a stored file to `local_path`, whole or not at all, and return that; None when it failed.

        Args:
            local_path: None: in the cache.
            overwrite_existing: also when there is a file (an empty one counts only with `skip_zero_size_check`).
            direct_access: a file of this machine is not copied, and its own path returned.

        The others are accepted for compatibility: nothing is ever left of a failed download.
        """
        if direct_access and (found := self.get_driver_direct_access(remote_path)) is not None:
            return found
        try:
            if local_path is None:
                return cache.local_copy(self._session(), remote_path, force=overwrite_existing)
            path = os.path.abspath(os.path.expanduser(local_path))
            is_there = os.path.isfile(path) and (skip_zero_size_check or os.path.getsize(path) > 0)
            if overwrite_existing or not is_there:
                transfer.download(self._session(), remote_path, path)
        except StorageError as error:
            if not silence_errors:
                self.log.error("Could not download %s: %s", remote_path, error.reason)
            return None
        return local_path

    def download_as_stream(
        self,
        remote_path: str,
        chunk_size: int | None = None,
        force_content_type: str | None = None,
        force_cache: bool = False,
    ) -> Iterator[bytes] | None:
        """The bytes of a stored file, in pieces; None when it cannot be read."""
        chunk_bytes = chunk_size or CHUNK_BYTES
        if urls.scheme_of(remote_path) in DRIVERS and self.exists_file(remote_path):
            return object_files.content(remote_path, chunk_bytes)
        path = self.get_driver_direct_access(remote_path) or self.download_to_file(remote_path)
        return None if path is None else pieces(path, chunk_bytes)

    def download_as_nparray(self, remote_path: str, chunk_size: int | None = None) -> Any:
        """The bytes of a stored file as an array (n,) of uint8; None when it cannot be read."""
        import numpy as np

        stream = self.download_as_stream(remote_path, chunk_size)
        return None if stream is None else np.frombuffer(b"".join(stream), dtype=np.uint8)

    @classmethod
    def download_from_url(
        cls, remote_url: str, local_path: str, overwrite_existing: bool = False, skip_zero_size_check: bool = False
    ) -> str | None:
        """`download_to_file`, of any storage."""
        return cls.get(remote_url).download_to_file(
            remote_url, local_path, overwrite_existing, skip_zero_size_check=skip_zero_size_check
        )

    @classmethod
    def get_local_copy(
        cls, remote_url: str, skip_zero_size_check: bool = False, force_download: bool = False
    ) -> str | None:
        """The path of a copy in the cache; None when it cannot be read."""
        return cls.get(remote_url).download_to_file(remote_url, overwrite_existing=force_download)

    def get_driver_direct_access(self, path: str) -> str | None:
        """The path of a file that lies in this machine's file system; None for others."""
        found = substitution.substituted(path)
        local = None if urls.is_remote(found) else urls.local_path(found)
        return local if local is not None and os.path.isfile(local) else None

    def get_direct_access(self, remote_path: str) -> str | None:
        """`get_driver_direct_access`."""
        return self.get_driver_direct_access(remote_path)

    # About stored files.

    def exists_file(self, remote_url: str) -> bool:
        """Whether there is a file at `remote_url`. Raises StorageError when that cannot be found out."""
        return transfer.exists(self._session(), remote_url)

    def get_object_size_bytes(self, remote_url: str, silence_errors: bool = False) -> int | None:
        """Size of a stored file; None when there is none."""
        try:
            return transfer.size(self._session(), remote_url)
        except StorageError as error:
            if not silence_errors:
                self.log.warning("the size of %s is not known: %s", remote_url, error.reason)
            return None

    def get_object(self, path: str, silence_errors: bool = False) -> StoredObject | None:
        """A stored file, for `get_object_metadata`; None when there is none."""
        size = self.get_object_size_bytes(path, silence_errors)
        return None if size is None else StoredObject(path, size)

    def get_object_metadata(self, obj: StoredObject, read_hash: bool = False) -> dict[str, Any]:
        """`name` and `size`; with `read_hash` also `hash`, its sha256."""
        facts: dict[str, Any] = {"name": obj.name, "size": obj.size}
        if read_hash:
            copy = self.download_to_file(obj.name)
            facts["hash"] = transfer.sha256(copy) if copy else None
        return facts

    def list(self, prefix: str | None = None, with_metadata: bool = False, read_hash: bool = False) -> list[Any]:
        """The files under `prefix` (a URL, or a folder below the base; None: all), as paths below it or with metadata.

        Raises NotImplementedError for storage that does not list its files, as HTTP servers.
        """
        if self.scheme in ("http", "https"):
            raise NotImplementedError("a server of this kind does not list its files")
        base = prefix or self._base_url
        if not urls.is_url(base) and not os.path.isabs(os.path.expanduser(base)):
            base = f"{self._base_url}/{base.strip('/')}"
        found = [(name, StoredObject(f"{base.rstrip('/')}/{name}", size)) for name, size in transfer.listing(base)]
        if not with_metadata:
            return [name for name, _ in found]
        return [{**self.get_object_metadata(one, read_hash), "name": name} for name, one in found]

    def delete(self, path: str, silent: bool = False) -> bool:
        """Remove a stored file; whether there was one and it is gone."""
        try:
            is_gone = transfer.delete(self._session(), path)
            reason = "there is no such file"
        except StorageRefused as error:
            is_gone, reason = False, error.reason
        if not is_gone and not silent:
            self.log.warning("%s was not deleted: %s", path, reason)
        return is_gone

    # Inside.

    def _session(self) -> Session | None:
        return Session.default() if self.scheme in ("http", "https") else None


@functools.lru_cache(maxsize=64)
def _helper(kind: type[StorageHelper], url: str, logger: logging.Logger | None) -> StorageHelper:
    return kind(url, logger)


def _canonized(url: str) -> str:
    """A URL of an HTTP server with its path quoted; others as they are."""
    if urls.scheme_of(url) not in ("http", "https"):
        return url
    return urls.join(urls.server_of(url), urls.server_path(url))


def pieces(path: str, chunk_bytes: int) -> Iterator[bytes]:
    """The bytes of a file of this machine, so many at a time."""
    with open(path, "rb") as file:
        while piece := file.read(chunk_bytes):
            yield piece
