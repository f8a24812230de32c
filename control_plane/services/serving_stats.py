"""What is computed of the reports of serving containers. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

SAMPLES_KEPT = 240
"""Reports kept of a container; at one in 30 s, two hours."""
MOST_POINTS = 1000
SUMMED = frozenset({"requests", "requests_min"} | {f"{kind}_count" for kind in ("cpu", "gpu")})
"""Measures of an endpoint that are the sum of its containers'; the others are their mean."""


def sample(at_s: float, report: Mapping[str, Any]) -> dict[str, Any]:
    """One report as it is kept: every measure that it holds."""
    machine = report.get("machine_stats") or {}
    memory = {side: machine.get(f"memory_{side}") for side in ("used", "free")}
    gpu_memory = {side: _sum(machine.get(f"gpu_memory_{side}")) for side in ("used", "free")}
    measures = {
        "requests": report.get("requests_num"),
        "requests_min": report.get("requests_min"),
        "latency_ms": report.get("latency_ms"),
        "cpu_count": _length(machine.get("cpu_usage")),
        "gpu_count": _length(machine.get("gpu_usage")),
        "cpu_util": _mean(machine.get("cpu_usage")),
        "gpu_util": _mean(machine.get("gpu_usage")),
        "ram_used": memory["used"],
        "ram_free": memory["free"],
        "ram_total": _total(memory),
        "gpu_ram_used": gpu_memory["used"],
        "gpu_ram_free": gpu_memory["free"],
        "gpu_ram_total": _total(gpu_memory),
        "network_rx": machine.get("network_rx"),
        "network_tx": machine.get("network_tx"),
    }
    return {"at_s": at_s, **{name: value for name, value in measures.items() if value is not None}}


def _numbers(value: Any) -> list[float]:
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, (int, float)) and not isinstance(item, bool)]


def _mean(value: Any) -> float | None:
    numbers = _numbers(value)
    return sum(numbers) / len(numbers) if numbers else None


def _sum(value: Any) -> float | None:
    numbers = _numbers(value)
    return sum(numbers) if numbers else None


def _length(value: Any) -> int | None:
    return len(_numbers(value)) or None


def _total(sides: Mapping[str, Any]) -> float | None:
    used, free = sides["used"], sides["free"]
    return used + free if isinstance(used, (int, float)) and isinstance(free, (int, float)) else None


def interval_of(from_s: float, to_s: float, interval_s: int) -> int:
    """The interval asked for, or a longer one where it would make too many points."""
    return max(interval_s, int((to_s - from_s) / MOST_POINTS) + 1)


def curve(
    samples: Iterable[Mapping[str, Any]], measure: str, *, from_s: float, to_s: float, interval_s: int
) -> dict[int, float]:
    """Start of each interval, s since the epoch -> mean of what was reported in it."""
    sums: dict[int, list[float]] = {}
    for one in samples:
        if from_s <= one["at_s"] <= to_s and measure in one:
            start = int(from_s + (one["at_s"] - from_s) // interval_s * interval_s)
            sums.setdefault(start, []).append(one[measure])
    return {start: sum(found) / len(found) for start, found in sorted(sums.items())}


def combined(curves: Sequence[Mapping[int, float]], measure: str) -> dict[int, float]:
    """The curves of an endpoint's containers as one."""
    values: dict[int, list[float]] = {}
    for one in curves:
        for start, value in one.items():
            values.setdefault(start, []).append(value)
    is_sum = measure in SUMMED
    return {start: sum(found) / (1 if is_sum else len(found)) for start, found in sorted(values.items())}
