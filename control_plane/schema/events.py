"""Requests of `events.*`, and the event as clients send it. Field lists: contract/endpoints.json."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from control_plane.schema.base import Request

EventType = Literal["training_stats_scalar", "training_stats_vector", "training_debug_image", "plot", "log"]
Key = Literal["iter", "timestamp", "iso_time"]
Samples = Annotated[int, Meta(ge=1, le=6000)]
Whole = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
BatchSize = Annotated[int, Meta(ge=1)]


class Event(Struct, gc=False):
    """One event, as one line of a batch; what a type does not use is ignored. Times are ms since the epoch."""

    type: str = ""
    task: str = ""
    """The task's id, or the model's where `model_event` is set."""
    timestamp: int | float | None = None
    iter: int | float | None = None
    metric: str | None = None
    variant: str | None = None
    worker: str | None = None
    value: int | float | None = None
    values: list[float] | None = None
    x_axis_label: str | None = None
    msg: str | None = None
    level: str | None = None
    plot_str: str | None = None
    url: str | None = None
    key: str | None = None
    allow_locked: bool | None = None
    model_event: bool | None = None


class MetricVariants(Struct, kw_only=True):
    """A metric, and those of its variants that are wanted (none = all)."""

    metric: str
    variants: list[str] | None = None


class TaskMetric(Struct, kw_only=True):
    """A task, and what of it is wanted (no metric = all)."""

    task: str
    metric: str | None = None
    variants: list[str] | None = None


class OwnerRequest(Request, kw_only=True):
    """A call about the events of one task, or of a model where `model_events` is set."""

    task: str
    model_events: bool = False


class TasksEventsRequest(Request, kw_only=True):
    """A call about the events of several tasks (or models)."""

    tasks: Annotated[list[str], Meta(min_length=1)]
    model_events: bool = False


class LogRequest(OwnerRequest, kw_only=True):
    """A window of the console."""

    batch_size: BatchSize = 100
    from_timestamp: float | None = None
    navigate_earlier: bool = True
    order: Literal["asc", "desc"] | None = None


class FollowRequest(OwnerRequest, kw_only=True):
    """What a task reports from now on."""

    after: str | None = None
    """The id of the last message seen; so says the header Last-Event-ID. Without one the newest lines come first:"""
    lines: Annotated[int, Meta(ge=0, le=10_000)] = 100
    """so many."""
    scalars: bool = False
    """Also the newest value of every series, at first and when it changes."""
    heartbeat_s: Annotated[float, Meta(ge=1, le=60)] = 15.0
    """Something is sent at least so often."""


class DownloadLogRequest(Request, kw_only=True):
    """The whole console. `line_format`: of lines of the type text; names in braces, see `services.events_log`."""

    task: str
    line_type: Literal["json", "text"] = "json"
    line_format: str = "{asctime} {worker} {level} {msg}"
    search: str | None = None
    """Ours: only lines with this text, in whatever case and colours; an empty line stands for many without it."""


class ClearLogRequest(Request, kw_only=True):
    """Forget lines of the console: those older than `threshold_sec` seconds, or (0) all; see the metrics' fields.

    `include_metrics`: only lines reported under these; `exclude_metrics`: none reported under these.
    """

    task: str
    threshold_sec: Annotated[int, Meta(ge=0)] | None = None
    allow_locked: bool = False
    include_metrics: list[str] | None = None
    exclude_metrics: list[str] | None = None


class EventsRequest(OwnerRequest, kw_only=True):
    """Raw events of one type, paged by iteration."""

    event_type: EventType | None = None
    order: Literal["asc", "desc"] = "asc"
    batch_size: BatchSize = 500
    scroll_id: str | None = None
    metrics: list[MetricVariants] | None = None
    count_total: bool = True


class PlotsRequest(OwnerRequest, kw_only=True):
    """The newest plots of each metric and variant."""

    iters: Annotated[int, Meta(ge=1)] = 1
    metrics: list[MetricVariants] | None = None
    no_scroll: bool = False
    scroll_id: str | None = None


class MultiPlotsRequest(TasksEventsRequest, kw_only=True):
    """The newest plots of several tasks, of each metric or (`last_iters_per_task_metric` false) of each task."""

    iters: Annotated[int, Meta(ge=1)] = 1
    metrics: list[MetricVariants] | None = None
    last_iters_per_task_metric: bool = True
    no_scroll: bool = False
    scroll_id: str | None = None


class SingleValuesRequest(TasksEventsRequest, kw_only=True):
    """What several tasks reported once."""

    metrics: list[MetricVariants] | None = None


class MultiMetricsRequest(TasksEventsRequest, kw_only=True):
    """The names under which several tasks reported; without a type: anything."""

    event_type: EventType | None = None


class RawRequest(OwnerRequest, kw_only=True):
    """Every point of a metric's series, paged."""

    metric: MetricVariants
    key: Key = "iter"
    batch_size: BatchSize = 10_000
    count_total: bool = False
    scroll_id: str | None = None
    begin: Whole | None = None
    """Ours: only points from this iteration (or time, ms since the epoch) on."""
    end: Whole | None = None
    """Ours: only points up to this iteration (or time)."""


