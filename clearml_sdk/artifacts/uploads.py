"""Storing artifacts of a running task: written to a file at once, uploaded and registered in the background.

The file is in the journal of this process, with an order to upload it: what a process that dies had not stored yet, the
next start of the SDK stores.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time

from clearml_sdk.artifacts import previews
from clearml_sdk.artifacts.encoding import Encoded, encode
from clearml_sdk.background import Background
from clearml_sdk.errors import BadAnswer, ClearmlError, ServerUnreachable, UsageError
from clearml_sdk.journal import artifacts as kept
from clearml_sdk.notices import warn_once
from clearml_sdk.outage import is_away
from clearml_sdk.record import TaskRecord
from clearml_sdk.storage import transfer
from clearml_sdk.storage.locations import TaskFolder, file_stem
from clearml_sdk.storage.progress import bar
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

    def __init__(
        self,
        record: TaskRecord,
        *,
        folder: TaskFolder | None = None,
        auto_pickle: bool = True,
        journal: Callable[[], str] | None = None,
    ) -> None:
        """journal: gives the folder of files of this process's journal; None: keep nothing for later processes."""
        self._record, self._folder = record, folder or TaskFolder(record)
        self._journal = journal
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
        temporary = self._new_folder(survives=not wait)
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
        entry = _entry(name, encoded, metadata)
        is_kept = encoded.path is not None and kept.is_kept(temporary)
        if is_kept:
            kept.keep(temporary, file=str(encoded.path), entry=entry, delete=delete_after_upload)

        def run() -> bool:
            is_over = True
            try:
                self._store(entry, encoded, delete_after_upload, retries)
            except (ClearmlError, OSError) as error:
                if os.environ.get("CLEARML_RAISE_ERRORS") == "1":
                    raise
                is_over = not (is_kept and may_pass(error))
                later = "" if is_over else "; it waits in the journal, for the next start to store it"
                warn_once(f"artifact {name}", f"artifact {name!r} was not stored: {error}{later}")
                return False
            finally:
                if is_over:
                    kept.drop(temporary)
            return True

        job = self._background.run(run, key=name, is_kept=is_kept, where=self._folder.destination)
        return job.wait() if wait else True

    def flush(self, timeout_s: float | None = None) -> bool:
        """Wait for everything that was given to `upload`; False when that takes longer than `timeout_s`."""
        return self._background.flush(timeout_s)

    def flush_or_leave(self, timeout_s: float | None = None) -> bool:
        """As `flush`, but leave to a later process what is in the journal and does not move."""
        return self._background.flush_or_leave(timeout_s, is_vain=lambda: is_away(self._record.session))

    def _store(self, entry: dict[str, Any], encoded: Encoded, delete: bool, retries: int) -> None:
        """Upload, then register. Raises ClearmlError, OSError."""
        source = encoded.source()
        if source is not None:
            url = self._folder.url("artifacts", file_stem(entry["key"]), encoded.name)
            with DigestBeside(source) as digest:
                _upload_with_retries(self._record, source, url, retries, self._background.moved)
            entry = {**entry, "uri": url, "content_size": source.length, "hash": digest.value}
        self._record.add_artifact(entry)
        if delete and encoded.path is not None and not encoded.is_temporary:
            os.unlink(encoded.path)

    def _new_folder(self, *, survives: bool) -> str:
        """A folder for the file of an object: in the journal where it can be, else in a temporary place."""
        if survives and self._journal is not None:
            try:
                return kept.new_folder(self._journal())
            except OSError as error:
                warn_once("no-artifact-journal", f"artifacts not stored when the process dies are lost ({error})")
        return tempfile.mkdtemp(prefix="clearml-artifact-")


def may_pass(error: BaseException) -> bool:
    """Whether what went wrong may be over at another time."""
    return isinstance(error, ServerUnreachable | BadAnswer) or bool(getattr(error, "is_transient", False))


def _entry(name: str, encoded: Encoded, metadata: Mapping[Any, Any] | None) -> dict[str, Any]:
    """The artifact as the task lists it, but for what its upload tells."""
    entry: dict[str, Any] = {
        "key": name,
        "type": encoded.kind,
        "mode": "output",
        "uri": encoded.url,
        "timestamp": int(time.time()),
        "type_data": {"preview": encoded.preview, "content_type": encoded.content_type},
    }
    if encoded.data_hash:
        entry["type_data"]["data_hash"] = encoded.data_hash
    if metadata:
        entry["display_data"] = [[str(key), str(value)] for key, value in metadata.items()]
    return entry


def _upload_with_retries(
    record: TaskRecord, source: Source, url: str, retries: int, moved: Callable[[int], None]
) -> None:
    show = bar("upload", url, source.length)

    def progress(count: int) -> None:
        moved(count)
        if show is not None:
            show(count)

    transfer.retried(lambda: transfer.upload_source(record.session, source, url, progress=progress), retries)
