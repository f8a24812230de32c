"""Artifacts and weights that wait in a journal's folder: there once the call returns, gone when the server has them.

files/artifact-<time>-<random>/        the object's file
files/artifact-<time>-<random>.json    the order: what to upload, and how it is registered then
files/weights-<time>-<random>...       the same of a model's weights
"""

from __future__ import annotations

import json
import os
import shutil
import time

from clearml_sdk.errors import ApiError, BadAnswer, ServerUnreachable, Unauthorized
from clearml_sdk.notices import warn_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from clearml_sdk.record import TaskRecord
    from clearml_sdk.session import Session

WRONG_STATUS = 110
ARTIFACT, WEIGHTS, SUFFIX = "artifact-", "weights-", ".json"


def new_folder(files: str, kind: str = ARTIFACT) -> str:
    """A folder for one file, in the folder of a journal's files. kind: ARTIFACT or WEIGHTS."""
    path = os.path.join(files, f"{kind}{time.time_ns():020d}-{os.urandom(4).hex()}")
    os.mkdir(path, 0o700)
    return path


def is_kept(folder: str | None) -> bool:
    """Whether this is a folder of `new_folder`, whose order survives this process."""
    return folder is not None and os.path.basename(folder).startswith((ARTIFACT, WEIGHTS))


def keep(folder: str, *, file: str, entry: Mapping[str, Any], delete: bool) -> None:
    """Order the upload of a file: of this folder, by its name, or of the user's.

    Args:
        entry: of an artifact, what the task's list says of it but for what the upload tells (`uri`, `content_size`,
            `hash`); of weights, `{"model": id, "task": id, "url": where to, "fields": what else changes in the model}`.
        delete: remove the user's file afterwards.
    """
    is_own = os.path.dirname(os.path.abspath(file)) == folder
    order = {"file": os.path.basename(file) if is_own else os.path.abspath(file), "entry": entry, "delete": delete}
    partial = f"{folder}.part"
    with open(partial, "w", encoding="utf-8", errors="replace") as target:
        json.dump(order, target, ensure_ascii=False)
    os.replace(partial, folder + SUFFIX)


def drop(folder: str) -> None:
    """Forget an order (there may be none), and its file. The order goes first: what is left of a file is waste."""
    try:
        os.unlink(folder + SUFFIX)
    except FileNotFoundError:
        pass  # it was never ordered
    shutil.rmtree(folder, ignore_errors=True)


def waiting(files: str) -> list[str]:
    """The folders whose orders wait, in the order in which they were given."""
    try:
        names = os.listdir(files)
    except FileNotFoundError:
        return []
    found = [name for name in names if name.startswith((ARTIFACT, WEIGHTS)) and name.endswith(SUFFIX)]
    found.sort(key=lambda name: name.partition("-")[2])
    return [os.path.join(files, name.removesuffix(SUFFIX)) for name in found]


class Order:
    """A kept order. file: the path of what to upload. Raises OSError, ValueError when it cannot be read."""

    def __init__(self, folder: str) -> None:
        with open(folder + SUFFIX, encoding="utf-8") as source:
            found = json.load(source)
        self.folder = folder
        self.entry: dict[str, Any] = found["entry"]
        self.is_users = os.path.isabs(found["file"])
        self.file: str = found["file"] if self.is_users else os.path.join(folder, found["file"])
        self.delete: bool = found["delete"]
        self.is_weights = os.path.basename(folder).startswith(WEIGHTS)

    @property
    def name(self) -> str:
        return str(self.entry["url"] if self.is_weights else self.entry["key"])


def deliver_artifacts(session: Session, task: str, files: str) -> bool:
    """Upload and register what a dead process has left; whether nothing is left. Raises nothing the server causes."""
    from clearml_sdk.storage.errors import StorageError

    for folder in waiting(files):
        try:
            order = Order(folder)
            (_deliver_weights if order.is_weights else _deliver)(session, task, order)
            if order.is_users and order.delete:
                os.unlink(order.file)
        except (ServerUnreachable, BadAnswer, Unauthorized) as error:
            warn_once("artifacts wait", f"artifacts wait in the journal: {error}")
            return False
        except (ApiError, StorageError, OSError, ValueError, KeyError) as error:
            if getattr(error, "is_transient", False) or getattr(error, "code", 0) >= 500:
                warn_once("artifacts wait", f"artifacts wait in the journal: {error}")
                return False
            warn_once(f"artifact {folder}", f"a file that waited in the journal was not stored: {error}")
        drop(folder)
    return True


def _deliver(session: Session, task: str, order: Order) -> None:
    from clearml_sdk.record import TaskRecord
    from clearml_sdk.storage import transfer
    from clearml_sdk.storage.locations import TaskFolder, file_stem
    from clearml_sdk.storage.sources import FileSource

    record = TaskRecord(session, task)
    listed = record.get("execution.artifacts") or []
    mine = [entry for entry in listed if entry.get("key") == order.name and entry.get("mode", "output") == "output"]
    if any((entry.get("timestamp") or 0) > order.entry["timestamp"] for entry in mine):
        return  # a later run has stored another one under this name
    source = FileSource(order.file)
    url = TaskFolder(record).url("artifacts", file_stem(order.name), os.path.basename(order.file))
    facts = {"uri": url, "content_size": source.length, "hash": source.sha256()}
    transfer.upload_source(session, source, url)
    _register(record, {**order.entry, **facts})


def _register(record: TaskRecord, entry: dict[str, Any]) -> None:
    """List an artifact in the task; in one that has ended too, which takes them as a whole only."""
    try:
        record.call("tasks.add_or_update_artifacts", {"artifacts": [entry], "force": True})
    except ApiError as error:
        if error.subcode != WRONG_STATUS:
            raise
        record.forget()
        listed = record.get("execution.artifacts") or []
        others = [one for one in listed if (one.get("key"), one.get("mode", "output")) != (entry["key"], "output")]
        record.edit(execution={"artifacts": [*others, entry]})


def _deliver_weights(session: Session, task: str, order: Order) -> None:
    from clearml_sdk.journal.calls import models_made
    from clearml_sdk.models.record import ModelRecord
    from clearml_sdk.storage import transfer

    entry, made = order.entry, models_made(os.path.dirname(order.folder))
    transfer.upload(session, order.file, entry["url"])
    model = ModelRecord(session, made.get(entry["model"], entry["model"]))
    model.edit(uri=entry["url"], task=entry["task"], **entry["fields"])
