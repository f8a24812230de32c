"""`StorageHelper`: files of one storage, for scripts that go below `StorageManager`."""

from __future__ import annotations

import os

from clearml_sdk.session import Session
from clearml_sdk.storage import transfer, urls
from clearml_sdk.storage.errors import StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

__all__ = ["StorageError", "StorageHelper"]


class StorageHelper:
    """The storage that a URL is in; `get` gives one."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url.rstrip("/")

    @classmethod
    def get(cls, url: str, **kwargs: Any) -> Self:
        """The helper for the storage of `url`."""
        return cls(url)

    @property
    def base_url(self) -> str:
        """The URL it was asked for by."""
        return self._base_url

    @property
    def scheme(self) -> str:
        """`file`, `http`, `https`, `s3`, `gs` or `azure`."""
        return urls.scheme_of(self._base_url)

    def upload(self, src_path: str, dest_path: str | None = None, **kwargs: Any) -> str:
        """Store a file at `dest_path` (None: at the base under its own name), and return that. Raises StorageError."""
        target = dest_path or f"{self._base_url}/{os.path.basename(src_path)}"
        return transfer.upload(self._session(), os.path.abspath(os.path.expanduser(src_path)), target)

    def download_to_file(self, remote_path: str, local_path: str, **kwargs: Any) -> str:
        """Copy a stored file to `local_path`, and return that. Raises StorageError."""
        transfer.download(self._session(), remote_path, os.path.abspath(os.path.expanduser(local_path)))
        return local_path

    def exists_file(self, remote_url: str) -> bool:
        """Whether there is a file at `remote_url`. Raises StorageError when that cannot be found out."""
        return transfer.exists(self._session(), remote_url)

    def get_object_size_bytes(self, remote_url: str, silence_errors: bool = False) -> int | None:
        """Size of a stored file; None when there is none."""
        return transfer.size(self._session(), remote_url)

    def delete(self, path: str, silent: bool = False) -> bool:
        """Remove a stored file; False when there was none. Raises StorageError."""
        return transfer.delete(self._session(), path)

    def list(self, prefix: str | None = None, with_metadata: bool = False) -> list[Any]:
        """The files under `prefix` (None: under the base), as paths below it or with their sizes."""
        found = transfer.listing(prefix or self._base_url)
        return [{"name": name, "size": size} if with_metadata else name for name, size in found]

    def _session(self) -> Session | None:
        return Session.default() if self.scheme in ("http", "https") else None
