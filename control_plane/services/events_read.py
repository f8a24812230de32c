"""Reading what was reported: curves, console, plots, images. Source: contract/wire.md, section 11."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from control_plane.schema.events import (
    EventsRequest,
    HistogramRequest,
    LogRequest,
    MetricVariants,
    MultiHistogramRequest,
    OwnerRequest,
    PlotsRequest,
    SamplesRequest,
    TaskMetric,
    TaskMetricsRequest,
    TasksEventsRequest,
)
from control_plane.services.context import Context
from control_plane.services.curves import SINGLE_VALUE_STEP, curve
from control_plane.services.errors import ApiError, Subcode, unknown_model, unknown_task
from control_plane.services.event_batches import FAMILY_OF, TYPE_OF
from control_plane.services.registry import endpoint
from control_plane.services.sample_windows import Window, next_steps, read_scroll, write_scroll
from control_plane.store.blocks import Record
from control_plane.store.events import Family, Series


@endpoint("events.scalar_metrics_iter_histogram", HistogramRequest, min_version="2.1")
async def scalar_metrics_iter_histogram(ctx: Context, request: HistogramRequest) -> dict[str, Any]:
    """The curves of a task: metric -> variant -> name, x, y."""
    await require_owners(ctx, [request.task], request.model_events)
    return await _curves(ctx, request.task, request)


@endpoint("events.multi_task_scalar_metrics_iter_histogram", MultiHistogramRequest, min_version="2.1")
async def multi_task_scalar_metrics_iter_histogram(ctx: Context, request: MultiHistogramRequest) -> dict[str, Any]:
    """The curves of several tasks: metric -> variant -> task -> name (of the task), x, y."""
    names = await require_owners(ctx, request.tasks, request.model_events)
    answer: dict[str, Any] = {}
    for task in dict.fromkeys(request.tasks):
        for metric, variants in (await _curves(ctx, task, request)).items():
            for variant, found in variants.items():
                answer.setdefault(metric, {}).setdefault(variant, {})[task] = {**found, "name": names[task]}
    return answer


async def _curves(
    ctx: Context, owner: str, request: HistogramRequest | MultiHistogramRequest
) -> dict[str, dict[str, Any]]:
    answer: dict[str, dict[str, Any]] = {}
    for (metric, variant), series in (await ctx.store.events.scalars(owner, wanted(request.metrics))).items():
        found = curve(series, request.key, request.samples)
        if found["x"]:
            answer.setdefault(metric, {})[variant] = {"name": variant, **found}
    return answer


@endpoint("events.get_task_single_value_metrics", TasksEventsRequest, min_version="2.20")
async def get_task_single_value_metrics(ctx: Context, request: TasksEventsRequest) -> dict[str, Any]:
    """What was reported once, without an iteration."""
    names = await require_owners(ctx, request.tasks, request.model_events)
    tasks = []
    for task in dict.fromkeys(request.tasks):
        values = []
        for (metric, variant), series in (await ctx.store.events.scalars(task)).items():
            if series.steps[:1] == [SINGLE_VALUE_STEP]:
                value = {"value": series.values[0], "timestamp": series.times_ms[0]}
                values.append({"metric": metric, "variant": variant, **value})
        if values:
            tasks.append({"task": task, "task_name": names[task], "values": values})
    return {"tasks": tasks}


@endpoint("events.get_task_log", LogRequest, min_version="1.5")
async def get_task_log(ctx: Context, request: LogRequest) -> dict[str, Any]:
    """A window of the console: the newest entries, or those before or after a time."""
    await require_owners(ctx, [request.task], request.model_events)
    lines = await ctx.store.events.console(request.task)
    total = len(lines)
    if request.from_timestamp is not None:
        at = request.from_timestamp
        lines = [line for line in lines if (line.at_ms < at if request.navigate_earlier else line.at_ms > at)]
    window = lines[-request.batch_size :][::-1] if request.navigate_earlier else lines[: request.batch_size]
    if request.order and (request.order == "desc") != request.navigate_earlier:
        window = window[::-1]
    events = [_event(request.task, "log", line) for line in window]
    return {"events": events, "returned": len(events), "total": total}


@endpoint("events.get_task_plots", PlotsRequest, min_version="2.1")
async def get_task_plots(ctx: Context, request: PlotsRequest) -> dict[str, Any]:
    """The newest plots of each metric and variant."""
    await require_owners(ctx, [request.task], request.model_events)
    found = _of_metrics(await ctx.store.events.records(request.task, "plot"), wanted(request.metrics))
    plots = [_event(request.task, "plot", record) for record in newest(found, request.iters)]
    return {"plots": plots, "returned": len(plots), "total": len(plots), "scroll_id": None}


@endpoint("events.debug_images", SamplesRequest, min_version="2.1")
async def debug_images(ctx: Context, request: SamplesRequest) -> dict[str, Any]:
    """The newest iterations of the debug images of several tasks."""
    return await _samples(ctx, request, "image")


@endpoint("events.plots", SamplesRequest, min_version="2.20")
async def plots(ctx: Context, request: SamplesRequest) -> dict[str, Any]:
    """The newest iterations of the plots of several tasks."""
    return await _samples(ctx, request, "plot")


async def _samples(ctx: Context, request: SamplesRequest, family: Family) -> dict[str, Any]:
    by_task: dict[str, list[TaskMetric]] = {}
    for one in request.metrics:
        by_task.setdefault(one.task, []).append(one)
    await require_owners(ctx, list(by_task), request.model_events)
    windows = _windows(request)
    answer = []
    for task, asked in by_task.items():
        some = None if any(one.metric is None for one in asked) else wanted(asked)
        by_iteration: dict[int, list[dict[str, Any]]] = {}
        for record in _of_metrics(await ctx.store.events.records(task, family), some):
            by_iteration.setdefault(record.iteration, []).append(_event(task, family, record))
        steps = next_steps(by_iteration, windows.get(task), request.iters, earlier=request.navigate_earlier)
        if steps:
            windows[task] = steps[-1], steps[0]
        answer.append({"task": task, "iterations": [{"iter": step, "events": by_iteration[step]} for step in steps]})
    return {"metrics": answer, "scroll_id": write_scroll(windows)}


def _windows(request: SamplesRequest) -> dict[str, Window]:
    if request.refresh:
        return {}
    try:
        return read_scroll(request.scroll_id)
    except (ValueError, TypeError):
        raise ApiError(400, Subcode.BAD_SCROLL, "Invalid scroll id", scroll_id=request.scroll_id or "") from None


@endpoint("events.get_task_events", EventsRequest, min_version="2.1")
async def get_task_events(ctx: Context, request: EventsRequest) -> dict[str, Any]:
    """Raw events by iteration. A page holds every event of its last iteration; the scroll id names that iteration."""
    await require_owners(ctx, [request.task], request.model_events)
    events = await _all_events(ctx, request)
    descending = request.order == "desc"
    events.sort(key=lambda event: event["iter"], reverse=descending)
    total = len(events)
    after = _scroll_position(request.scroll_id)
    if after is not None:
        events = [event for event in events if (event["iter"] < after if descending else event["iter"] > after)]
    size = min(request.batch_size, 10_000)
    page = events[:size]
    page += [event for event in events[size:] if event["iter"] == page[-1]["iter"]]
    position = page[-1]["iter"] if page else after
    scroll_id = request.scroll_id if not page and request.scroll_id else f"after:{'' if position is None else position}"
    return {"events": page, "returned": len(page), "total": total, "scroll_id": scroll_id}


async def _all_events(ctx: Context, request: EventsRequest) -> list[dict[str, Any]]:
    family = FAMILY_OF[request.event_type] if request.event_type else None
    some = wanted(request.metrics)
    events: list[dict[str, Any]] = []
    if family in (None, "scalar"):
        for (metric, variant), series in (await ctx.store.events.scalars(request.task, some)).items():
            events += _points(request.task, metric, variant, series)
    for other in ("plot", "image", "vector"):
        if family in (None, other):
            records = _of_metrics(await ctx.store.events.records(request.task, other), some)
            events += [_event(request.task, other, record) for record in records]
    if family == "log":
        events += [_event(request.task, "log", line) for line in await ctx.store.events.console(request.task)]
    return events


@endpoint("events.get_scalar_metrics_and_variants", OwnerRequest, min_version="2.1")
async def get_scalar_metrics_and_variants(ctx: Context, request: OwnerRequest) -> dict[str, Any]:
    """The names of a task's series."""
    await require_owners(ctx, [request.task], request.model_events)
    _, statistics = await ctx.store.events.statistics(request.task)
    metrics: dict[str, list[str]] = {}
    for one in statistics:
        metrics.setdefault(one.metric, []).append(one.variant)
    return {"metrics": metrics}


