"""Requests of `tasks.*_many` and `tasks.archive`."""

from control_plane.schema.base import Request
from control_plane.schema.tasks import DeleteOptions, Ids, ResetOptions


class StopManyRequest(Request, kw_only=True):
    """Stop several tasks."""

    ids: Ids
    force: bool = False
    status_reason: str | None = None
    status_message: str | None = None
    include_pipeline_steps: bool = False


class PublishManyRequest(StopManyRequest, kw_only=True):
    """Publish several tasks."""

    publish_model: bool = True


class EnqueueManyRequest(Request, kw_only=True):
    """Queue several tasks."""

    ids: Ids
    queue: str | None = None
    queue_name: str | None = None
    status_reason: str | None = None
    status_message: str | None = None
    verify_watched_queue: bool = False
    validate_tasks: bool = False


class DequeueManyRequest(Request, kw_only=True):
    """Take several tasks out of their queues."""

    ids: Ids
    status_reason: str | None = None
    status_message: str | None = None
    remove_from_all_queues: bool = False
    new_status: str | None = None


class ResetManyRequest(ResetOptions, kw_only=True):
    """Reset several tasks."""

    ids: Ids


class DeleteManyRequest(DeleteOptions, kw_only=True):
    """Remove several tasks."""

    ids: Ids


class ArchiveRequest(Request, kw_only=True):
    """Archive tasks, all or none."""

    tasks: Ids
    status_reason: str | None = None
    status_message: str | None = None
    include_pipeline_steps: bool = False


class ArchiveManyRequest(Request, kw_only=True):
    """Archive or bring back several tasks."""

    ids: Ids
    status_reason: str | None = None
    status_message: str | None = None
    include_pipeline_steps: bool = False
