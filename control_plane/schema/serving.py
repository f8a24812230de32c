"""Requests of `serving.*`: containers that serve models, and what is asked about them."""

from typing import Annotated, Any, Literal

from msgspec import Meta

from control_plane.schema.base import Request

MetricType = Literal[
    "requests",
    "requests_min",
    "latency_ms",
    "cpu_count",
    "gpu_count",
    "cpu_util",
    "gpu_util",
    "ram_total",
    "ram_used",
    "ram_free",
    "gpu_ram_total",
    "gpu_ram_used",
    "gpu_ram_free",
    "network_rx",
    "network_tx",
]


class ContainerRequest(Request, kw_only=True):
    """One container."""

    container_id: Annotated[str, Meta(min_length=1, max_length=256)]


class ContainerFacts(ContainerRequest, kw_only=True):
    """What a container serves."""

    endpoint_name: str
    model_name: str
    endpoint_url: str | None = None
    model_source: str | None = None
    model_version: str | None = None
    preprocess_artifact: str | None = None
    input_type: str | None = None
    input_size: Any = None
    reference: list[dict[str, Any]] | None = None


class RegisterContainerRequest(ContainerFacts, kw_only=True):
    """A container begins; it is forgotten after `timeout` seconds without a report."""

    timeout: Annotated[int, Meta(ge=1)] = 600


class ContainerReportRequest(ContainerFacts, kw_only=True):
    """What a container does at the moment."""

    uptime_sec: int | None = None
    requests_num: int | None = None
    requests_min: float | None = None
    latency_ms: int | None = None
    machine_stats: dict[str, Any] | None = None


class EndpointRequest(Request, kw_only=True):
    """One address that models are served at."""

    endpoint_url: str


class EndpointHistoryRequest(EndpointRequest, kw_only=True):
    """How one measure of an endpoint went; dates in s since the epoch, interval in s."""

    from_date: float
    to_date: float
    interval: Annotated[int, Meta(ge=1)]
    metric_type: MetricType = "requests"
    instance_charts: bool = True
