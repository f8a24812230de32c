"""The artifacts of a task: stored in the background, read by name."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from types import MappingProxyType

from clearml_sdk.artifacts import previews
from clearml_sdk.artifacts.artifact import Artifact, artifacts_of
from clearml_sdk.artifacts.encoding import Encoded, encode
from clearml_sdk.background import Background
from clearml_sdk.errors import ClearmlError, UsageError
from clearml_sdk.notices import warn_once
from clearml_sdk.record import TaskRecord
from clearml_sdk.storage import transfer
from clearml_sdk.storage.errors import StorageError
from clearml_sdk.storage.locations import TaskFolder, file_stem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from clearml_sdk.facade.base import TaskBase

THREADS = 2


class Artifacts:
    """The artifacts of one task: `upload` stores, `view` reads.

    What `upload` was given may change once the call returns: objects are written to a file before it does, files are
    read in the background. An artifact appears in the task when its file is at its place.
    """

    max_preview_size_bytes = previews.MAX_BYTES

    def __init__(self, task: TaskBase) -> None:
        self._record = task._record
        self._folder = TaskFolder(self._record)
        config = self._record.session.config
        self._auto_pickle = config is None or config.flag("sdk.development.artifacts.auto_pickle", True)
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
        wait_on_upload: bool = False,
        extension_name: str | None = None,
        serialization_function: Callable[[Any], bytes | bytearray] | None = None,
        sort_keys: bool = True,
        retries: int = 0,
    ) -> bool:
        """Store `value` as artifact `name`, over an earlier one of that name.

        Args:
            metadata: shown beside the artifact, as text.
            preview: shown instead of ours; False for none.
            delete_after_upload: remove the user's file once it is uploaded.
            wait_on_upload: return when it is uploaded and registered; an upload that fails is then False.
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
                extension=extension_name,
                auto_pickle=self._auto_pickle if auto_pickle is None else auto_pickle,
                serialize=serialization_function,
                sort_keys=sort_keys,
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
        return job.wait() if wait_on_upload else True

    def upload_artifact(
        self,
        name: str,
        artifact_object: Any = None,
        metadata: Mapping[Any, Any] | None = None,
        preview: Any = None,
        delete_after_upload: bool = False,
        auto_pickle: bool | None = None,
        wait_on_upload: bool = False,
        extension_name: str | None = None,
        serialization_function: Callable[[Any], bytes | bytearray] | None = None,
        sort_keys: bool = True,
    ) -> bool:
        """`upload` under its public name."""
        return self.upload(
            name,
            artifact_object,
            metadata=metadata,
            preview=preview,
            delete_after_upload=delete_after_upload,
            auto_pickle=auto_pickle,
            wait_on_upload=wait_on_upload,
            extension_name=extension_name,
            serialization_function=serialization_function,
            sort_keys=sort_keys,
        )

    def view(self) -> Mapping[str, Artifact]:
        """The task's artifacts by name, as they are on the server once what `upload` was given has arrived."""
        self.flush()
        return MappingProxyType(artifacts_of(self._record.session, self._record.reload()))

    def stop(self, wait: bool = True) -> None:
        """End the uploads; with `wait`, once they are done."""
        if wait:
            self.flush()

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
            if encoded.path is not None:
                url = self._folder.url("artifacts", file_stem(name), encoded.name)
                entry["uri"] = url
                entry["content_size"] = os.stat(encoded.path).st_size
                entry["hash"] = transfer.sha256(encoded.path)
                _upload_with_retries(self._record, encoded.path, url, retries)
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


def _upload_with_retries(record: TaskRecord, path: str, url: str, retries: int) -> None:
    for attempt in range(retries + 1):
        try:
            transfer.upload(record.session, path, url)
        except StorageError:
            if attempt == retries:
                raise
        else:
            return
