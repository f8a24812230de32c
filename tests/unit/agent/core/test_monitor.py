"""Machine statistics in the form and the units of the reference."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from clearml_agent.gpus.devices import Gpu, Reader
from clearml_agent.gpus.visible import chosen
from clearml_agent.monitor import Monitor, gpu_statistics

ONE = Gpu(0, "GPU-aaaa", 10.0, 40.0, 100.0, 900.0)
TWO = Gpu(1, "GPU-bbbb", None, 50.0, 200.0, 800.0)


def test_a_report_has_the_documented_fields(tmp_path: Path) -> None:
    monitor = Monitor(disk_path=tmp_path, gpus=Reader("none"))
    monitor.sample()
    monitor.sample()
    found = monitor.take()
    assert len(found["cpu_usage"]) == 1
    for name in ("memory_used", "memory_free", "disk_free_home", "disk_read", "disk_write", "network_tx", "network_rx"):
        assert isinstance(found[name], float)
        assert found[name] >= 0
    assert found["memory_free"] > 16  # MiB, not bytes and not GiB
    assert 0 <= found["disk_free_home"] <= 100
    assert monitor.take().keys() == found.keys()  # also without a sample in between


def test_gpus_are_averaged_one_by_one() -> None:
    later = Gpu(0, "GPU-aaaa", 30.0, 60.0, 300.0, 700.0)
    found = gpu_statistics([[ONE, TWO], [later, TWO]], default_usage=100.0)
    assert found == {
        "gpu_usage": [20.0, 100.0],
        "gpu_temperature": [50.0, 50.0],
        "gpu_memory_used": [200.0, 200.0],
        "gpu_memory_free": [800.0, 800.0],
    }
    assert gpu_statistics([], 100.0) == {}


def test_visible_gpus_are_chosen_by_index_or_uuid() -> None:
    assert chosen([ONE, TWO], "1") == [TWO]
    assert chosen([ONE, TWO], "GPU-a") == [ONE]
    assert chosen([ONE, TWO], "0,1") == [ONE, TWO]
    assert chosen([ONE, TWO], None) == chosen([ONE, TWO], "all") == chosen([ONE, TWO], "7") == [ONE, TWO]


class RecordedNvml:
    """What NVML said on a machine with two boards, the second of which does not tell its utilisation."""

    NVML_TEMPERATURE_GPU = 0

    class NVMLError(Exception):
        pass

    def __init__(self) -> None:
        self.fails = False

    def nvmlInit(self) -> None:
        pass

    def nvmlShutdown(self) -> None:
        pass

    def nvmlDeviceGetCount(self) -> int:
        if self.fails:
            raise self.NVMLError("GPU is lost")
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetUUID(self, handle: int) -> str:
        return f"GPU-{handle}"

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> SimpleNamespace:
        if handle == 1:
            raise self.NVMLError("Not Supported")
        return SimpleNamespace(gpu=55, memory=10)

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> SimpleNamespace:
        return SimpleNamespace(total=143771 << 20, used=523 << 20, free=143248 << 20)

    def nvmlDeviceGetTemperature(self, handle: int, sensor: int) -> int:
        return 31


def test_gpus_are_read_through_nvml() -> None:
    reader = Reader("all")
    nvml = RecordedNvml()
    assert reader.open(nvml)
    assert reader.read() == [
        Gpu(0, "GPU-0", 55.0, 31, 523.0, 143248.0),
        Gpu(1, "GPU-1", None, 31, 523.0, 143248.0),
    ]
    nvml.fails = True
    for _ in range(3):
        assert reader.read() == []
    nvml.fails = False
    assert reader.read() == []  # three failures: no longer read


def test_the_gpus_of_this_machine_are_read() -> None:
    reader = Reader(None)
    if not reader.open():
        pytest.skip("this machine has no NVIDIA driver")
    found = reader.read()
    reader.close()
    assert found
    assert all(gpu.memory_free is None or gpu.memory_free > 0 for gpu in found)


def test_a_machine_without_gpus_is_read_without_complaint() -> None:
    reader = Reader("none")
    assert not reader.open()
    assert reader.read() == []
    reader.close()
