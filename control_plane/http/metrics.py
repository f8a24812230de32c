"""`/metrics` in Prometheus' text form: counts and times of calls, and nothing that names a user or a task."""

import resource
import sys
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """Counts kept by one process; a monitor adds the replicas up."""

    def __init__(self) -> None:
        self._started = time.time()
        self._calls: Counter[tuple[str, int]] = Counter()
        self._seconds: dict[str, float] = {}
        self._buckets: dict[str, list[int]] = {}
        self.gauges: dict[str, float] = {}
        """Values that others keep current, by metric name."""

    def observe(self, endpoint: str, code: int, seconds: float) -> None:
        """Note an answered call; the name is one of the table's or empty, so the number of lines is bounded."""
        self._calls[endpoint, code] += 1
        self._seconds[endpoint] = self._seconds.get(endpoint, 0.0) + seconds
        buckets = self._buckets.get(endpoint)
        if buckets is None:
            buckets = self._buckets[endpoint] = [0] * (len(BUCKETS_S) + 1)
        buckets[bisect_left(BUCKETS_S, seconds)] += 1

    def text(self, counters: Mapping[str, int]) -> str:
        """The whole page. `counters` are those that services keep."""
        lines = ["# TYPE clearml_calls_total counter"]
        lines += [
            f'clearml_calls_total{{endpoint="{name}",code="{code}"}} {count}'
            for (name, code), count in sorted(self._calls.items())
        ]
        lines.append("# TYPE clearml_call_seconds histogram")
        for name, buckets in sorted(self._buckets.items()):
            running = 0
            for limit, count in zip((*BUCKETS_S, "+Inf"), buckets, strict=True):
                running += count
                lines.append(f'clearml_call_seconds_bucket{{endpoint="{name}",le="{limit}"}} {running}')
            lines.append(f'clearml_call_seconds_sum{{endpoint="{name}"}} {self._seconds[name]:.6f}')
            lines.append(f'clearml_call_seconds_count{{endpoint="{name}"}} {running}')
        for name, count in sorted(counters.items()):
            lines += [f"# TYPE clearml_{name}_total counter", f"clearml_{name}_total {count}"]
        gauges = {**self.gauges, "process_start_time_seconds": self._started, "resident_memory_bytes": resident_bytes()}
        for name, value in sorted(gauges.items()):
            lines += [f"# TYPE clearml_{name} gauge", f"clearml_{name} {value}"]
        return "\n".join(lines) + "\n"


def resident_bytes() -> int:
    """Memory of this process: now on Linux, at its highest elsewhere."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return pages * resource.getpagesize()
