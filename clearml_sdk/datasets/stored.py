"""One version of a dataset as the server keeps it: a task whose artifacts are its state and its chunks."""

from __future__ import annotations

import hashlib
import os
import time

from clearml_sdk.datasets.state import Changes, DatasetState
from clearml_sdk.errors import UsageError
from clearml_sdk.notices import warn_once
from clearml_sdk.record import TaskRecord
from clearml_sdk.storage import cache, transfer
from clearml_sdk.storage.errors import StorageError
from clearml_sdk.storage.locations import TaskFolder
from clearml_sdk.storage.sources import MemorySource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from clearml_sdk.session import Session

SYSTEM_TAG = "dataset"
FOLDER = ".datasets"
STATE = "state"
DATA = "data"
CACHE_CONTEXT = "datasets"
OPEN_STATUSES = frozenset({"created", "in_progress", "stopped", "failed"})
"""A version can be changed while its task is in one of these. An interrupted one may have been stopped meanwhile."""
FINAL_STATUSES = frozenset({"completed", "published", "publishing", "closed"})


class StoredDataset:
    """The task of a version, its state, and the states of the versions that it directly stands on."""

    def __init__(self, record: TaskRecord, state: DatasetState) -> None:
        self.record, self.state = record, state
        self.folder = TaskFolder(record)
        self._others: dict[str, StoredDataset] = {}
        self._project_name: str | None = None

    @classmethod
    def open(cls, session: Session, dataset_id: str, document: dict[str, Any] | None = None) -> StoredDataset:
        """Read a version. Raises ValueError when there is no such dataset."""
        record = TaskRecord(session, dataset_id, document)
        try:
            tags = record.get("system_tags") or []
        except ValueError as error:
            raise ValueError(f"there is no dataset {dataset_id}: {error}") from error
        if SYSTEM_TAG not in tags:
            raise ValueError(f"task {dataset_id} ({record.get('name', '')!r}) is not a dataset")
        return cls(record, read_state(record))

    @property
    def session(self) -> Session:
        """The session it was read through."""
        return self.record.session

    @property
    def id(self) -> str:
        """Its task's id."""
        return self.record.id

    @property
    def project_path(self) -> str:
        """Full name of its task's project."""
        if self._project_name is None:
            answer = self.session.call("projects.get_by_id", {"project": self.record.get("project")})
            self._project_name = str(answer["project"]["name"])
        return self._project_name

    @property
    def project(self) -> str:
        """The project it belongs to, as people name it."""
        return shown_project(self.project_path)

    @property
    def name(self) -> str:
        """The dataset's name."""
        return str(self.record.get("name") or "")

    @property
    def version(self) -> str | None:
        """The version's number."""
        found = self.record.get("runtime.version")
        return None if found is None else str(found)

    def status(self) -> str:
        """On the server, now."""
        return str(self.record.read_fields("status").get("status") or "")

    def check_open(self) -> None:
        """Have the version take changes: one that was stopped, as nobody heard of it for long, is begun again.

        Raises UsageError when it is finished, so that it cannot be changed.
        """
        status = self.status()
        if status in ("stopped", "failed"):
            self.record.call("tasks.started", {"force": True})
        if status not in OPEN_STATUSES:
            raise UsageError(
                f"dataset {self.id} is {status} and cannot be changed: create a version that stands on it "
                f"(Dataset.create(parent_datasets=[{self.id!r}]))"
            )

    def parent(self, dataset_id: str) -> StoredDataset:
        """Another version, read once."""
        if dataset_id not in self._others:
            self._others[dataset_id] = StoredDataset.open(self.session, dataset_id)
        return self._others[dataset_id]

    def remember(self, other: StoredDataset) -> None:
        """Use what has been read already when `parent` asks for it."""
        self._others[other.id] = other

    def changes(self) -> Changes:
        """Against the versions that it stands on."""
        return self.state.changes_since(self.parent(parent).state for parent in self.state.parents)

    def data_artifacts(self) -> dict[str, dict[str, Any]]:
        """The chunks that it has stored, by name."""
        found = self.record.get("execution.artifacts") or []
        return {item["key"]: item for item in found if is_chunk(item["key"])}

    def register(self, entry: dict[str, Any]) -> None:
        """List an artifact in the task, over one of its name."""
        self.record.add_artifact(entry)

    def save(self) -> None:
        """Store the state, and what lists of datasets show of it.

        The new document has a name of its own: whoever reads meanwhile, or after this process has died here, finds the
        old one whole.
        """
        changes = self.changes()
        raw = self.state.dump()
        digest = hashlib.sha256(raw).hexdigest()
        before = (self._artifact(STATE) or {}).get("uri")
        url = self.folder.url("artifacts", STATE, f"state.{digest[:12]}.json")
        if url != before:
            transfer.upload_source(self.session, MemorySource("state.json", [raw]), url)
        self.register(self._state_entry(url, raw, digest, changes))
        if before and before != url:
            forget_file(self.session, str(before))
        self.record.change("runtime", self._facts(changes))

    def _artifact(self, key: str) -> dict[str, Any] | None:
        found = self.record.get("execution.artifacts") or []
        return next((item for item in found if item["key"] == key), None)

    def _state_entry(self, url: str, raw: bytes, digest: str, changes: Changes) -> dict[str, Any]:
        own = [entry for entry in self.state.entries() if entry.parent_dataset_id == self.id]
        size = human_size(sum(entry.size or 0 for entry in own))
        return {
            "key": STATE,
            "type": "dict",
            "mode": "output",
            "uri": url,
            "content_size": len(raw),
            "hash": digest,
            "timestamp": int(time.time()),
            "type_data": {
                "preview": f"Dataset state\nFiles added or modified: {len(own)}, {size}\n"
                f"Stands on: {', '.join(self.state.parents) or 'nothing'}\n",
                "content_type": "application/json",
            },
            "display_data": [
                ["files added", str(len(changes.added))],
                ["files removed", str(len(changes.removed))],
                ["files modified", str(len(changes.modified))],
            ],
        }

    def _facts(self, changes: Changes) -> dict[str, Any]:
        return {
            "orig_dataset_name": self.record.get("runtime.orig_dataset_name") or self.name,
            "orig_dataset_id": self.id,
            "ds_file_count": len(self.state.files),
            "ds_link_count": len(self.state.links),
            "ds_total_size": self.state.size_bytes,
            "ds_total_size_compressed": self.stored_bytes(),
            "ds_change_add": len(changes.added),
            "ds_change_remove": len(changes.removed),
            "ds_change_modify": len(changes.modified),
            "ds_change_size": changes.size_bytes,
        }

    def stored_bytes(self) -> int | None:
        """What its chunks and those it stands on take; None when it has stored none itself."""
        own = [int(item.get("content_size") or 0) for item in self.data_artifacts().values()]
        if not own:
            return None
        inherited = (self.parent(one).record.get("runtime.ds_total_size_compressed") for one in self.state.parents)
        return sum(own) + sum(int(size or 0) for size in inherited)


