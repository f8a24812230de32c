"""The status machine of a task: which status follows which, as one table. Pure.

    created ──> queued ──> in_progress ──> completed ──> published
       ^           │            │  │            ^
       │           v            v  v            │ (publishing in between)
       └── reset ─ stopped   failed closed ─────┘

Same to same is always allowed (a repeated call only updates the message and the times); `force` allows every step.
Source: contract/wire.md, section 9.
"""

from enum import StrEnum


class Status(StrEnum):
    """What a task is at; the values are what the API says."""

    CREATED = "created"
    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    STOPPED = "stopped"
    PUBLISHING = "publishing"
    PUBLISHED = "published"
    CLOSED = "closed"
    FAILED = "failed"
    COMPLETED = "completed"
    UNKNOWN = "unknown"


ALL = frozenset(Status)
TERMINAL = frozenset(
    {Status.STOPPED, Status.CLOSED, Status.FAILED, Status.COMPLETED, Status.PUBLISHING, Status.PUBLISHED}
)
LOCKED = frozenset({Status.PUBLISHING, Status.PUBLISHED})
"""Whose events and fields no longer change."""

_S = Status
STEPS: dict[Status, frozenset[Status]] = {
    _S.CREATED: frozenset({_S.QUEUED, _S.IN_PROGRESS}),
    _S.QUEUED: frozenset({_S.CREATED, _S.IN_PROGRESS, _S.STOPPED}),
    _S.IN_PROGRESS: frozenset({_S.STOPPED, _S.FAILED, _S.CREATED, _S.COMPLETED}),
    _S.STOPPED: frozenset(
        {
            _S.QUEUED,
            _S.IN_PROGRESS,
            _S.CREATED,
            _S.COMPLETED,
            _S.FAILED,
            _S.CLOSED,
            _S.PUBLISHING,
            _S.PUBLISHED,
        }
    ),
    _S.CLOSED: frozenset({_S.CREATED, _S.FAILED, _S.STOPPED, _S.PUBLISHING, _S.PUBLISHED}),
    _S.FAILED: frozenset({_S.CREATED, _S.QUEUED, _S.STOPPED, _S.PUBLISHED}),
    _S.COMPLETED: frozenset({_S.IN_PROGRESS, _S.CREATED, _S.PUBLISHED}),
    _S.PUBLISHING: frozenset({_S.PUBLISHED}),
    _S.PUBLISHED: frozenset(),
    _S.UNKNOWN: frozenset(),
}
"""From each status, where a call without `force` may lead."""


def is_legal(current: str, new: str, *, force: bool = False) -> bool:
    """True when a task may go from one status to the other."""
    if force or current == new:
        return True
    try:
        return Status(new) in STEPS[Status(current)]
    except ValueError:
        return False


TASK_TYPES = (
    "testing",
    "training",
    "data_processing",
    "controller",
    "application",
    "inference",
    "qc",
    "optimizer",
    "service",
    "monitor",
    "custom",
)
"""In the order that tasks.get_types answers."""
