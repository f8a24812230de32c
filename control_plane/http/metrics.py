"""`/metrics` in Prometheus' text form: counts and times of calls, and nothing that names a user or a task."""

import asyncio
import os
import resource
import sys
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from control_plane.store import Store

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
LAG_PERIOD_S = 0.5
"""How often the loop is asked how late it is."""

HELP: Mapping[str, str] = {
    "calls_total": "Answered calls by endpoint and HTTP status; 499: the caller hung up.",
    "call_seconds": "Time from the head of a request to its answer, without writing it.",
    "calls_running": "Calls that are being answered now.",
    "waiting_calls": "Long calls of agents that wait for something to do.",
    "followers": "Callers that follow a task by server-sent events.",
    "event_loop_lag_seconds": "How late the event loop runs what is due.",
    "batches_in_flight": "Batches of reports that are read, wait or are stored now.",
    "reports_refused": "1: reports are refused because the store's memory is beyond its limit.",
    "refused_batches_total": "Batches of reports that were answered 429: too little memory, or too many at once.",
    "store_memory_limit_bytes": "Memory of the store from which on reports are refused.",
    "store_used_bytes": "Memory that the store uses; of several nodes the fullest one's.",
    "queued_tasks": "Tasks that wait in queues.",
    "tasks_in_flight": "Tasks that were taken from a queue and did not start yet.",
    "store_commands_total": "Commands sent to the store, without those of pipelines.",
    "store_round_trips_total": "Writes to the store that carried them.",
    "store_survives_crash": "1: the store keeps acknowledged writes when its process is killed.",
    "store_survives_power_cut": "1: the store keeps acknowledged writes when the machine loses power.",
    "fenced_writes_total": "Writes refused because the claim of their task was over.",
    "repeated_writes_total": "Calls that were answered as the first try of the same call.",
    "lost_tasks_total": "Tasks that failed because their agent was gone.",
    "returned_entries_total": "Queue entries that returned because nobody started their task in time.",
    "sealed_events_total": "Events moved from the store's memory into segments.",
    "sealing_rounds_total": "Rounds of moving events into segments.",
    "thinned_points_total": "Points left out of old curves, as the rules of retention ask.",
    "swept_segments_total": "Segments removed because nothing names them any more.",
    "unanswered_entries_total": "Queue entries that returned because their answer could not be written.",
    "watchdog_rounds_total": "Rounds of the watchdogs; only the leading server makes any.",
    "process_start_time_seconds": "When this process started, seconds since the epoch.",
    "process_cpu_seconds_total": "Processor time that this process used.",
    "resident_memory_bytes": "Memory of this process.",
}


class Histogram:
    """Counts by upper limit."""

    __slots__ = ("counts", "sum_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS_S) + 1)
        self.sum_s = 0.0

    def observe(self, seconds: float) -> None:
        """Count one value."""
        self.counts[bisect_left(BUCKETS_S, seconds)] += 1
        self.sum_s += seconds

    def lines(self, name: str, labels: str = "") -> Iterator[str]:
        """Prometheus' lines; `labels` as they stand between the braces."""
        running = 0
        before = f"{labels}," if labels else ""
        for limit, count in zip((*BUCKETS_S, "+Inf"), self.counts, strict=True):
            running += count
            yield f'clearml_{name}_bucket{{{before}le="{limit}"}} {running}'
        inside = f"{{{labels}}}" if labels else ""
        yield f"clearml_{name}_sum{inside} {self.sum_s:.6f}"
        yield f"clearml_{name}_count{inside} {running}"


class Metrics:
    """Counts kept by one process; a monitor adds the replicas up."""

    def __init__(self) -> None:
        self._started = time.time()
        self._calls: Counter[tuple[str, int]] = Counter()
        self._times: dict[str, Histogram] = {}
        self._lag = Histogram()
        self.running = 0
        """Calls that are being answered."""
        self.gauges: dict[str, float] = {}
        """Values that others keep current, by metric name."""

    def observe(self, endpoint: str, code: int, seconds: float) -> None:
        """Note an answered call; the name is one of the table's or empty, so the number of lines is bounded."""
        self._calls[endpoint, code] += 1
        times = self._times.get(endpoint)
        if times is None:
            times = self._times[endpoint] = Histogram()
        times.observe(seconds)

    async def watch_loop(self) -> None:
        """Ask the event loop how late it is, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LAG_PERIOD_S
            await asyncio.sleep(LAG_PERIOD_S)
            self._lag.observe(max(0.0, loop.time() - due))

    def text(self, counters: Mapping[str, float], gauges: Mapping[str, float]) -> str:
        """The whole page: what is kept here, what services count, and values that were just looked up."""
        now: dict[str, float] = {
            **self.gauges,
            **gauges,
            "calls_running": self.running,
            "process_start_time_seconds": self._started,
            "resident_memory_bytes": resident_bytes(),
        }
        times = os.times()
        counts: dict[str, float] = {**counters, "process_cpu_seconds": times.user + times.system}
        lines = [
            *_family("calls_total", "counter", (self._call_line(*call) for call in sorted(self._calls))),
            *_family(
                "call_seconds",
                "histogram",
                (
                    line
                    for endpoint in sorted(self._times)
                    for line in self._times[endpoint].lines("call_seconds", f'endpoint="{endpoint}"')
                ),
            ),
            *_family("event_loop_lag_seconds", "histogram", self._lag.lines("event_loop_lag_seconds")),
        ]
        for name, value in sorted(counts.items()):
            lines += _family(f"{name}_total", "counter", [f"clearml_{name}_total {value}"])
        for name, value in sorted(now.items()):
            lines += _family(name, "gauge", [f"clearml_{name} {value}"])
        return "\n".join(lines) + "\n"

    def _call_line(self, endpoint: str, code: int) -> str:
        return f'clearml_calls_total{{endpoint="{endpoint}",code="{code}"}} {self._calls[endpoint, code]}'


def _family(name: str, kind: str, lines: Iterable[str]) -> Iterator[str]:
    if name in HELP:
        yield f"# HELP clearml_{name} {HELP[name]}"
    yield f"# TYPE clearml_{name} {kind}"
    yield from lines


async def of_store(store: "Store") -> tuple[dict[str, float], dict[str, float]]:
    """Counters and gauges about the store; sums over all queues, for a queue's name is nobody's business."""
    queued, in_flight = await store.queues.totals()
    clients = store.connection.clients
    counters = {
        "store_commands": float(sum(client.commands for client in clients)),
        "store_round_trips": float(sum(client.round_trips for client in clients)),
    }
    return counters, {"queued_tasks": float(queued), "tasks_in_flight": float(in_flight)}


def resident_bytes() -> int:
    """Memory of this process: now on Linux, at its highest elsewhere."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return pages * resource.getpagesize()
