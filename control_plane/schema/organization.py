"""Requests of `organization.*`, `reports.*` and `pipelines.*`."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from control_plane.schema.base import Request
from control_plane.schema.tasks import TaskRequest


class TagsRequest(Request, kw_only=True):
    """The tags in use."""

    include_system: bool = False
    filter: dict[str, Any] | None = None


class CountRequest(Request, kw_only=True):
    """How many each of these queries finds."""

    projects: dict[str, Any] | None = None
    tasks: dict[str, Any] | None = None
    models: dict[str, Any] | None = None
    pipelines: dict[str, Any] | None = None
    datasets: dict[str, Any] | None = None
    reports: dict[str, Any] | None = None
    search_hidden: bool = False
    active_users: list[str] | None = None
    allow_public: bool = True


class FollowRequest(Request, kw_only=True):
    """What changes from now on."""

    kinds: list[Literal["task", "model", "project", "queue"]] = msgspec.field(
        default_factory=lambda: ["task", "model", "project", "queue"]
    )
    """Of these kinds."""
    heartbeat_s: Annotated[float, Meta(ge=1, le=60)] = 15.0
    """Something is sent at least so often."""
    timeout_s: Annotated[float, Meta(ge=0, le=3600)] = 3600.0
    """Then the stream ends, and the caller has to ask again: to show that it still may."""


class DownloadRequest(Request, kw_only=True):
    """A table that was prepared."""

    prepare_id: str


class CreateReportRequest(Request, kw_only=True):
    """A new report."""

    name: str
    tags: list[str] | None = None
    comment: str | None = None
    report: str | None = None
    report_assets: list[str] | None = None
    project: str | None = None


class UpdateReportRequest(TaskRequest, kw_only=True):
    """Changes of a report that is not published."""

    name: str | None = None
    tags: list[str] | None = None
    comment: str | None = None
    report: str | None = None
    report_assets: list[str] | None = None


class ReportRequest(TaskRequest, kw_only=True):
    """One report, and why."""

    comment: str | None = None
    force: bool = False


class MoveReportRequest(TaskRequest, kw_only=True):
    """A report into another project."""

    project: str | None = None
    project_name: str | None = None


class Argument(Request, kw_only=True):
    """An argument of a pipeline."""

    name: str
    value: Any = None


class StartPipelineRequest(TaskRequest, kw_only=True):
    """Another run of a pipeline."""

    queue: str
    args: list[Argument] | None = None
    verify_watched_queue: bool = False


class DeleteRunsRequest(Request, kw_only=True):
    """Remove runs of a pipeline."""

    ids: Annotated[list[str], Meta(min_length=1)]
    project: str