def is_chunk(key: str) -> bool:
    """Whether an artifact of this name holds files of the dataset."""
    return key == DATA or (key.startswith(f"{DATA}_") and key[len(DATA) + 1 :].isdigit())


def chunk_name(number: int) -> str:
    """The name of a version's chunk, counted from 0."""
    return DATA if number == 0 else f"{DATA}_{number:03d}"


def shown_project(path: str) -> str:
    """The project as people name it, of the hidden one in which a dataset is kept."""
    before, separator, _ = path.partition(f"/{FOLDER}")
    return before if separator else path


def read_state(record: TaskRecord) -> DatasetState:
    """The state of a version. Raises ValueError when it has none or a broken one, StorageError."""
    artifacts = record.get("execution.artifacts") or []
    entry = next((item for item in artifacts if item["key"] == STATE), None)
    if entry is None:
        raise ValueError(f"dataset {record.id} has no state: it was never completed, create it again")
    try:
        path = cache.local_copy(
            record.session, entry["uri"], context=CACHE_CONTEXT, name="state.json", sha256=entry.get("hash") or None
        )
    except cache.HashMismatch as error:
        raise ValueError(f"dataset {record.id}: {error}") from error
    with open(path, "rb") as file:
        return DatasetState.load(file.read())


def forget_file(session: Session, url: str) -> None:
    """Remove a file that nothing refers to any more; where that fails it is waste, not a loss."""
    try:
        transfer.delete(session, url)
    except StorageError as error:
        warn_once(f"delete {os.path.dirname(url)}", f"a file that is not needed any more stays: {error}")


def human_size(count: int) -> str:
    """`12 B`, `3.4 MB`."""
    size = float(count)
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1024 or unit == "GB":
            break
        size /= 1024
    return f"{int(size)} B" if unit == "B" else f"{size:.2f} {unit}"
