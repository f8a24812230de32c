"""Requests of `queues.*`. Field lists: contract/endpoints.json."""

from typing import Annotated, Any

from msgspec import Meta

from control_plane.schema.base import Request


class QueueRequest(Request, kw_only=True):
    """A call about one queue."""

    queue: str


class GetByIdRequest(QueueRequest, kw_only=True):
    """`max_task_entries`: how many of the waiting tasks to list; None: all."""

    max_task_entries: int | None = None


class CreateRequest(Request, kw_only=True):
    """A new queue."""

    name: str
    display_name: str | None = None
    tags: list[str] | None = None
    system_tags: list[str] | None = None
    metadata: Any = None


class UpdateRequest(QueueRequest, kw_only=True):
    """What is given is applied; null and absent leave it as it is."""

    name: str | None = None
    display_name: str | None = None
    tags: list[str] | None = None
    system_tags: list[str] | None = None
    metadata: Any = None


class DeleteRequest(QueueRequest, kw_only=True):
    """`force` deletes a queue in which tasks wait; they return to what they were."""

    force: bool = False


class TaskInQueueRequest(QueueRequest, kw_only=True):
    """A call about one task in one queue."""

    task: str


class AddTaskRequest(TaskInQueueRequest, kw_only=True):
    """`update_execution_queue`: note the queue in the task, too."""

    update_execution_queue: bool = True


class RemoveTaskRequest(TaskInQueueRequest, kw_only=True):
    """`update_task_status`: the task returns to the status it was enqueued from."""

    update_task_status: bool = False


class MoveRequest(TaskInQueueRequest, kw_only=True):
    """`count`: by how many places."""

    count: Annotated[int, Meta(ge=1)] = 1


class NextTaskRequest(QueueRequest, kw_only=True):
    """`get_task_info`: answer company and user of the task, too. `task` has no effect, as on official servers."""

    get_task_info: bool = False
    task: str | None = None


class MetricsRequest(Request, kw_only=True):
    """What queues were like between two times (s since the epoch), in intervals of so many seconds.

    `queue_ids`: none means the mean of all queues. `refresh`: look at the queues first.
    """

    from_date: float
    to_date: float
    interval: Annotated[int, Meta(ge=1)]
    queue_ids: list[str] | None = None
    refresh: bool = False


class MetadataRequest(QueueRequest, kw_only=True):
    """`metadata`: items `{key, type, value}`; `replace_metadata` drops the others."""

    metadata: list[dict[str, Any]]
    replace_metadata: bool = False


class DeleteMetadataRequest(QueueRequest, kw_only=True):
    """The keys to remove."""

    keys: list[str]
