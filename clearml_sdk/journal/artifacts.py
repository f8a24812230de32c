"""Artifacts that wait in a journal's folder: written when `upload_artifact` returns, gone when they are at the server.

files/artifact-<time>-<random>/        the object's file
files/artifact-<time>-<random>.json    the order: what to upload, and how it is registered then
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

    from clearml_sdk.session import Session

PREFIX, SUFFIX = "artifact-", ".json"


def new_folder(files: str) -> str:
    """A folder for the file of one artifact, in the folder of a journal's files."""
    path = os.path.join(files, f"{PREFIX}{time.time_ns():020d}-{os.urandom(4).hex()}")
    os.mkdir(path, 0o700)
    return path


def keep(folder: str, *, file: str, entry: Mapping[str, Any], delete: bool) -> None:
    """Order the upload of a file: of this folder, by its name, or of the user's.

    Args:
        entry: of the task's list of artifacts, but for what the upload tells (`uri`, `content_size`, `hash`).
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
    found = sorted(name for name in names if name.startswith(PREFIX) and name.endswith(SUFFIX))
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

    @property
    def name(self) -> str:
        return str(self.entry["key"])


def deliver_artifacts(session: Session, task: str, files: str) -> bool:
    """Upload and register what a dead process has left; whether nothing is left. Raises nothing the server causes."""
    from clearml_sdk.storage.errors import StorageError

    for folder in waiting(files):
        try:
            order = Order(folder)
            _deliver(session, task, order)
            if order.is_users and order.delete:
                os.unlink(order.file)
        except (ServerUnreachable, BadAnswer, Unauthorized) as error:
            warn_once("artifacts wait", f"artifacts wait in the journal: {error}")
            return False
        except (ApiError, StorageError, OSError, ValueError, KeyError) as error:
            if getattr(error, "is_transient", False) or getattr(error, "code", 0) >= 500:
                warn_once("artifacts wait", f"artifacts wait in the journal: {error}")
                return False
            warn_once(f"artifact {folder}", f"an artifact of an earlier process was not stored: {error}")
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
    record.call("tasks.add_or_update_artifacts", {"artifacts": [{**order.entry, **facts}], "force": True})
