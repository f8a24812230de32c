"""Storing artifacts of a running task: written to a file at once, uploaded and registered in the background."""

from __future__ import annotations

import os
import shutil
import tempfile
import time

from clearml_sdk.artifacts import previews
from clearml_sdk.artifacts.encoding import Encoded, encode
from clearml_sdk.background import Background
from clearml_sdk.errors import ClearmlError, UsageError
from clearml_sdk.notices import warn_once
from clearml_sdk.record import TaskRecord
from clearml_sdk.storage import transfer
from clearml_sdk.storage.errors import StorageError
from clearml_sdk.storage.locations import TaskFolder, file_stem
from clearml_sdk.storage.sources import DigestBeside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from clearml_sdk.storage.sources import Source

THREADS = 2


class ArtifactUploads:
    """Uploads artifacts of one task.

    What `upload` was given may change once the call returns: objects are written to a file before it does, files are
    read in the background. The artifact appears in the task when its file is there.
    """

    def __init__(self, record: TaskRecord, *, folder: TaskFolder | None = None, auto_pickle: bool = True) -> None:
        self._record, self._folder = record, folder or TaskFolder(record)
        self._auto_pickle = auto_pickle
        self._background = Background("clearml-artifacts", THREADS)

    def upload(
        self,
        name: str,
        value: Any,
        *,
        metadata: Mapping[Any, Any] | None = None,
        preview: Any = None,
        delete_after_upload: bool = False,
        auto_pickle: bool | None = None,
        wait: bool = False,
        extension: str | None = None,
        serialize: Callable[[Any], bytes | bytearray] | None = None,
        sort_keys: bool = True,
        retries: int = 0,
    ) -> bool:
        """Store `value` as artifact `name`, over an earlier one of that name.

        Args:
            metadata: shown beside the artifact, as text.
            preview: shown instead of ours; False for none.
            delete_after_upload: remove the user's file once it is uploaded.
            wait: return when it is uploaded and registered; then an upload that fails is False.
            retries: how many times more a failed upload is tried.

        Raises UsageError when the name or the object cannot be an artifact.
        """
        name = str(name or "").strip()
        if not name:
            raise UsageError("an artifact needs a name")
        if isinstance(value, str) and value == "":
            raise UsageError(f"artifact {name!r}: an empty text is neither a path nor an object")
        temporary = tempfile.mkdtemp(prefix="clearml-artifact-")
        try:
            encoded = encode(
                name,
                value,
                temporary,
                extension=extension,
                auto_pickle=self._auto_pickle if auto_pickle is None else auto_pickle,
                serialize=serialize,
                sort_keys=sort_keys,
                in_place=wait,
            )
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        if preview is not None:
            encoded.preview = "" if preview is False else previews.cut(str(preview))

        def run() -> bool:
            try:
                return self._store(name, encoded, metadata, delete_after_upload, retries)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)

        job = self._background.run(run, key=name)
        return job.wait() if wait else True

    def flush(self, timeout_s: float | None = None) -> bool:
        """Wait for everything that was given to `upload`; False when that takes longer than `timeout_s`."""
        return self._background.flush(timeout_s)

    def _store(
        self, name: str, encoded: Encoded, metadata: Mapping[Any, Any] | None, delete: bool, retries: int
    ) -> bool:
        """Upload, then register; False, with a warning, when that fails."""
        try:
            entry: dict[str, Any] = {
                "key": name,
                "type": encoded.kind,
                "mode": "output",
                "uri": encoded.url,
                "timestamp": int(time.time()),
                "type_data": {"preview": encoded.preview, "content_type": encoded.content_type},
            }
            if metadata:
                entry["display_data"] = [[str(key), str(value)] for key, value in metadata.items()]
            source = encoded.source()
            if source is not None:
                url = self._folder.url("artifacts", file_stem(name), encoded.name)
                with DigestBeside(source) as digest:
                    _upload_with_retries(self._record, source, url, retries)
                entry.update(uri=url, content_size=source.length, hash=digest.value)
            self._record.call("tasks.add_or_update_artifacts", {"artifacts": [entry], "force": True})
            self._record.forget()
            if delete and encoded.path is not None and not encoded.is_temporary:
                os.unlink(encoded.path)
        except (ClearmlError, OSError) as error:
            if os.environ.get("CLEARML_RAISE_ERRORS") == "1":
                raise
            warn_once(f"artifact {name}", f"artifact {name!r} was not stored: {error}")
            return False
        return True


def _upload_with_retries(record: TaskRecord, source: Source, url: str, retries: int) -> None:
    for attempt in range(retries + 1):
        try:
            transfer.upload_source(record.session, source, url)
        except StorageError:
            if attempt == retries:
                raise
        else:
            return
