"""Read the GPUs through NVML, where there are any."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Sequence
from typing import Any

import msgspec

log = logging.getLogger("clearml_agent")

MIB = 1024 * 1024


class Gpu(msgspec.Struct, frozen=True):
    """One GPU now: percent, degrees Celsius, MiB. None: the driver does not tell."""

    index: int
    uuid: str
    usage: float | None
    temperature: float | None
    memory_used: float | None
    memory_free: float | None


class Reader:
    """The GPUs of this machine; reads nothing more after three failures in a row."""

    def __init__(self, visible: str | None) -> None:
        """visible: as in NVIDIA_VISIBLE_DEVICES: "none", "all", indexes or UUIDs; None: all."""
        self.visible = visible
        self._nvml: Any = None
        self._failures = 0

    def open(self, nvml: Any = None) -> bool:
        """Load the driver's library. False (once and for all) where there is none.

        Args:
            nvml: stands in for the module `pynvml`.
        """
        if self.visible == "none":
            return False
        if nvml is None:
            try:
                nvml = importlib.import_module("pynvml")
            except ImportError as error:
                log.debug("no GPU is read: %s", error)
                return False
        try:
            nvml.nvmlInit()
        except (OSError, nvml.NVMLError) as error:
            log.debug("no GPU is read: %s", error)
            return False
        self._nvml = nvml
        return True

    def close(self) -> None:
        if self._nvml is not None:
            self._nvml.nvmlShutdown()
            self._nvml = None

    def read(self) -> list[Gpu]:
        """Every GPU that is visible; if the filter leaves none, all of them (contract: agent_behaviour.md 12)."""
        nvml = self._nvml
        if nvml is None:
            return []
        try:
            every = [self._one(nvml, index) for index in range(nvml.nvmlDeviceGetCount())]
        except nvml.NVMLError as error:
            self._failures += 1
            if self._failures >= 3:
                log.warning("the GPUs cannot be read and are no longer reported: %s", error)
                self.close()
            return []
        self._failures = 0
        return chosen(every, self.visible)

    @staticmethod
    def _one(nvml: Any, index: int) -> Gpu:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)

        def value(function: str, *arguments: Any) -> Any:
            try:
                return getattr(nvml, function)(handle, *arguments)
            except nvml.NVMLError:
                return None  # MIG devices and some boards do not tell everything

        usage = value("nvmlDeviceGetUtilizationRates")
        memory = value("nvmlDeviceGetMemoryInfo")
        return Gpu(
            index=index,
            uuid=str(nvml.nvmlDeviceGetUUID(handle)),
            usage=None if usage is None else float(usage.gpu),
            temperature=value("nvmlDeviceGetTemperature", nvml.NVML_TEMPERATURE_GPU),
            memory_used=None if memory is None else memory.used / MIB,
            memory_free=None if memory is None else memory.free / MIB,
        )


def chosen(gpus: Sequence[Gpu], visible: str | None) -> list[Gpu]:
    """Those that `visible` names, by index or by the beginning of a UUID; all when it names none. Pure."""
    if visible in (None, "", "all"):
        return list(gpus)
    names = [name.strip() for name in str(visible).split(",") if name.strip()]
    found = [gpu for gpu in gpus if any(name == str(gpu.index) or gpu.uuid.startswith(name) for name in names)]
    return found or list(gpus)
