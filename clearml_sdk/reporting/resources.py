"""The machine while the task runs: processor, memory, disk, network and GPUs, as scalars of the task.

Contract: agent_behaviour.md 12. Titles `:monitor:machine` and `:monitor:gpu`; the server keeps them out of the task's
last iteration.
"""

from __future__ import annotations

import threading
import time

from clearml_sdk.notices import warn_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from clearml_sdk.reporting.reporter import Reporter

    Sample = dict[str, float]

MACHINE, GPU = ":monitor:machine", ":monitor:gpu"
SAMPLE_S = 0.5
REPORT_S = 30.0
GPU_FAILURES = 3


class Axis:
    """Which x a report gets: the task's iteration; seconds since the start where there are no iterations.

    wait_s: how long iterations are waited for, nothing being reported. back_s: until then iterations, once they come,
    replace the seconds; after that the seconds stay.
    """

    default_wait_s = 180.0
    wait_s = default_wait_s
    back_s = 1800.0

    @classmethod
    def choose(cls, seconds_from_start: float, wait_s: float, back_s: float) -> None:
        """Set the limits of the runs to come; an explicit `wait_s` comes before `seconds_from_start`."""
        cls.wait_s = seconds_from_start if wait_s == Axis.default_wait_s else wait_s
        cls.back_s = back_s

    def __init__(self) -> None:
        self._by_seconds = False
        self._is_settled = False

    def x(self, elapsed_s: float, has_iterations: bool, iteration: int) -> int | None:
        """The x of a report now; None: do not report yet."""
        if not self._is_settled and has_iterations:
            self._is_settled, self._by_seconds = True, self._by_seconds and elapsed_s >= self.back_s
        if self._by_seconds:
            return int(elapsed_s)
        if self._is_settled:
            return iteration
        if elapsed_s < self.wait_s:
            return None
        self._by_seconds = True
        return int(elapsed_s)


