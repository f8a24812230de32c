"""The resource monitor: which x its reports get, what they hold, and that it never gets in the way."""

from __future__ import annotations

import threading

import pytest

from clearml_sdk.reporting.resources import (
    GPU,
    MACHINE,
    Axis,
    GpuSampler,
    MachineSampler,
    Means,
    ResourceMonitor,
    _visible,
)


def test_reports_follow_the_iterations_of_the_task() -> None:
    assert Axis().x(30.0, True, 17) == 17


def test_without_iterations_seconds_are_used_after_a_while() -> None:
    axis = Axis()
    assert [axis.x(at, False, 0) for at in (30.0, 150.0, 180.0, 210.0)] == [None, None, 180, 210]


def test_iterations_that_come_late_replace_the_seconds() -> None:
    axis = Axis()
    axis.x(200.0, False, 0)
    assert axis.x(900.0, True, 5) == 5
    assert axis.x(930.0, True, 6) == 6


def test_iterations_that_come_too_late_do_not() -> None:
    axis = Axis()
    axis.x(200.0, False, 0)
    assert axis.x(2000.0, True, 5) == 2000
    assert axis.x(2030.0, True, 6) == 2030


def test_means() -> None:
    means = Means()
    means.add(MACHINE, {"cpu_usage": 10.0})
    means.add(MACHINE, {"cpu_usage": 30.0})
    assert means.values() == [((MACHINE, "cpu_usage"), 20.0)]


def test_a_sample_of_this_machine_is_plausible() -> None:
    sampler = MachineSampler()
    sampler()
    sample = sampler()[MACHINE]
    assert 0 <= sample["cpu_usage"] <= 100
    assert 0.001 < sample["memory_used_gb"] < 64
    assert sample["memory_free_gb"] > 0
    assert 0 <= sample["disk_free_percent"] <= 100
    assert {"network_tx_mbs", "network_rx_mbs"} <= set(sample)


class FakeReporter:
    def __init__(self) -> None:
        self.points: list[tuple[str, str, float, int]] = []
        self.has_iterations, self.last_iteration = True, 3
        self.reported = threading.Event()

    def scalar_beside(self, title: str, series: str, value: float, x: int) -> None:
        self.points.append((title, series, value, x))
        self.reported.set()


def test_a_sampler_that_fails_does_not_stop_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> dict[str, dict[str, float]]:
        raise OSError("no such sensor")

    reporter = FakeReporter()
    monitor = ResourceMonitor(
        reporter,  # type: ignore[arg-type]
        sample_s=0.001,
        report_s=0.002,
        samplers=[broken, lambda: {GPU: {"gpu_0_utilization": 50.12345}}],
    )
    monitor.first_report_s = 0.002
    monitor.start()
    assert reporter.reported.wait(10)
    monitor.stop()
    assert reporter.points[0] == (GPU, "gpu_0_utilization", 50.123, 3)
    assert "no such sensor" in capsys.readouterr().err


def test_stopping_is_immediate() -> None:
    monitor = ResourceMonitor(FakeReporter())  # type: ignore[arg-type]
    monitor.start()
    monitor.stop()
    assert monitor._thread is not None
    assert not monitor._thread.is_alive()


class RecordedNvml:
    """Answers as the driver of one card did; a slice of a card that does not tell its power."""

    class NVMLError(Exception):
        pass

    class Memory:
        total, used = 80 << 30, 20 << 30
        free = 60 << 30

    class Rates:
        gpu = 37

    def nvmlDeviceGetMemoryInfo(self, handle: object) -> Memory:
        return self.Memory()

    def nvmlDeviceGetUtilizationRates(self, handle: object) -> Rates:
        return self.Rates()

    def nvmlDeviceGetTemperature(self, handle: object, sensor: int) -> int:
        return 41

    def nvmlDeviceGetPowerUsage(self, handle: object) -> int:
        raise self.NVMLError("Not Supported")


def test_a_card_is_sampled_as_far_as_it_tells() -> None:
    assert GpuSampler(RecordedNvml(), [object()])() == {
        GPU: {
            "gpu_0_mem_usage": 25.0,
            "gpu_0_mem_used_gb": 20.0,
            "gpu_0_mem_free_gb": 60.0,
            "gpu_0_utilization": 37.0,
            "gpu_0_temperature": 41.0,
        }
    }


def test_visible_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NVIDIA_VISIBLE_DEVICES", raising=False)
    for chosen, cards in (("", [0, 1, 2, 3]), ("2,1", [2, 1]), ("GPU-abc", [0, 1, 2, 3]), ("7", [0, 1, 2, 3])):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
        assert _visible(4) == cards