class MetricDataRequest(OwnerRequest, kw_only=True):
    """The points of a metric as events, paged unless `no_scroll` asks for them at once."""

    metric: str
    no_scroll: bool = False
    scroll_id: str | None = None


class VectorRequest(OwnerRequest, kw_only=True):
    """The vectors of one series."""

    metric: str
    variant: str


class ScrollRequest(Request, kw_only=True):
    """A paged read that is over."""

    scroll_id: str


class SampleRequest(OwnerRequest, kw_only=True):
    """One image or one metric's plots: those of `iteration` or the newest before it; without one, the newest.

    `navigate_current_metric`: `next_*` stay within the metric. `refresh`: iterations reported since the scroll began
    are seen, too.
    """

    metric: str
    iteration: int | None = None
    navigate_current_metric: bool = True
    refresh: bool = False
    scroll_id: str | None = None


class ImageSampleRequest(SampleRequest, kw_only=True):
    """One image."""

    variant: str


class NextSampleRequest(OwnerRequest, kw_only=True):
    """The sample beside the one shown last; `next_iteration`: of another iteration than that."""

    scroll_id: str
    navigate_earlier: bool = True
    next_iteration: bool = False


class HistogramRequest(OwnerRequest, kw_only=True):
    """Curves of one task."""

    key: Key = "iter"
    samples: Samples = 2000
    metrics: list[MetricVariants] | None = None
    extremes: bool = False
    """Ours: also the least and greatest value of each interval."""


class MultiHistogramRequest(TasksEventsRequest, kw_only=True):
    """Curves of several tasks."""

    key: Key = "iter"
    samples: Samples = 2000
    metrics: list[MetricVariants] | None = None
    extremes: bool = False
    """Ours: also the least and greatest value of each interval."""


class SamplesRequest(Request, kw_only=True):
    """The newest iterations of images or plots of several tasks."""

    metrics: Annotated[list[TaskMetric], Meta(min_length=1)]
    iters: Annotated[int, Meta(ge=1)] = 1
    model_events: bool = False
    navigate_earlier: bool = True
    refresh: bool = False
    scroll_id: str | None = None


class TaskMetricsRequest(TasksEventsRequest, kw_only=True):
    """Names of the metrics that have events of a type."""

    event_type: EventType


class DeleteForTask(Request, kw_only=True):
    """Forget the events of a task."""

    task: str
    allow_locked: bool = False


class DeleteForModel(Request, kw_only=True):
    """Forget the events of a model."""

    model: str
    allow_locked: bool = False


class Added(Struct, kw_only=True):
    """What became of a batch."""

    added: int
    errors: int
    errors_info: dict[str, Any]
