"""One artifact of a task, as it is recorded: its facts, its file, and the object in it."""

from __future__ import annotations

import datetime
import os

from clearml_sdk.artifacts import decoding
from clearml_sdk.artifacts.errors import ArtifactIntegrityError, BlockedPickledArtifactError
from clearml_sdk.config import environment
from clearml_sdk.notices import warn_once
from clearml_sdk.storage import cache
from clearml_sdk.storage.errors import StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from clearml_sdk.session import Session

_NOT_READ = object()


class Artifact:
    """Read-only; `task.artifacts["name"]` gives one."""

    def __init__(self, artifact_api_object: Mapping[str, Any]) -> None:
        self._entry = dict(artifact_api_object)
        self._type_data: Mapping[str, Any] = self._entry.get("type_data") or {}
        self._object: Any = _NOT_READ
        self._session: Session | None = None

    @classmethod
    def of(cls, session: Session, entry: Mapping[str, Any]) -> Artifact:
        """The artifact that `entry` of `execution.artifacts` describes, read through `session`."""
        artifact = cls(entry)
        artifact._session = session
        return artifact

    @property
    def name(self) -> str:
        """The name it was stored under."""
        return str(self._entry.get("key", ""))

    @property
    def type(self) -> str:
        """`numpy`, `pandas`, `image`, `dict`, `archive`, `string`, `pickle` or `custom` (a file)."""
        return str(self._entry.get("type") or "")

    @property
    def mode(self) -> str:
        """`output`, or `input` for one that was given to the task."""
        return str(self._entry.get("mode") or "output")

    @property
    def url(self) -> str:
        """Where its file is."""
        return str(self._entry.get("uri") or "")

    @property
    def size(self) -> int:
        """Bytes of its file."""
        return int(self._entry.get("content_size") or 0)

    @property
    def hash(self) -> str:
        """sha256 of its file."""
        return str(self._entry.get("hash") or "")

    @property
    def timestamp(self) -> datetime.datetime:
        """When it was stored."""
        return datetime.datetime.fromtimestamp(self._entry.get("timestamp") or 0)

    @property
    def preview(self) -> str:
        """The text shown for it."""
        return str(self._type_data.get("preview") or "")

    @property
    def metadata(self) -> dict[str, str]:
        """What was stored beside it, as text."""
        return {str(key): str(value) for key, value in self._entry.get("display_data") or []}

    def get(
        self,
        force_download: bool = False,
        deserialization_function: Callable[[bytes], Any] | None = None,
        block_unsafe_artifacts: bool = False,
    ) -> Any:
        """The object that was stored; for files and folders, a `pathlib.Path` of a local copy.

        Args:
            force_download: read it again, also when there is a local copy.
            deserialization_function: makes the object from the bytes of the file.
            block_unsafe_artifacts: refuse pickles, which can run any code.

        Raises ArtifactIntegrityError when the file is not the one recorded, BlockedPickledArtifactError, StorageError.
        """
        if self._object is not _NOT_READ and not force_download and deserialization_function is None:
            return self._object
        content_type = str(self._type_data.get("content_type") or "")
        if deserialization_function is None and decoding.is_pickle(self.type, content_type, self.url):
            blocked_by_setting = environment.read_flag("BLOCK_PICKLED_ARTIFACTS", False)
            if block_unsafe_artifacts or blocked_by_setting:
                raise BlockedPickledArtifactError(self.url, self.type, content_type, block_unsafe_artifacts)
        path = self._local_file(force_download)
        if deserialization_function is not None:
            with open(path, "rb") as file:
                return deserialization_function(file.read())
        if self.type == "archive" and cache.is_archive(path):
            path = cache.extracted(path)
        self._object = decoding.decode(self.name, self.type, content_type, path)
        return self._object

    def get_local_copy(
        self, extract_archive: bool = True, raise_on_error: bool = False, force_download: bool = False
    ) -> str | None:
        """Path of a local copy; of the folder with its content for an archive, if `extract_archive`.

        Returns None when there is no copy to be had, unless `raise_on_error`.
        """
        try:
            path = self._local_file(force_download)
            if extract_archive and self.type == "archive" and cache.is_archive(path):
                return cache.extracted(path, force=force_download)
        except (StorageError, ArtifactIntegrityError) as error:
            if raise_on_error:
                raise
            warn_once(f"artifact copy {self.url}", f"artifact {self.name!r}: {error}")
            return None
        return path

    def verify_pickle_file_integrity(self, local_file: str | os.PathLike[str]) -> None:
        """Raise ArtifactIntegrityError when `local_file` is not what was recorded."""
        from clearml_sdk.storage.transfer import sha256

        if self.hash and sha256(os.fspath(local_file)) != self.hash:
            raise ArtifactIntegrityError(f"{local_file} is not the recorded file of artifact {self.name!r}")

    def _local_file(self, force: bool) -> str:
        session = self._session
        if session is None:
            from clearml_sdk.session import Session

            session = Session.default()
        try:
            return cache.local_copy(session, self.url, context="artifacts", force=force, sha256=self.hash or None)
        except cache.HashMismatch as error:
            raise ArtifactIntegrityError(str(error)) from error

    def __getitem__(self, key: str) -> Any:
        return self._entry[key]

    def __repr__(self) -> str:
        return f"<Artifact {self.name!r} type={self.type} size={self.size} url={self.url}>"


def artifacts_of(session: Session, document: Mapping[str, Any]) -> dict[str, Artifact]:
    """The artifacts of a task's document by name; an output wins over an input of the same name."""
    entries = (document.get("execution") or {}).get("artifacts") or []
    ordered = sorted(entries, key=lambda entry: entry.get("mode") == "output")
    return {str(entry["key"]): Artifact.of(session, entry) for entry in ordered}
