"""What an autoscaler may start, and when it starts and ends it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Self


class State(str, Enum):  # noqa: UP042  # the surface's bases
    """What an autoscaler does."""

    STARTING = "starting"
    READY = "ready"
    RUNNING = "running"
    STOPPED = "stopped"


@dataclass
class ScalerConfig:
    """The limits of an autoscaler."""

    max_idle_time_min: Any = 15
    """Minutes without a task after which a machine is ended."""
    polling_interval_time_min: Any = 5
    """Minutes between two looks at queues and machines."""
    max_spin_up_time_min: Any = 30
    """Minutes in which the agent of a new machine has to appear; one that does not is ended."""
    workers_prefix: Any = "dynamic_worker"
    """Begins the worker ids of this autoscaler's machines: two autoscalers have two prefixes."""
    resource_configurations: Any = None
    """Name of a resource -> how the driver starts a machine of it."""
    queues: Any = None
    """Queue -> list of [resource, most machines of it], the preferred resource first."""

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """From `{"hyper_params": {...}, "configurations": {"resource_configurations": ..., "queues": ...}}`."""
        values, objects = config.get("hyper_params") or {}, config.get("configurations") or {}
        given: dict[str, Any] = {
            name: values[name]
            for name in ("max_idle_time_min", "polling_interval_time_min", "max_spin_up_time_min", "workers_prefix")
            if values.get(name) is not None
        }
        return cls(
            **given, resource_configurations=objects.get("resource_configurations"), queues=objects.get("queues")
        )
