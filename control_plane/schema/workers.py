"""Requests of `workers.*`. Field lists: contract/endpoints.json."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from control_plane.schema.base import Request


class RegisterRequest(Request, kw_only=True):
    """`timeout`: the worker is gone after so many seconds without a report; None: the server's usual time."""

    worker: str
    timeout: Annotated[int, Meta(ge=0)] | None = None
    queues: list[str] | None = None
    tags: list[str] | None = None
    system_tags: list[str] | None = None


class UnregisterRequest(Request, kw_only=True):
    """The worker that ends."""

    worker: str


class StatusReportRequest(Request, kw_only=True):
    """What a worker does now. `timestamp`: ms since the epoch by its clock. No `task`: it runs none."""

    worker: str
    timestamp: int
    task: str | None = None
    queue: str | None = None
    queues: list[str] | None = None
    tags: list[str] | UnsetType | None = UNSET
    system_tags: list[str] | UnsetType | None = UNSET
    machine_stats: dict[str, Any] | None = None


class GetAllRequest(Request, kw_only=True):
    """`last_seen`: only workers active in the last so many seconds; 0: all. `worker_pattern`: a glob of worker ids."""

    last_seen: Annotated[int, Meta(ge=0)] | None = 3600
    worker_pattern: str | None = None
    tags: list[str | None] | None = None
    system_tags: list[str | None] | None = None


class MetricKeysRequest(Request, kw_only=True):
    """`worker_ids`: none means all."""

    worker_ids: list[str] | None = None


class ActivityReportRequest(Request, kw_only=True):
    """Between two times (s since the epoch), in intervals of so many seconds."""

    from_date: float
    to_date: float
    interval: Annotated[int, Meta(ge=1)]


class StatItem(Struct, kw_only=True):
    """A metric, and what to tell of it."""

    key: str
    category: Literal["avg", "min", "max"] = "avg"


class StatisticsRequest(ActivityReportRequest, kw_only=True):
    """`split_by_variant`: each GPU or processor by itself. `worker_ids`: none means all."""

    items: Annotated[list[StatItem], Meta(min_length=1)]
    split_by_variant: bool = False
    worker_ids: list[str] | None = None