@endpoint("events.get_task_metrics", TaskMetricsRequest, min_version="2.7")
async def get_task_metrics(ctx: Context, request: TaskMetricsRequest) -> dict[str, Any]:
    """The metrics of several tasks that have events of a type."""
    await require_owners(ctx, request.tasks, request.model_events)
    family = FAMILY_OF[request.event_type]
    answer = []
    for task in dict.fromkeys(request.tasks):
        if family == "scalar":
            names = {one.metric for one in (await ctx.store.events.statistics(task))[1]}
        elif family == "log":
            names = set()
        else:
            names = {record.metric for record in await ctx.store.events.records(task, family)}
        answer.append({"task": task, "metrics": sorted(names)})
    return {"metrics": answer}


async def require_owners(ctx: Context, ids: Sequence[str], are_models: bool) -> dict[str, str]:
    """Id -> name of these tasks (or models); raise 400/101 (or 400/201) naming those that do not exist."""
    kind = "model" if are_models else "task"
    documents = await ctx.store.get_many(kind, ids, ["name"])
    missing = [id for id, document in zip(ids, documents, strict=True) if document is None]
    if missing:
        raise unknown_model(ids=missing) if are_models else unknown_task(ids=missing)
    return {id: (document or {}).get("name", "") for id, document in zip(ids, documents, strict=True)}


