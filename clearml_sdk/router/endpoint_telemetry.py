"""`EndpointTelemetry`: tells the server which endpoint serves which model, how often and how fast."""

from __future__ import annotations

import fnmatch
import threading
import time
import uuid

from clearml_sdk.notices import harmless
from clearml_sdk.reporting.resources import default_samplers
from clearml_sdk.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar

REPORT_S = 30.0
EXPIRES_S = 120


class EndpointTelemetry:
    """Registers the endpoint at once, and reports every 30 s until `stop`.

    Args:
        model: id of the served model. model_url, model_source, model_version: where it is from.
        container_id: who serves; None: a new one.
        report_statistics: report requests, latency and the machine too.
        endpoint_url: where it is reached; None: not known yet.
        app_id, app_instance, tags, system_tags, force_register: accepted for compatibility.
    """

    BACKEND_STAT_MAP: ClassVar[dict[str, str]] = {
        "cpu_usage": "cpu_usage",
        "cpu_temperature": "cpu_temperature",
        "disk_free_percent": "disk_free_home",
        "io_read_mbs": "disk_read",
        "io_write_mbs": "disk_write",
        "network_tx_mbs": "network_tx",
        "network_rx_mbs": "network_rx",
        "memory_free_gb": "memory_free",
        "memory_used_gb": "memory_used",
        "gpu_*_temperature": "gpu_temperature",
        "gpu_*_mem_used_gb": "gpu_memory_used",
        "gpu_*_mem_free_gb": "gpu_memory_free",
        "gpu_*_utilization": "gpu_usage",
    }
    """What the machine's samples are called in `machine_stats`; patterns gather a list, one a GPU."""

    def __init__(
        self,
        endpoint_name: str = "endpoint",
        model_name: str = "model",
        model: str | None = None,
        model_url: str | None = None,
        model_source: str | None = None,
        model_version: str | None = None,
        app_id: str | None = None,
        app_instance: str | None = None,
        tags: dict[str, Any] | None = None,
        system_tags: dict[str, Any] | None = None,
        container_id: str | None = None,
        input_size: str | None = None,
        input_type: str = "str",
        report_statistics: bool = True,
        endpoint_url: str | None = None,
        preprocess_artifact: str | None = None,
        force_register: bool = False,
    ) -> None:
        self._session = Session.default()
        self._info: dict[str, Any] = {
            "container_id": container_id or uuid.uuid4().hex,
            "endpoint_name": endpoint_name,
            "model_name": model_name,
            "model_source": model_source,
            "model_version": model_version,
            "preprocess_artifact": preprocess_artifact,
            "input_type": str(input_type),
            "input_size": None if input_size is None else str(input_size),
            "endpoint_url": endpoint_url,
            "reference": _references(model, model_url),
        }
        self._reports_statistics = report_statistics
        self._started_at = time.monotonic()
        self._lock = threading.Lock()
        self._requests, self._new_requests, self._latencies_s = 0, 0, 0.0
        self._answers = 0
        self._open: list[float] = []
        self._per_minute, self._latency_ms, self._measured_at = 0.0, 0, self._started_at
        self._samplers = default_samplers()
        self._stopping, self._changed = threading.Event(), threading.Event()
        self.register_container()
        self._thread = threading.Thread(
            target=self.container_status_report_daemon, name="clearml-endpoint", daemon=True
        )
        self._thread.start()

    @property
    def container_info(self) -> dict[str, Any]:
        """What the server is told, but for the figures."""
        return {name: value for name, value in self._info.items() if value is not None}

    def update(
        self,
        endpoint_name: str | None = None,
        model_name: str | None = None,
        model: str | None = None,
        model_url: str | None = None,
        model_source: str | None = None,
        model_version: str | None = None,
        tags: dict[str, Any] | None = None,
        system_tags: dict[str, Any] | None = None,
        input_size: str | None = None,
        input_type: str | None = None,
        endpoint_url: str | None = None,
        preprocess_artifact: str | None = None,
    ) -> None:
        """Change what the server is told, from its next report on."""
        changed = {
            "endpoint_name": endpoint_name,
            "model_name": model_name,
            "model_source": model_source,
            "model_version": model_version,
            "input_size": input_size,
            "input_type": input_type,
            "endpoint_url": endpoint_url,
            "preprocess_artifact": preprocess_artifact,
            "reference": _references(model, model_url),
        }
        self._info.update({name: value for name, value in changed.items() if value})
        self._changed.set()

    def register_container(self) -> None:
        """Tell the server that there is such an endpoint."""
        with harmless("telling the server of an endpoint"):
            self._session.call("serving.register_container", {**self.container_info, "timeout": EXPIRES_S})

    def container_status_report(self) -> None:
        """Tell the server how it fares."""
        self.update_statistics()
        figures: dict[str, Any] = {"uptime_sec": int(time.monotonic() - self._started_at)}
        if self._reports_statistics:
            figures |= {
                "requests_num": self._requests,
                "requests_min": self._per_minute,
                "latency_ms": self._latency_ms,
                "machine_stats": self.get_machine_stats(),
            }
        with harmless("telling the server of an endpoint"):
            self._session.call("serving.container_status_report", {**self.container_info, **figures})

    def container_status_report_daemon(self) -> None:
        """Report until `stop`, in the thread that calls this."""
        while not self._stopping.is_set():
            self.container_status_report()
            self._changed.wait(REPORT_S)
            self._changed.clear()

    def on_request(self) -> None:
        """A request has come."""
        with self._lock:
            self._requests += 1
            self._new_requests += 1
            self._open.append(time.monotonic())

    def on_response(self) -> None:
        """A request was answered; the oldest, where several are open."""
        with self._lock:
            if self._open:
                self._latencies_s += time.monotonic() - self._open.pop(0)
                self._answers += 1

    def update_last_request_time(self) -> None:
        """Without effect: requests are counted by `on_request`."""

    def update_statistics(self) -> None:
        """Count the requests a minute and the mean latency since the last time."""
        with self._lock:
            now = time.monotonic()
            passed_s = max(now - self._measured_at, 1e-3)
            self._per_minute = self._new_requests * 60.0 / passed_s
            self._latency_ms = int(1000 * self._latencies_s / self._answers) if self._answers else 0
            self._measured_at, self._new_requests, self._latencies_s, self._answers = now, 0, 0.0, 0

    def get_machine_stats(self) -> dict[str, float | list[float]]:
        """The machine now, as the server calls it; memory in MB."""
        found: dict[str, float | list[float]] = {}
        for sampler in self._samplers:
            for sample in sampler().values():
                for name, value in sample.items():
                    self._place(found, name, float(value))
        return found

    def _place(self, found: dict[str, float | list[float]], name: str, value: float) -> None:
        value = round(value * 1024 if name.endswith("_gb") else value, 3)
        for pattern, known in self.BACKEND_STAT_MAP.items():
            if pattern == name and not name.startswith("cpu_"):
                found[known] = value
            elif fnmatch.fnmatch(name, pattern):
                listed = found.setdefault(known, [])
                assert isinstance(listed, list)
                listed.append(value)

    def wait_for_endpoint_url(self) -> None:
        """Wait until `update` has said where the endpoint is reached, or `stop` was called."""
        while not self._info.get("endpoint_url") and not self._stopping.wait(0.1):
            pass

    def stop(self) -> None:
        """Tell the server that the endpoint is gone."""
        self._stopping.set()
        self._changed.set()
        if self._thread is not threading.current_thread():
            self._thread.join(5.0)
        with harmless("telling the server of an endpoint"):
            self._session.call("serving.unregister_container", {"container_id": self._info["container_id"]})


def _references(model: str | None, model_url: str | None) -> list[dict[str, str]]:
    """What the endpoint serves and who runs it."""
    from clearml_sdk import run as runs

    run = runs.current()
    kinds = (("task", run.record.id if run is not None else None), ("model", model), ("url", model_url))
    return [{"type": kind, "value": value} for kind, value in kinds if value]
