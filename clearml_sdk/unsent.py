"""Final statuses that no server could be told: kept in the user's cache, and told at the next start of the SDK or by
`clearml sync`.

Without them a run that ended while its server was down would look as if it still ran, until the server gives it up.
"""

from __future__ import annotations

import json
import os
import tempfile

from clearml_sdk.config.settings import early_cache_base
from clearml_sdk.errors import ApiError, ServerUnreachable
from clearml_sdk.record import TaskRecord
from clearml_sdk.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def folder() -> str:
    """Where they are kept, a file a task."""
    return os.path.join(early_cache_base(), "unsent")


def keep(session: Session, task_id: str, endpoint: str, body: Mapping[str, Any]) -> None:
    """Remember a call that sets the status of a task. Raises OSError."""
    directory = folder()
    os.makedirs(directory, mode=0o700, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=directory)
    with open(handle, "w", encoding="utf-8") as file:
        json.dump({"api_server": session.settings.api_server, "endpoint": endpoint, "body": dict(body)}, file)
    os.replace(temporary, os.path.join(directory, f"{task_id}.json"))


def some() -> bool:
    """Whether any are kept."""
    try:
        return any(name.endswith(".json") for name in os.listdir(folder()))
    except OSError:
        return False  # there never were any


def deliver(session: Session) -> int:
    """Tell the server what is kept for it; returns how many statuses were set. Raises ServerUnreachable.

    A task that is no longer in progress there was ended by somebody else, and keeps that status.
    """
    told = 0
    try:
        names = sorted(os.listdir(folder()))
    except FileNotFoundError:
        return 0
    for name in names:
        path = os.path.join(folder(), name)
        try:
            with open(path, encoding="utf-8") as file:
                found = json.load(file)
            if not name.endswith(".json") or found["api_server"] != session.settings.api_server:
                continue
            told += _tell(TaskRecord(session, name.removesuffix(".json")), found["endpoint"], found["body"])
            os.unlink(path)
        except (OSError, ValueError, KeyError, TypeError):
            continue  # another process was faster, or the file is damaged
    return told


def _tell(record: TaskRecord, endpoint: str, body: Mapping[str, Any]) -> bool:
    try:
        if record.read_fields("status").get("status") != "in_progress":
            return False
        record.call(endpoint, body)
    except ServerUnreachable:
        raise
    except ApiError:
        return False  # deleted, or changed at this moment
    return True
