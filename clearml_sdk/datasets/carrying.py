"""A dataset that was made without a server, brought to one."""

from __future__ import annotations

import os
import tempfile
import zipfile

from clearml_sdk.datasets.creating import DatasetWish, create
from clearml_sdk.datasets.state import DatasetState
from clearml_sdk.datasets.stored import DATA, STATE, StoredDataset, is_chunk, shown_project
from clearml_sdk.errors import UsageError
from clearml_sdk.offline import documents
from clearml_sdk.offline.folder import SessionFolder
from clearml_sdk.session import Session
from clearml_sdk.storage import transfer
from clearml_sdk.storage.sources import FileSource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def import_dataset(session: Session, path: str) -> StoredDataset:
    """A version on the server that holds what the offline one at `path` (a folder or its archive) holds.

    The chunks that it has stored there are carried over; files that were only added stay to be uploaded.
    Raises UsageError when there is no such session, or no dataset in it.
    """
    path = os.path.abspath(os.path.expanduser(path))
    if session.is_offline:
        raise UsageError("an offline dataset is imported into a server: call Dataset.set_offline(False) first")
    if os.path.isdir(path):
        return _import(session, SessionFolder(path))
    if not zipfile.is_zipfile(path):
        raise UsageError(f"no offline session at {path}: neither a folder nor an archive of one")
    with tempfile.TemporaryDirectory(prefix="clearml-offline-") as temporary, zipfile.ZipFile(path) as archive:
        folder = os.path.join(temporary, os.path.basename(path).removesuffix(".zip"))
        archive.extractall(folder)  # drops absolute names and ".." itself
        return _import(session, SessionFolder(folder))


def _import(session: Session, folder: SessionFolder) -> StoredDataset:
    if not folder.exists:
        raise UsageError(f"there is no offline session in {folder.path}")
    task = folder.read().task
    files = {item["key"]: item for item in (task.get("execution") or {}).get("artifacts") or []}
    if STATE not in files:
        raise UsageError(f"the offline session {folder.path} is not a dataset's")
    with open(_file(folder, files[STATE]), "rb") as file:
        state = DatasetState.load(file.read())
    wish = DatasetWish(
        name=str(task["name"]),
        project=shown_project(str(task["project"]).removeprefix(documents.PROJECT)),
        tags=task.get("tags"),
        version=(task.get("runtime") or {}).get("version"),
        description=task.get("comment"),
    )
    made = create(session, wish, [StoredDataset.open(session, parent) for parent in state.parents])
    for entry in state.entries():
        if entry.parent_dataset_id == state.id:
            entry.parent_dataset_id = made.id
        made.state.put(entry)
    for path in set(made.state.files) - set(state.files):
        del made.state.files[path]
    for key, item in files.items():
        if is_chunk(key):
            _carry(made, key, item, _file(folder, item))
    made.save()
    return made


def _carry(made: StoredDataset, key: str, item: dict[str, Any], path: str) -> None:
    source = FileSource(path)
    url = made.folder.url("artifacts", DATA, os.path.basename(path))
    transfer.upload_source(made.session, source, url)
    made.register({**item, "key": key, "uri": url})


def _file(folder: SessionFolder, item: dict[str, Any]) -> str:
    path = folder.file_of(str(item["uri"]))
    if path is None or not os.path.isfile(path):
        raise UsageError(f"the offline session {folder.path} has lost {item['key']!r}")
    return path