class ResourceMonitor:
    """Samples the machine twice a second and reports the means every 30 s, in a thread of its own."""

    first_report_s = REPORT_S

    def __init__(
        self,
        reporter: Reporter,
        *,
        sample_s: float = SAMPLE_S,
        report_s: float = REPORT_S,
        samplers: list[Callable[[], dict[str, Sample]]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reporter, self._sample_s, self._report_s, self._clock = reporter, sample_s, report_s, clock
        self._samplers = samplers
        self._axis = Axis()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to watch; a forked child does not."""
        self._thread = threading.Thread(target=self._run, name="clearml-resources", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        if self._thread is not None and self._thread.is_alive():
            self._thread.join(2.0)

    def _run(self) -> None:
        started_at = self._clock()
        report_at = started_at + self.first_report_s
        means = Means()
        if self._stopping.wait(min(self._sample_s, self._report_s)):
            return  # a short script does not pay for the imports below
        samplers = self._samplers if self._samplers is not None else default_samplers()
        while not self._stopping.wait(self._sample_s):
            for sampler in list(samplers):
                try:
                    for title, sample in sampler().items():
                        means.add(title, sample)
                except Exception as error:  # noqa: BLE001  # drivers and containers fail in many ways: watch the rest
                    failures = getattr(sampler, "failures", 0) + 1
                    if failures >= GPU_FAILURES or not hasattr(sampler, "failures"):
                        samplers.remove(sampler)
                        warn_once(f"resources {sampler}", f"part of the machine is not watched: {error!r}")
                    else:
                        sampler.failures = failures
            now = self._clock()
            if now >= report_at:
                report_at = now + self._report_s
                x = self._axis.x(now - started_at, self._reporter.has_iterations, self._reporter.last_iteration)
                if x is not None:
                    self._report(means, x)
                    means = Means()

    def _report(self, means: Means, x: int) -> None:
        for (title, series), value in means.values():
            self._reporter.scalar_beside(title, series, round(value, 3), x)


class Means:
    """Running means by title and series."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str], tuple[float, int]] = {}

    def add(self, title: str, sample: Sample) -> None:
        """Count one sample in."""
        for series, value in sample.items():
            total, count = self._sums.get((title, series), (0.0, 0))
            self._sums[title, series] = total + value, count + 1

    def values(self) -> list[tuple[tuple[str, str], float]]:
        """((title, series), mean) of all."""
        return [(key, total / count) for key, (total, count) in self._sums.items()]


def default_samplers() -> list[Callable[[], dict[str, Sample]]]:
    """What can be watched on this machine."""
    samplers: list[Callable[[], dict[str, Sample]]] = [MachineSampler()]
    gpus = GpuSampler.find()
    if gpus is not None:
        samplers.append(gpus)
    return samplers


class MachineSampler:
    """One sample of the machine and of this process's tree, over psutil; rates since the sample before."""

    def __init__(self) -> None:
        import psutil

        self._psutil = psutil
        self._process = psutil.Process()
        self._before: tuple[float, dict[str, float]] | None = None
        psutil.cpu_percent()

    def __call__(self) -> dict[str, Sample]:
        psutil = self._psutil
        sample = {
            "cpu_usage": psutil.cpu_percent(),
            "memory_used_gb": self._tree_bytes() / 2**30,
            "memory_free_gb": psutil.virtual_memory().available / 2**30,
            "disk_free_percent": 100.0 - psutil.disk_usage("/").percent,
        }
        temperature = self._temperature()
        if temperature is not None:
            sample["cpu_temperature"] = temperature
        now, counters = time.monotonic(), self._counters()
        if self._before is not None and now > self._before[0]:
            for name, value in counters.items():
                sample[name] = max(0.0, value - self._before[1].get(name, value)) / 2**20 / (now - self._before[0])
        self._before = now, counters
        return {MACHINE: sample}

    def _tree_bytes(self) -> int:
        """Resident memory of this process and those it started; one that ended meanwhile counts nothing."""
        total = 0
        for process in [self._process, *self._process.children(recursive=True)]:
            try:
                total += process.memory_info().rss
            except self._psutil.Error:
                continue
        return total

    def _temperature(self) -> float | None:
        read = getattr(self._psutil, "sensors_temperatures", None)
        found = read() if read is not None else {}
        cores = found.get("coretemp") or found.get("k10temp") or []
        return max((core.current for core in cores), default=None)

    def _counters(self) -> dict[str, float]:
        network, disk = self._psutil.net_io_counters(), self._psutil.disk_io_counters()
        counters: dict[str, float] = {}
        if network is not None:
            counters |= {"network_tx_mbs": network.bytes_sent, "network_rx_mbs": network.bytes_recv}
        if disk is not None:
            counters |= {"io_read_mbs": disk.read_bytes, "io_write_mbs": disk.write_bytes}
        return counters


class GpuSampler:
    """One sample of every GPU that this process may use, over NVML."""

    def __init__(self, nvml: object, handles: list[object]) -> None:
        self._nvml, self._handles = nvml, handles
        self.failures = 0

    @classmethod
    def find(cls) -> GpuSampler | None:
        """The GPUs of this machine; None where there is no driver, or no package to ask it with."""
        try:
            import pynvml
        except ImportError:
            return None
        try:
            pynvml.nvmlInit()
            indexes = _visible(pynvml.nvmlDeviceGetCount())
            handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in indexes]
        except pynvml.NVMLError:
            return None
        return cls(pynvml, handles) if handles else None

    def __call__(self) -> dict[str, Sample]:
        nvml = self._nvml
        sample: Sample = {}
        for number, handle in enumerate(self._handles):
            memory = nvml.nvmlDeviceGetMemoryInfo(handle)  # type: ignore[attr-defined]  # untyped package
            sample[f"gpu_{number}_mem_usage"] = 100.0 * memory.used / memory.total
            sample[f"gpu_{number}_mem_used_gb"] = memory.used / 2**30
            sample[f"gpu_{number}_mem_free_gb"] = memory.free / 2**30
            for name, read in (
                ("utilization", lambda h: float(nvml.nvmlDeviceGetUtilizationRates(h).gpu)),  # type: ignore[attr-defined]
                ("temperature", lambda h: float(nvml.nvmlDeviceGetTemperature(h, 0))),  # type: ignore[attr-defined]
                ("power_draw", lambda h: nvml.nvmlDeviceGetPowerUsage(h) / 1000.0),  # type: ignore[attr-defined]
            ):
                try:
                    sample[f"gpu_{number}_{name}"] = read(handle)
                except nvml.NVMLError:  # type: ignore[attr-defined]  # untyped package
                    continue  # a card (or a slice of one) that does not tell this
        return {GPU: sample}


def _visible(count: int) -> list[int]:
    """Indexes of the GPUs that CUDA_VISIBLE_DEVICES leaves; all of them where it names none by number."""
    import os

    chosen = os.environ.get("CUDA_VISIBLE_DEVICES") or os.environ.get("NVIDIA_VISIBLE_DEVICES") or ""
    numbers = [int(part) for part in chosen.split(",") if part.strip().isdigit()]
    return [number for number in numbers if number < count] or list(range(count))
