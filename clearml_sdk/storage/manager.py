"""`StorageManager`: files by URL, for scripts - uploads, downloads, local copies."""

from __future__ import annotations

import fnmatch
import os

from clearml_sdk.background import Background
from clearml_sdk.notices import warn_once
from clearml_sdk.session import Session
from clearml_sdk.storage import cache, transfer, urls
from clearml_sdk.storage.errors import StorageError, StorageRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_uploads = Background("clearml-storage", 2)


class StorageManager:
    """Files at URLs: on the files server, at other HTTP servers, in folders."""

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

        def run() -> bool:
            for left in range(retries or 0, -1, -1):
                try:
                    transfer.upload(_session(remote_url), path, remote_url)
                    break
                except StorageError:
                    if not left:
                        raise
            return True

        job = _uploads.run(run, key=remote_url)
        if wait_for_upload:
            job.wait()
        return remote_url

    @classmethod
    def upload_folder(
        cls, local_folder: str, remote_url: str, match_wildcard: str | None = None, retries: int | None = None
    ) -> str | None:
        """Store the files of a folder (that match) under `remote_url`, and return that."""
        base = os.path.abspath(os.path.expanduser(local_folder))
        for where, _, names in sorted(os.walk(base)):
            for name in sorted(names):
                path = os.path.join(where, name)
                relative = os.path.relpath(path, base).replace(os.sep, "/")
                if match_wildcard is None or fnmatch.fnmatch(relative, match_wildcard):
                    target = (
                        urls.join(remote_url, relative) if urls.is_remote(remote_url) else f"{remote_url}/{relative}"
                    )
                    cls.upload_file(path, target, retries=retries)
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
        path = os.path.normpath(os.path.join(folder, relative.lstrip("/")))
        if os.path.commonpath([path, folder]) != folder:
            raise ValueError(f"{remote_url} names a place outside of {folder}")
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
        """Copy the files under a folder URL; an HTTP server, which cannot list its files, is refused."""
        target = os.path.abspath(os.path.expanduser(local_folder)) if local_folder else cache.cache_folder()
        for relative in cls.list(remote_url) or []:
            if match_wildcard is not None and not fnmatch.fnmatch(str(relative), match_wildcard):
                continue
            path = os.path.join(target, str(relative))
            if overwrite or not os.path.isfile(path) or not (skip_zero_size_check or os.path.getsize(path)):
                transfer.download(None, os.path.join(urls.local_path(remote_url), str(relative)), path)
        return target

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
        """The files under a folder URL, as relative paths or with their metadata. Raises StorageRefused for HTTP."""
        if urls.is_remote(remote_url):
            raise StorageRefused(remote_url, "a server of this kind does not list its files")
        base = urls.local_path(remote_url)
        found: list[Any] = []
        for where, _, names in sorted(os.walk(base)):
            for name in sorted(names):
                path = os.path.join(where, name)
                shown = path if return_full_path else os.path.relpath(path, base)
                found.append(
                    cls.get_metadata(path, return_full_path=return_full_path, read_hash=read_hash)
                    if with_metadata
                    else shown
                )
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
            copy = cls.get_local_copy(remote_url, extract_archive=False)
            facts["hash"] = transfer.sha256(copy) if copy else None
        return facts

    @classmethod
    def get_stream(cls, remote_url: str, chunk_size: int | None = None) -> Iterator[bytes] | None:
        """The bytes of a file, in pieces; None when it is not there."""
        path = cls.get_local_copy(remote_url, extract_archive=False)
        if path is None:
            return None

        def pieces() -> Iterator[bytes]:
            with open(path, "rb") as file:
                while piece := file.read(chunk_size or 1 << 20):
                    yield piece

        return pieces()

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
        """Accepted for compatibility: progress is not printed."""

    @classmethod
    def set_report_upload_chunk_size(cls, chunk_size_mb: int) -> None:
        """Accepted for compatibility: progress is not printed."""


def _session(url: str) -> Session | None:
    """The session whose credentials a files server needs; a folder needs none."""
    return Session.default() if urls.is_remote(url) else None
