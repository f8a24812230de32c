"""What kinds of tasks there are, and in which states a task can be."""

from __future__ import annotations

from enum import Enum, StrEnum


class TaskTypes(Enum):
    """What a task is for; it changes nothing but how it is shown and found."""

    def __str__(self) -> str:
        return str(self.value)

    def __eq__(self, other: object) -> bool:
        """Equal to itself and to its name."""
        return self is other or (isinstance(other, str) and self.value == other)

    def __hash__(self) -> int:
        return hash(self.value)

    training = "training"
    testing = "testing"
    inference = "inference"
    data_processing = "data_processing"
    application = "application"
    monitor = "monitor"
    controller = "controller"
    optimizer = "optimizer"
    service = "service"
    qc = "qc"
    custom = "custom"


class TaskTypeEnum(StrEnum):
    """The same as texts: what documents have."""

    training = "training"
    testing = "testing"
    inference = "inference"
    data_processing = "data_processing"
    application = "application"
    monitor = "monitor"
    controller = "controller"
    optimizer = "optimizer"
    service = "service"
    qc = "qc"
    custom = "custom"


class TaskStatusEnum(StrEnum):
    """States of a task (contract/wire.md 9)."""

    created = "created"
    queued = "queued"
    in_progress = "in_progress"
    stopped = "stopped"
    published = "published"
    publishing = "publishing"
    closed = "closed"
    failed = "failed"
    completed = "completed"
    unknown = "unknown"


def type_name(task_type: object) -> str:
    """The name of a task type given as a member or as a text. Raises ValueError naming the valid ones."""
    value = str(getattr(task_type, "value", task_type))
    if value not in TaskTypes.__members__:
        raise ValueError(f"task type {value!r} is none of: {', '.join(TaskTypes.__members__)}")
    return value
