"""Stands in for NVML's bindings in processes of these tests: GPUs and what is on them are files of a folder.

GPU_HOST/boards.json      [{"uuid", "memory_mib", "usage", "temperature"}, ...]
GPU_HOST/<uuid>/<pid>     MiB that the process uses there; only while it lives
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

NVML_TEMPERATURE_GPU = 0
MIB = 1024 * 1024


class NVMLError(Exception):
    pass


def _host() -> Path:
    return Path(os.environ["GPU_HOST"])


def _boards() -> list[dict[str, Any]]:
    return list(json.loads((_host() / "boards.json").read_text()))


def _processes(uuid: str) -> Iterator[tuple[int, float]]:
    folder = _host() / uuid
    for path in folder.iterdir() if folder.is_dir() else []:
        try:
            state = Path(f"/proc/{path.name}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state not in "ZX":
            yield int(path.name), float(path.read_text() or 0)


def nvmlInit() -> None:
    if "GPU_HOST" not in os.environ:
        raise NVMLError("NVML Shared Library Not Found")


def nvmlShutdown() -> None:
    pass


def nvmlDeviceGetCount() -> int:
    return len(_boards())


def nvmlDeviceGetHandleByIndex(index: int) -> dict[str, Any]:
    return _boards()[index]


def nvmlDeviceGetUUID(handle: dict[str, Any]) -> str:
    return str(handle["uuid"])


def nvmlDeviceGetUtilizationRates(handle: dict[str, Any]) -> SimpleNamespace:
    return SimpleNamespace(gpu=handle["usage"], memory=0)


def nvmlDeviceGetMemoryInfo(handle: dict[str, Any]) -> SimpleNamespace:
    total = handle["memory_mib"] * MIB
    used = int(sum(mib for _, mib in _processes(handle["uuid"])) * MIB)
    return SimpleNamespace(total=total, used=used, free=total - used)


def nvmlDeviceGetTemperature(handle: dict[str, Any], sensor: int) -> int:
    return int(handle["temperature"])


def nvmlDeviceGetMigMode(handle: dict[str, Any]) -> tuple[int, int]:
    raise NVMLError("Not Supported")


def nvmlDeviceGetComputeRunningProcesses(handle: dict[str, Any]) -> list[SimpleNamespace]:
    return [SimpleNamespace(pid=pid, usedGpuMemory=int(mib * MIB)) for pid, mib in _processes(handle["uuid"])]


def nvmlDeviceGetGraphicsRunningProcesses(handle: dict[str, Any]) -> list[SimpleNamespace]:
    return []
