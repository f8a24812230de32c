"""What is recorded of the machine: its GPUs, and that there are none."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from clearml_sdk.machine import gpu_facts, runtime_facts


class NvmlError(Exception):
    pass


def nvml(**answers: Any) -> SimpleNamespace:
    """A driver with one card, or as `answers` says."""
    known: dict[str, Any] = {
        "nvmlInit": lambda: None,
        "nvmlDeviceGetCount": lambda: 1,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetName": lambda handle: b"NVIDIA H200",
        "nvmlDeviceGetMemoryInfo": lambda handle: SimpleNamespace(total=150_754_820_096),
        "nvmlSystemGetDriverVersion": lambda: "570.86.10",
        "nvmlSystemGetCudaDriverVersion": lambda: 12080,
    }
    return SimpleNamespace(NVMLError=NvmlError, **{**known, **answers})


def refuse() -> None:
    raise NvmlError


def test_the_first_gpu_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", nvml())
    assert gpu_facts() == {
        "gpu_count": 1,
        "gpu_type": "NVIDIA H200",
        "gpu_memory": "140GB",
        "gpu_driver_version": "570.86.10",
        "gpu_driver_cuda_version": "12.8",
    }


@pytest.mark.parametrize("driver", [None, nvml(nvmlInit=refuse), nvml(nvmlDeviceGetCount=lambda: 0)])
def test_a_machine_without_gpus_says_so(driver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", driver)  # None: it cannot be imported
    facts = runtime_facts()
    assert facts["gpu_count"] == 0 and "gpu_type" not in facts
    assert facts["OS"].startswith(("Linux-", "macOS-", "Darwin-", "Windows-"))
