"""Queues from a task's point of view: find one, put a task in, take it out, count."""

from __future__ import annotations

import re

from clearml_sdk.errors import ApiError, NotFound, UsageError
from clearml_sdk.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

UNKNOWN_QUEUE = 701


def queue_id(session: Session, name: str | None = None, identifier: str | None = None) -> str:
    """The id of the queue with this name or id. Raises UsageError (none or both given), ValueError (no such queue)."""
    if bool(name) == bool(identifier):
        raise UsageError("name the queue by either queue_name or queue_id")
    if identifier:
        return identifier
    body = {"name": f"^{re.escape(str(name))}$", "only_fields": ["id", "name"]}
    found = session.call("queues.get_all", body).get("queues") or []
    if found:
        return str(found[0]["id"])
    if re.fullmatch(r"[0-9a-f]{30,}", str(name)):
        try:
            return str(session.call("queues.get_by_id", {"queue": name})["queue"]["id"])
        except ApiError as error:
            if error.subcode != UNKNOWN_QUEUE:
                raise
    raise ValueError(f'Could not find queue named "{name}": create it, or start an agent with --create-queue')


def enqueue(session: Session, task: str, *, queue: str, force: bool) -> dict[str, Any]:
    """Put a draft (or a task that ended without success) at the end of a queue; with `force` reset it where needed.

    Not where the queue or the task does not exist, or is not this user's: a reset, which removes what the task has
    made, would not help.
    """
    try:
        return session.call("tasks.enqueue", {"task": task, "queue": queue})
    except ApiError as error:
        if not force or isinstance(error, NotFound) or error.code != 400:
            raise
    session.call("tasks.reset", {"task": task, "force": True})
    return session.call("tasks.enqueue", {"task": task, "queue": queue})


def dequeue(session: Session, task: str) -> dict[str, Any]:
    """Take a task out of its queue; it is a draft again."""
    return session.call("tasks.dequeue", {"task": task})


def count(session: Session, queue: str) -> int:
    """How many tasks wait in a queue."""
    return int(session.call("queues.get_num_entries", {"queue": queue}).get("num") or 0)
