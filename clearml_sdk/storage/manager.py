"""`StorageManager`: files by URL, for scripts - uploads, downloads, local copies, listings."""

from __future__ import annotations

import fnmatch
import os
from concurrent.futures import ThreadPoolExecutor

from clearml_sdk.background import Background
from clearml_sdk.notices import warn_once
from clearml_sdk.session import Session
from clearml_sdk.storage import cache, object_files, progress, transfer, urls
from clearml_sdk.storage.credentials import DRIVERS
from clearml_sdk.storage.errors import StorageError
from clearml_sdk.storage.helper import CHUNK_BYTES, StorageHelper, pieces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

FOLDER_THREADS = 4
_uploads = Background("clearml-storage", 2)


class StorageManager:
    """Files at URLs: on the files server, at other HTTP servers, in folders, in S3, Google's and Azure's storage."""

    storage_helper = StorageHelper
    """Files of one storage, by its URL."""

    @classmethod
    def get_local_copy(
        cls,
        remote_url: str,
        cache_context: str | None = None,
        extract_archive: bool = True,
        name: str | None = None,
        force_download: bool = False,
    ) -> str | None:
        """Path of a local copy in the cache, of the folder with the content of an archive; None when there is none."""
        try:
            path = cache.local_copy(
                _session(remote_url), remote_url, context=cache_context or "global", name=name, force=force_download
            )
        except StorageError as error:
            warn_once(f"local copy {remote_url}", str(error))
            return None
        return cache.extracted(path, force=force_download) if extract_archive and cache.is_archive(path) else path

    @classmethod
    def upload_file(
        cls, local_file: str, remote_url: str, wait_for_upload: bool = True, retries: int | None = None
    ) -> str:
        """Store a local file at `remote_url`, and return that. Raises StorageError when all tries failed."""
        path = os.path.abspath(os.path.expanduser(local_file))
        if not os.path.isfile(path):
            raise FileNotFoundError(f"there is no file {path}")

        job = _uploads.run(_upload(path, remote_url, retries), key=remote_url)
        if wait_for_upload:
            job.wait()
        return remote_url

    @classmethod
    def upload_folder(
        cls, local_folder: str, remote_url: str, match_wildcard: str | None = None, retries: int | None = None
    ) -> str | None:
        """Store the files of a folder (that match) under `remote_url`, and return that."""
        base = os.path.abspath(os.path.expanduser(local_folder))
        jobs = []
        for relative, _ in transfer.listing(base):
            if match_wildcard is None or fnmatch.fnmatch(relative, match_wildcard):
                path, target = os.path.join(base, relative), _below(remote_url, relative)
                jobs.append(_uploads.run(_upload(path, target, retries), key=target))
        for job in jobs:
            job.wait()
        return remote_url

    @classmethod
    def download_file(
        cls,
        remote_url: str,
        local_folder: str | None = None,
        overwrite: bool = False,
        skip_zero_size_check: bool = False,
        silence_errors: bool = False,
    ) -> str | None:
        """Store a copy in `local_folder` (None: the cache) under the same path; its path, or None when it failed."""
        folder = os.path.abspath(os.path.expanduser(local_folder)) if local_folder else cache.cache_folder()
        relative = urls.server_path(remote_url) if urls.is_remote(remote_url) else urls.file_name(remote_url)
        path = _within(folder, relative.lstrip("/"))
        if not overwrite and os.path.isfile(path) and (skip_zero_size_check or os.path.getsize(path)):
            return path
        try:
            transfer.download(_session(remote_url), remote_url, path)
        except StorageError as error:
            if not silence_errors:
                warn_once(f"download {remote_url}", str(error))
            return None
        return path

    @classmethod
    def download_folder(
        cls,
        remote_url: str,
        local_folder: str | None = None,
        match_wildcard: str | None = None,
        overwrite: bool = False,
        skip_zero_size_check: bool = False,
        silence_errors: bool = False,
        max_workers: int | None = None,
    ) -> str | None:
        """Copy the files under a folder URL (that match), several at a time; returns where they are.

        None, with a warning, where they cannot be listed, as on an HTTP server.
        """
        target = os.path.abspath(os.path.expanduser(local_folder)) if local_folder else cache.cache_folder()
        if urls.is_remote(remote_url):  # the files lie as they lie in the storage
            target = _within(target, urls.server_path(remote_url).strip("/"))

        def bring(relative: str) -> None:
            path = _within(target, relative)
            if overwrite or not os.path.isfile(path) or not (skip_zero_size_check or os.path.getsize(path)):
                transfer.download(_session(remote_url), _below(remote_url, relative), path)

        try:
            found = [relative for relative, _ in transfer.listing(remote_url)]
        except StorageError as error:
            if not silence_errors:
                warn_once(f"folder {remote_url}", str(error))
            return None
        wanted = [name for name in found if match_wildcard is None or fnmatch.fnmatch(name, match_wildcard)]
        with ThreadPoolExecutor(max_workers or FOLDER_THREADS, thread_name_prefix="clearml-download") as pool:
            for job in [pool.submit(bring, relative) for relative in wanted]:
                try:
                    job.result()
                except StorageError as error:
                    if not silence_errors:
                        warn_once(f"download {error.url}", str(error))
        return local_folder or target

    @classmethod
    def exists_file(cls, remote_url: str) -> bool:
        """Whether there is a file at `remote_url`."""
        try:
            return transfer.exists(_session(remote_url), remote_url)
        except StorageError as error:
            warn_once(f"exists {remote_url}", str(error))
            return False

    @classmethod
    def get_file_size_bytes(cls, remote_url: str, silence_errors: bool = False) -> int | None:
        """Size of the file at `remote_url`; None when it is not there or does not say."""
        try:
            found = transfer.size(_session(remote_url), remote_url)
        except StorageError as error:
            if not silence_errors:
                warn_once(f"size {remote_url}", str(error))
            return None
        return found if found is not None and found >= 0 else None

    @classmethod
    def list(
        cls, remote_url: str, return_full_path: bool = False, with_metadata: bool = False, read_hash: bool = False
    ) -> list[Any] | None:
        """The files under a folder URL, as paths below it or (`return_full_path`) URLs, or as their metadata.

        None, with a warning, where they cannot be listed, as on an HTTP server.
        """
        found: list[Any] = []
        try:
            for relative, size in transfer.listing(remote_url):
                shown = _below(remote_url, relative) if return_full_path else relative
                if not with_metadata:
                    found.append(shown)
                    continue
                facts = {"name": shown, "size": size}
                if read_hash:
                    facts["hash"] = cls._hash(_below(remote_url, relative))
                found.append(facts)
        except StorageError as error:
            warn_once(f"list {remote_url}", str(error))
            return None
        return found

    @classmethod
    def get_metadata(
        cls, remote_url: str, return_full_path: bool = False, read_hash: bool = False
    ) -> dict[str, Any] | None:
        """`name` and `size` of the file at `remote_url`, with `read_hash` its sha256; None when it is not there."""
        size = cls.get_file_size_bytes(remote_url, silence_errors=True)
        if size is None:
            return None
        facts: dict[str, Any] = {"name": remote_url if return_full_path else urls.file_name(remote_url), "size": size}
        if read_hash:
            facts["hash"] = cls._hash(remote_url)
        return facts

    @classmethod
    def _hash(cls, remote_url: str) -> str | None:
        copy = cls.get_local_copy(remote_url, extract_archive=False)
        return transfer.sha256(copy) if copy else None

    @classmethod
    def get_stream(cls, remote_url: str, chunk_size: int | None = None) -> Iterator[bytes] | None:
        """The bytes of a file, in pieces; None when it is not there. Out of object storage as they come."""
        if urls.scheme_of(remote_url) in DRIVERS:
            if not cls.exists_file(remote_url):
                return None
            return object_files.content(remote_url, chunk_size or CHUNK_BYTES)
        path = cls.get_local_copy(remote_url, extract_archive=False)
        return None if path is None else pieces(path, chunk_size or CHUNK_BYTES)

    @classmethod
    def get_files_server(cls) -> str:
        """The address of the files server."""
        return Session.default().settings.files_server

    @classmethod
    def set_cache_file_limit(cls, cache_file_limit: int, cache_context: str | None = None) -> int:
        """Keep so many files in the cache; returns the limit."""
        return cache.set_limit(cache_file_limit, cache_context or "global")

    @classmethod
    def set_report_download_chunk_size(cls, chunk_size_mb: int) -> None:
        """Show the progress of downloads every so many megabytes; 0: not at all."""
        progress.choose_chunk("download", float(chunk_size_mb))

    @classmethod
    def set_report_upload_chunk_size(cls, chunk_size_mb: int) -> None:
        """Show the progress of uploads every so many megabytes; 0: not at all."""
        progress.choose_chunk("upload", float(chunk_size_mb))


def _upload(path: str, url: str, retries: int | None) -> Callable[[], bool]:
    def run() -> bool:
        transfer.retried(lambda: transfer.upload(_session(url), path, url), retries or 0)
        return True

    return run


def _below(url: str, relative: str) -> str:
    """The URL of a file below another one, as the storage spells names: HTTP alone quotes them."""
    if urls.scheme_of(url) in ("http", "https"):
        return urls.join(url, relative)
    return f"{url.rstrip('/')}/{relative}"


def _within(folder: str, relative: str) -> str:
    """A path in a folder. Raises ValueError for one that leads out of it."""
    path = os.path.normpath(os.path.join(folder, relative))
    if os.path.commonpath([path, folder]) != folder:
        raise ValueError(f"{relative} names a place outside of {folder}")
    return path


def _session(url: str) -> Session | None:
    """The session whose credentials a files server needs; other storage needs none."""
    return Session.default() if urls.scheme_of(url) in ("http", "https") else None
