"""The machine's statistics: sampled twice a second, averaged, reported with each worker status report.

Names and units: contract/agent_behaviour.md 12.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from clearml_agent.gpus.devices import Gpu, Reader

MIB = 1024 * 1024
SAMPLE_S = 0.5


class Monitor:
    """Collects samples between two reports; not shared between threads."""

    def __init__(self, *, disk_path: Path, gpus: Reader, default_gpu_usage: float = 100.0) -> None:
        self._disk_path, self._gpus, self._default_gpu_usage = disk_path, gpus, default_gpu_usage
        self._samples: list[dict[str, float]] = []
        self._gpu_samples: list[list[Gpu]] = []
        self.gpu_uuids: list[str] = []
        """Of the GPUs in the last statistics, in their order."""
        self._counters = read_counters()
        self._since = time.monotonic()
        psutil.cpu_percent()  # the first call only sets its starting point

    def sample(self) -> None:
        """Take one sample; costs well under a millisecond without GPUs."""
        memory = psutil.virtual_memory()
        self._samples.append(
            {
                "cpu_usage": psutil.cpu_percent(),
                "memory_used": (memory.total - memory.available) / MIB,
                "memory_free": memory.available / MIB,
            }
        )
        if gpus := self._gpus.read():
            self._gpu_samples.append(gpus)

    def take(self) -> dict[str, Any]:
        """The averages since the last call, in the form of `workers.status_report`."""
        if not self._samples:
            self.sample()
        samples, self._samples = self._samples, []
        gpu_samples, self._gpu_samples = self._gpu_samples, []
        now, counters = time.monotonic(), read_counters()
        seconds = max(now - self._since, 1e-3)
        rates = {name: (counters[name] - self._counters[name]) / seconds / MIB for name in counters}
        self._counters, self._since = counters, now
        found: dict[str, Any] = {name: mean(sample[name] for sample in samples) for name in samples[0]}
        found["cpu_usage"] = [found["cpu_usage"]]
        found |= {name: rounded(max(rate, 0.0)) for name, rate in rates.items()}
        if (heat := cpu_temperature()) is not None:
            found["cpu_temperature"] = [rounded(heat)]
        try:
            found["disk_free_home"] = rounded(100.0 - psutil.disk_usage(str(self._disk_path)).percent)
        except OSError:
            pass  # the directory is not there yet
        self.gpu_uuids = list(by_gpu(gpu_samples))
        return found | gpu_statistics(gpu_samples, self._default_gpu_usage)


def by_gpu(samples: list[list[Gpu]]) -> dict[str, list[Gpu]]:
    """UUID -> what was read of it; boards in their order, each before its MIG instances. Pure."""
    found: dict[str, list[Gpu]] = {}
    for gpu in sorted((gpu for gpus in samples for gpu in gpus), key=lambda gpu: (gpu.index, gpu.instance)):
        found.setdefault(gpu.uuid, []).append(gpu)
    return found


def gpu_statistics(samples: list[list[Gpu]], default_usage: float) -> dict[str, list[float]]:
    """The averages of each GPU, as parallel lists. Pure."""
    if not samples:
        return {}
    found: dict[str, list[float]] = {}
    for name, default in (
        ("usage", default_usage),
        ("temperature", 0.0),
        ("memory_used", 0.0),
        ("memory_free", 0.0),
    ):
        values = []
        for gpus in by_gpu(samples).values():
            known = [value for gpu in gpus if (value := getattr(gpu, name)) is not None]
            values.append(mean(known) if known else default)
        found[f"gpu_{name}"] = values
    return found


def of_gpus(statistics: dict[str, Any], uuids: Sequence[str], wanted: Iterable[str]) -> dict[str, Any]:
    """The statistics with these GPUs alone. Pure."""
    chosen = set(wanted)
    return {
        name: [value for value, uuid in zip(values, uuids, strict=True) if uuid in chosen]
        if name.startswith("gpu_")
        else values
        for name, values in statistics.items()
    }


def read_counters() -> dict[str, float]:
    """Bytes since boot: what rates are made of."""
    disk, network = psutil.disk_io_counters(), psutil.net_io_counters()
    return {
        "disk_read": float(disk.read_bytes) if disk else 0.0,
        "disk_write": float(disk.write_bytes) if disk else 0.0,
        "network_tx": float(network.bytes_sent),
        "network_rx": float(network.bytes_recv),
    }


def cpu_temperature() -> float | None:
    """The hottest core, in degrees Celsius; None where the machine does not tell."""
    reader = getattr(psutil, "sensors_temperatures", None)  # Linux only
    groups: Mapping[str, Iterable[Any]] = reader() if reader else {}
    values = [item.current for name in ("coretemp", "k10temp", "cpu_thermal") for item in groups.get(name, ())]
    return max(values) if values else None


def mean(values: Iterable[float]) -> float:
    known = list(values)
    return rounded(sum(known) / len(known))


def rounded(value: float) -> float:
    return round(float(value), 3)
