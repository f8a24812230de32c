"""What NVML tells about the GPUs of this machine, their MIG instances and the processes on them."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from typing import Any

import msgspec

from clearml_agent.gpus.packing import Board
from clearml_agent.gpus.visible import chosen, names

log = logging.getLogger("clearml_agent")

MIB = 1024 * 1024


class Gpu(msgspec.Struct, frozen=True):
    """One GPU, or MIG instance, now: percent, degrees Celsius, MiB. None: the driver does not tell.

    index: of the board; instance: of the MIG instance, -1 for a board.
    """

    index: int
    uuid: str
    usage: float | None
    temperature: float | None
    memory_used: float | None
    memory_free: float | None
    instance: int = -1

    @property
    def name(self) -> str:
        """`0`, or `0:1` for a MIG instance."""
        return str(self.index) if self.instance < 0 else f"{self.index}:{self.instance}"


class Use(msgspec.Struct, frozen=True):
    """A process on a GPU; memory in MiB, None where the driver does not tell."""

    uuid: str
    pid: int
    memory: float | None


class Reader:
    """The GPUs of this machine; reads nothing more after three failures in a row."""

    def __init__(self, visible: str | None) -> None:
        """visible: as in NVIDIA_VISIBLE_DEVICES: "none", "all", indexes, ranges or UUIDs; None: all."""
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
        with_instances = any(name.startswith("MIG-") or ":" in name for name in names(self.visible) or ())
        found = self._guarded(lambda nvml: [self._one(nvml, *each) for each in _devices(nvml, with_instances)])
        return chosen(found or [], self.visible)

    def boards(self) -> list[Board]:
        """What can be given out, of what is visible: boards, and in place of a board in MIG mode its instances."""
        return self._guarded(lambda nvml: list(_boards(nvml, names(self.visible)))) or []

    def uses(self) -> list[Use]:
        """The processes on all GPUs; raises nothing, a failed read is empty."""
        return self._guarded(lambda nvml: list(_uses(nvml))) or []

    def _guarded(self, read: Any) -> Any:
        nvml = self._nvml
        if nvml is None:
            return None
        try:
            found = read(nvml)
        except nvml.NVMLError as error:
            self._failures += 1
            if self._failures >= 3:
                log.warning("the GPUs cannot be read and are no longer reported: %s", error)
                self.close()
            return None
        self._failures = 0
        return found

    @staticmethod
    def _one(nvml: Any, index: int, instance: int, board: Any, handle: Any) -> Gpu:
        usage = _told(nvml, "nvmlDeviceGetUtilizationRates", handle)
        memory = _told(nvml, "nvmlDeviceGetMemoryInfo", handle)
        return Gpu(
            index=index,
            uuid=_text(nvml.nvmlDeviceGetUUID(handle)),
            usage=None if usage is None else float(usage.gpu),
            temperature=_told(nvml, "nvmlDeviceGetTemperature", board, nvml.NVML_TEMPERATURE_GPU),
            memory_used=None if memory is None else memory.used / MIB,
            memory_free=None if memory is None else memory.free / MIB,
            instance=instance,
        )


def _told(nvml: Any, function: str, *arguments: Any) -> Any:
    """What the driver answers; None where it does not tell: MIG instances and some boards do not tell everything."""
    try:
        return getattr(nvml, function)(*arguments)
    except nvml.NVMLError:
        return None


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)  # bytes from older bindings


def _devices(nvml: Any, with_instances: bool) -> Iterator[tuple[int, int, Any, Any]]:
    """(index, instance or -1, the board's handle, the device's own)."""
    for index in range(nvml.nvmlDeviceGetCount()):
        board = nvml.nvmlDeviceGetHandleByIndex(index)
        yield index, -1, board, board
        if with_instances:
            for instance, handle in _instances(nvml, board):
                yield index, instance, board, handle


def _instances(nvml: Any, board: Any) -> Iterator[tuple[int, Any]]:
    """The MIG instances of a board that is in MIG mode."""
    mode = _told(nvml, "nvmlDeviceGetMigMode", board)
    if not mode or not mode[0]:
        return
    for instance in range(_told(nvml, "nvmlDeviceGetMaxMigDeviceCount", board) or 0):
        handle = _told(nvml, "nvmlDeviceGetMigDeviceHandleByIndex", board, instance)
        if handle is not None:
            yield instance, handle


def _boards(nvml: Any, wanted: list[str] | None) -> Iterator[Board]:
    for index in range(nvml.nvmlDeviceGetCount()):
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        own = _board(nvml, str(index), handle)
        instances = [_board(nvml, f"{index}:{instance}", each) for instance, each in _instances(nvml, handle)]
        whole = wanted is None or any(is_named(own, name) for name in wanted)
        for board in instances or [own]:
            if whole or any(is_named(board, name) for name in wanted or ()):
                yield board


def _board(nvml: Any, name: str, handle: Any) -> Board:
    memory = _told(nvml, "nvmlDeviceGetMemoryInfo", handle)
    return Board(name, _text(nvml.nvmlDeviceGetUUID(handle)), 0 if memory is None else int(memory.total // MIB))


def is_named(board: Board, name: str) -> bool:
    return name == board.name or (not name.isdigit() and board.uuid.startswith(name))


def _uses(nvml: Any) -> Iterator[Use]:
    for _, _, _, handle in _devices(nvml, with_instances=True):
        uuid = _text(nvml.nvmlDeviceGetUUID(handle))
        seen: dict[int, float | None] = {}
        for kind in ("Compute", "Graphics"):
            for process in _told(nvml, f"nvmlDeviceGet{kind}RunningProcesses", handle) or ():
                memory = process.usedGpuMemory
                seen.setdefault(int(process.pid), None if memory is None else memory / MIB)
        for pid, used in seen.items():
            yield Use(uuid, pid, used)
