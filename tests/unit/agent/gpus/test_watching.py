"""Whose processes are on which GPU, and what is read of boards with MIG instances."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clearml_agent.gpus.devices import Reader, Use
from clearml_agent.gpus.packing import Allocation, Part
from clearml_agent.gpus.watching import Watch, excess, outsiders

QUARTER = Allocation([Part("0", "GPU-a", 250, "a", 2000)])
OWN = frozenset({10, 11})


@pytest.mark.parametrize(
    ("uses", "used"),
    [
        ([Use("GPU-a", 10, 2000.0)], None),
        ([Use("GPU-a", 10, 2001.0)], 2001),
        ([Use("GPU-a", 10, 1500.0), Use("GPU-a", 11, 600.0)], 2100),
        ([Use("GPU-a", 10, 1500.0), Use("GPU-a", 99, 6000.0)], None),
        ([Use("GPU-b", 10, 6000.0)], None),
        ([Use("GPU-a", 10, None)], None),
        ([], None),
    ],
)
def test_budget_counts_all_processes_of_a_task_on_its_gpu(uses: list[Use], used: int | None) -> None:
    said = excess(QUARTER, uses, OWN)
    assert said == (f"the task uses {used} MiB of GPU 0, and its budget is 2000 MiB (0.25 of the GPU)" if used else "")


def test_whole_gpus_have_no_budget() -> None:
    assert not excess(Allocation([Part("0", "GPU-a")]), [Use("GPU-a", 10, 1e9)], OWN)


def test_processes_of_no_run_are_outsiders() -> None:
    uses = [Use("GPU-a", 10, 1.0), Use("GPU-a", 99, 1.0), Use("GPU-b", 20, None), Use("GPU-c", 98, None)]
    assert outsiders(uses, [OWN, frozenset({20})]) == {("GPU-a", 99), ("GPU-c", 98)}
    assert outsiders([], []) == frozenset()


MEMORY_MIB = {"GPU-a": 8000, "GPU-b": 80_000, "MIG-0": 10_000, "MIG-2": 20_000}


class ProcessesOutside:
    """A reader in a container: the process on its GPU has a number that means nothing, or another process, in it."""

    def __init__(self) -> None:
        self.pids: list[int] = []

    def uses(self) -> list[Use]:
        return [Use("GPU-a", pid, 100.0) for pid in self.pids]


async def test_numbers_of_another_namespace_are_noticed_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reader: Any = ProcessesOutside()
    watch = Watch(reader, tmp_path, leave_occupied=True)
    for pids in ([os.getpid()], [2**30], [], [2**30 + 1], [os.getpid()]):  # ended between two readings
        reader.pids = pids
        await watch.look(())
    assert not caplog.records
    reader.pids = [os.getpid(), 2**30]
    for _ in range(4):
        await watch.look(())
    (said,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert str(2**30) in said and "--pid=host" in said


class PartitionedNvml:
    """As NVML tells of a machine with a whole board and one in MIG mode with two instances, the second of three made
    and removed again; handles are names."""

    NVML_TEMPERATURE_GPU = 0

    class NVMLError(Exception):
        pass

    def nvmlInit(self) -> None:
        pass

    def nvmlShutdown(self) -> None:
        pass

    def nvmlDeviceGetCount(self) -> int:
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> str:
        return ("GPU-a", "GPU-b")[index]

    def nvmlDeviceGetUUID(self, handle: str) -> bytes:
        return handle.encode()

    def nvmlDeviceGetMigMode(self, handle: str) -> tuple[int, int]:
        if handle == "GPU-a":
            raise self.NVMLError("Not Supported")
        return (1, 1)

    def nvmlDeviceGetMaxMigDeviceCount(self, handle: str) -> int:
        return 3

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: str, index: int) -> str:
        if index == 1:
            raise self.NVMLError("Not Found")
        return f"MIG-{index}"

    def nvmlDeviceGetMemoryInfo(self, handle: str) -> SimpleNamespace:
        total = MEMORY_MIB[handle] << 20
        return SimpleNamespace(total=total, used=100 << 20, free=total - (100 << 20))

    def nvmlDeviceGetUtilizationRates(self, handle: str) -> SimpleNamespace:
        if handle != "GPU-a":
            raise self.NVMLError("Not Supported")  # a board in MIG mode, and its instances, do not tell
        return SimpleNamespace(gpu=7, memory=0)

    def nvmlDeviceGetTemperature(self, handle: str, sensor: int) -> int:
        return 50

    def nvmlDeviceGetComputeRunningProcesses(self, handle: str) -> list[Any]:
        if handle == "GPU-b":
            raise self.NVMLError("No permission")
        return [SimpleNamespace(pid=10, usedGpuMemory=300 << 20), SimpleNamespace(pid=11, usedGpuMemory=None)]

    def nvmlDeviceGetGraphicsRunningProcesses(self, handle: str) -> list[Any]:
        return [SimpleNamespace(pid=10, usedGpuMemory=300 << 20)] if handle == "GPU-a" else []


def reader(visible: str | None) -> Reader:
    found = Reader(visible)
    assert found.open(PartitionedNvml())
    return found


@pytest.mark.parametrize(
    ("visible", "names"),
    [
        (None, ["0", "1:0", "1:2"]),
        ("all", ["0", "1:0", "1:2"]),
        ("0-1", ["0", "1:0", "1:2"]),
        ("0", ["0"]),
        ("1", ["1:0", "1:2"]),
        ("1:2", ["1:2"]),
        ("0,1.0", ["0", "1:0"]),
        ("MIG-2", ["1:2"]),
        ("GPU-b", ["1:0", "1:2"]),
        ("7", []),
    ],
)
def test_board_in_mig_mode_gives_its_instances_in_its_place(visible: str | None, names: list[str]) -> None:
    boards = reader(visible).boards()
    assert [board.name for board in boards] == names
    assert all(board.memory_mib == MEMORY_MIB[board.uuid] for board in boards)


def test_instance_is_reported_with_its_boards_temperature_and_what_it_does_not_tell_is_left_open() -> None:
    (found,) = reader("1:0").read()
    assert (found.name, found.uuid, found.usage, found.temperature) == ("1:0", "MIG-0", None, 50)
    assert (found.memory_used, found.memory_free) == (100.0, 9900.0)
    assert [gpu.name for gpu in reader(None).read()] == ["0", "1"]


def test_process_of_both_kinds_is_counted_once() -> None:
    uses = reader(None).uses()
    assert [use for use in uses if use.uuid == "GPU-a"] == [Use("GPU-a", 10, 300.0), Use("GPU-a", 11, None)]
    assert [use for use in uses if use.uuid == "MIG-2"] == [Use("MIG-2", 10, 300.0), Use("MIG-2", 11, None)]