def wanted(metrics: Iterable[MetricVariants | TaskMetric] | None) -> set[tuple[str, str | None]] | None:
    """The (metric, variant) pairs asked for, variant None = all of them; None = everything."""
    if not metrics:
        return None
    pairs: set[tuple[str, str | None]] = set()
    for one in metrics:
        pairs |= {(one.metric or "", variant) for variant in (one.variants or [None])}  # type: ignore[list-item]
    return pairs


def newest(records: Iterable[Record], iters: int) -> list[Record]:
    """The newest `iters` iterations of each metric and variant, by metric, variant, newest first."""
    by_series: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        by_series.setdefault((record.metric, record.variant), []).append(record)
    found = []
    for name in sorted(by_series):
        steps = sorted({record.iteration for record in by_series[name]}, reverse=True)[:iters]
        found += [record for step in steps for record in by_series[name] if record.iteration == step]
    return found


def _of_metrics(records: list[Record], some: set[tuple[str, str | None]] | None) -> list[Record]:
    if some is None:
        return records
    return [record for record in records if {(record.metric, record.variant), (record.metric, None)} & some]


def _scroll_position(scroll_id: str | None) -> int | None:
    if not scroll_id:
        return None
    name, _, position = scroll_id.partition(":")
    try:
        return int(position) if position or name != "after" else None
    except ValueError:
        raise ApiError(400, Subcode.BAD_SCROLL, "Invalid scroll id", scroll_id=scroll_id) from None


def _points(task: str, metric: str, variant: str, series: Series) -> Iterable[dict[str, Any]]:
    common = {"type": TYPE_OF["scalar"], "task": task, "metric": metric, "variant": variant}
    for step, at_ms, value in zip(series.steps, series.times_ms, series.values, strict=True):
        yield {**common, "iter": step, "timestamp": at_ms, "value": value}


def _event(task: str, family: Family, record: Record) -> dict[str, Any]:
    """A record as the API answers it."""
    event: dict[str, Any] = {
        "type": TYPE_OF[family],
        "task": task,
        "timestamp": record.at_ms,
        "@timestamp": datetime.fromtimestamp(record.at_ms / 1000, UTC).isoformat(timespec="microseconds"),
        "iter": record.iteration,
        "metric": record.metric,
        "variant": record.variant,
        "worker": record.worker,
    }
    if family == "log":
        event |= {"msg": record.text, "level": record.level}
    elif family == "plot":
        event |= {"plot_str": record.text, "plot_len": len(record.text)}
    elif family == "image":
        event |= {"url": record.text, "key": record.key}
    else:
        event["values"] = event["value"] = record.values
    return event
