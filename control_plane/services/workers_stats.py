"""`workers.*`: what machines were like and how many were at work, over time."""

from collections.abc import Collection, Sequence
from typing import Any

from control_plane.schema.workers import (
    ActivityReportRequest,
    MetricKeysRequest,
    StatisticsRequest,
    StatItem,
)
from control_plane.services.context import Context
from control_plane.services.errors import validation
from control_plane.services.registry import endpoint
from control_plane.store.samples import HOUR_S, METRICS, Stretch, Total, joined
from control_plane.store.worker_history import DAY_S, DAYS_KEPT, Recorded

CATEGORIES: dict[str, tuple[str, ...]] = {
    name: tuple(metric for metric in METRICS if metric.partition("_")[0] == name)
    for name in ("cpu", "gpu", "memory", "disk", "network")
}


@endpoint("workers.get_metric_keys", MetricKeysRequest, min_version="2.4")
async def get_metric_keys(ctx: Context, request: MetricKeysRequest) -> dict[str, Any]:
    """The names of what these workers, or all, report about their machines."""
    known: set[str] = set()
    for worker in await _recorded(ctx, request.worker_ids, ctx.now_ms - DAYS_KEPT * DAY_S * 1000):
        latest = await ctx.store.worker_history.latest(worker.key)
        known |= set(latest.values) if latest is not None else set()
    categories = {name: [key for key in keys if key in known] for name, keys in CATEGORIES.items()}
    return {"categories": [{"name": name, "metric_keys": keys} for name, keys in categories.items() if keys]}


@endpoint("workers.get_stats", StatisticsRequest, min_version="2.4")
async def get_stats(ctx: Context, request: StatisticsRequest) -> dict[str, Any]:
    """Averages, minima and maxima of machine statistics, for each interval in which a worker reported."""
    from_s, _ = _times(request)
    answer = []
    for worker in await _recorded(ctx, request.worker_ids, from_s * 1000):
        intervals = await _intervals(ctx, worker, request, {item.key for item in request.items})
        metrics = [shown for item in _by_key(request.items) for shown in _shown(item, intervals, request)]
        answer.append({"worker": worker.name, "metrics": metrics})
    return {"workers": [worker for worker in answer if worker["metrics"]]}


@endpoint("workers.get_activity_report", ActivityReportRequest, min_version="2.4")
async def get_activity_report(ctx: Context, request: ActivityReportRequest) -> dict[str, Any]:
    """How many workers reported, and how many of them ran a task, for each interval in which any did."""
    from_s, _ = _times(request)
    total: dict[int, int] = {}
    active: dict[int, int] = {}
    for worker in await _recorded(ctx, None, from_s * 1000):
        for at_s, interval in (await _intervals(ctx, worker, request, ())).items():
            total[at_s] = total.get(at_s, 0) + 1
            active[at_s] = active.get(at_s, 0) + (interval.busy > 0)
    dates = sorted(total)
    return {
        "total": {"dates": dates, "counts": [total[at_s] for at_s in dates]},
        "active": {"dates": dates, "counts": [active[at_s] for at_s in dates]},
    }


def _times(request: ActivityReportRequest) -> tuple[int, int]:
    if request.to_date < request.from_date:
        raise validation("error for field 'to_date': it lies before from_date")
    return int(request.from_date), int(request.to_date)


async def _recorded(ctx: Context, names: Sequence[str] | None, since_ms: int) -> list[Recorded]:
    """The caller's company's workers that reported since then, by name."""
    prefix = f"worker_{ctx.company}_"
    found = await ctx.store.worker_history.recorded(since_ms, ctx.now_ms)
    return sorted(
        (worker for worker in found if worker.key.startswith(prefix) and (not names or worker.name in names)),
        key=lambda worker: worker.name,
    )


async def _intervals(
    ctx: Context, worker: Recorded, request: ActivityReportRequest, metrics: Collection[str]
) -> dict[int, Stretch]:
    """What a worker reported by the beginning of each interval; of its machine only these metrics."""
    from_s, to_s = _times(request)
    by_hour = request.interval % HOUR_S == 0
    known = await ctx.store.worker_history.read(worker.key, from_s, to_s, by_hour=by_hour, metrics=metrics)
    return joined(known, request.interval)


def _by_key(items: Sequence[StatItem]) -> list[tuple[str, list[str]]]:
    """(metric, what to tell of it), as asked, each once."""
    found: dict[str, list[str]] = {}
    for item in items:
        wanted = found.setdefault(item.key, [])
        if item.category not in wanted:
            wanted.append(item.category)
    return list(found.items())


def _shown(
    item: tuple[str, list[str]], intervals: dict[int, Stretch], request: StatisticsRequest
) -> list[dict[str, Any]]:
    """A metric's statistics: one entry, or one for each device."""
    key, aggregations = item
    by_variant: dict[str, dict[int, Total]] = {}
    for at_s, interval in intervals.items():
        for (metric, device), total in interval.totals.items():
            if metric == key:
                variant = str(device) if request.split_by_variant else ""
                by_variant.setdefault(variant, {}).setdefault(at_s, Total()).add(total)
    shown = []
    for variant, totals in by_variant.items():
        stats = [
            {"aggregation": name, "values": [_aggregated(total, name) for total in totals.values()]}
            for name in aggregations
        ]
        named = {"variant": variant} if request.split_by_variant else {}
        shown.append({"metric": key, **named, "dates": list(totals), "stats": stats})
    return shown


def _aggregated(total: Total, aggregation: str) -> float:
    value = {"avg": total.sum / total.count, "min": total.min, "max": total.max}[aggregation]
    return float(f"{value:.6g}")  # what a float32 keeps
