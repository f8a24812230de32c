"""Scalars: curves thinned for a reader, every point of a series, single values, the latest ones; and vectors."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from control_plane.schema.events import (
    HistogramRequest,
    MetricDataRequest,
    MultiHistogramRequest,
    OwnerRequest,
    RawRequest,
    SingleValuesRequest,
    VectorRequest,
)
from control_plane.services import series_pages
from control_plane.services.context import Context
from control_plane.services.curves import SINGLE_VALUE_STEP, curve, curve_in_short, iso_time, stretch
from control_plane.services.events_read import (
    MOST_A_PAGE,
    bad_scroll,
    require_owners,
    scalar_event,
    wanted,
)
from control_plane.services.registry import endpoint
from control_plane.services.series_pages import Position, Span
from control_plane.store.turns import Turns

if TYPE_CHECKING:
    from control_plane.store.points import Pieces

_decode_position = msgspec.json.Decoder(Position | None).decode
MOST_RAW_POINTS = 200_000
LATEST = 100
"""So many newest points make the mean in `get_task_latest_scalar_values`."""


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
    samples, extremes = request.samples, request.extremes

    def whole(series: "Pieces") -> dict[str, Any]:
        return curve(series, request.key, samples, extremes=extremes)

    if request.key == "iter":
        curves = await ctx.store.events.curves(
            owner,
            wanted(request.metrics),
            whole,
            lambda series: curve_in_short(series, samples, extremes=extremes),
            samples=samples,
            from_step=SINGLE_VALUE_STEP + 1,
        )
    else:
        curves = await ctx.store.events.each(owner, wanted(request.metrics), whole)
    for (metric, variant), found in curves.items():
        if found["x"]:
            answer.setdefault(metric, {})[variant] = {"name": variant, **found}
    return answer


@endpoint("events.scalar_metrics_iter_raw", RawRequest, min_version="2.16")
async def scalar_metrics_iter_raw(ctx: Context, request: RawRequest) -> dict[str, Any]:
    """Every point of a metric's series, by x and then by variant; the scroll id names the last one."""
    await require_owners(ctx, [request.task], request.model_events)
    after, size = _position(request.scroll_id), min(request.batch_size, MOST_RAW_POINTS)
    x = after[0] if after is not None else None
    found = await ctx.store.events.each(
        request.task,
        wanted([request.metric]),
        lambda series: stretch(series, request.key, x, size, begin=request.begin, end=request.end),
    )
    along = {variant: points for (_, variant), points in found.items()}
    page = series_pages.page({variant: points.xs for variant, points in along.items()}, after, size)
    name = "iter" if request.key == "iter" else "timestamp"
    variants: dict[str, dict[str, list[Any]]] = {}
    turns = Turns()
    for variant, (low, high) in page.items():
        shown: list[Any] = along[variant].xs[low:high]
        if request.key == "iso_time":
            for i, at_ms in enumerate(shown):
                shown[i] = iso_time(at_ms)
                await turns.rest()
        variants[variant] = {name: shown, "y": along[variant].ys[low:high]}
        await turns.rest()
    return {
        "variants": variants,
        "returned": sum(high - low for low, high in page.values()),
        "total": sum(points.total for points in along.values()) if request.count_total else None,
        "scroll_id": _scroll_id({variant: points.xs for variant, points in along.items()}, page, request.scroll_id),
    }


def _position(scroll_id: str | None) -> Position | None:
    if not scroll_id:
        return None
    try:
        position: Position | None = _decode_position(scroll_id)
    except (msgspec.DecodeError, RecursionError):
        raise bad_scroll(scroll_id) from None
    if position is not None and (position[2] < 0 or not -(2**63) <= position[0] < 2**63):
        raise bad_scroll(scroll_id)
    return position


def _scroll_id(xs: Mapping[str, Sequence[int]], page: Mapping[str, Span], before: str | None) -> str:
    """What names the end of this page; after an empty one it stays."""
    return msgspec.json.encode(series_pages.end(xs, page)).decode() if page else before or "null"


@endpoint("events.get_scalar_metric_data", MetricDataRequest, min_version="2.1")
async def get_scalar_metric_data(ctx: Context, request: MetricDataRequest) -> dict[str, Any]:
    """The points of a metric as events, by iteration and variant."""
    await require_owners(ctx, [request.task], request.model_events)
    after = None if request.no_scroll else _position(request.scroll_id)
    found = await ctx.store.events.scalars(request.task, {(request.metric, None)})
    xs = {variant: series.steps for (_, variant), series in found.items()}
    total = sum(map(len, xs.values()))
    page = series_pages.page(xs, after, total if request.no_scroll else MOST_A_PAGE)
    names = {(request.metric, variant) for variant in page}
    workers = await ctx.store.events.workers(request.task, names) if names else {}
    events, turns = [], Turns()
    for variant, (low, high) in page.items():
        name = (request.metric, variant)
        who = workers[name].of(xs[variant][low:high]) if name in workers else [""] * (high - low)
        for i in range(low, high):
            events.append(scalar_event(request.task, *name, found[name], i, who[i - low]))
            await turns.rest()
    events.sort(key=lambda event: (event["iter"], event["variant"]))
    scroll_id = None if request.no_scroll else _scroll_id(xs, page, request.scroll_id)
    return {"events": events, "returned": len(events), "total": total, "scroll_id": scroll_id}


@endpoint("events.get_task_single_value_metrics", SingleValuesRequest, min_version="2.20")
async def get_task_single_value_metrics(ctx: Context, request: SingleValuesRequest) -> dict[str, Any]:
    """What was reported once, without an iteration."""
    names = await require_owners(ctx, request.tasks, request.model_events)
    some = wanted(request.metrics)
    tasks = []
    for task in dict.fromkeys(request.tasks):
        _, statistics = await ctx.store.events.statistics(task)
        # The series' lowest iteration is the one of single values.
        once = {(one.metric, one.variant) for one in statistics if one.first_iteration == SINGLE_VALUE_STEP}
        if some is not None:
            once = {(metric, variant) for metric, variant in once if {(metric, variant), (metric, None)} & some}
        if not once:
            continue
        values = [
            {"metric": metric, "variant": variant, "value": series.values[0], "timestamp": series.times_ms[0]}
            for (metric, variant), series in (await ctx.store.events.scalars(task, {*once})).items()
        ]
        tasks.append({"task": task, "task_name": names[task], "values": values})
    return {"tasks": tasks}


@endpoint("events.get_task_latest_scalar_values", OwnerRequest, min_version="2.1")
async def get_task_latest_scalar_values(ctx: Context, request: OwnerRequest) -> dict[str, Any]:
    """The newest value of each series, and the mean of its newest hundred."""
    await require_owners(ctx, [request.task], request.model_events)
    metrics: dict[str, list[dict[str, Any]]] = {}
    last_iteration = 0
    for (metric, variant), series in (await ctx.store.events.scalars(request.task)).items():
        newest = [value for value in series.values[-LATEST:] if value == value]
        last_iteration = max(last_iteration, series.steps[-1])
        metrics.setdefault(metric, []).append(
            {
                "name": variant,
                "last_value": series.values[-1],
                "last_timestamp": series.times_ms[-1],
                "last_100_value": sum(newest) / len(newest) if newest else None,
            }
        )
    shown = [{"name": metric, "variants": variants} for metric, variants in metrics.items()]
    return {"metrics": shown, "last_iter": last_iteration}


@endpoint("events.vector_metrics_iter_histogram", VectorRequest, min_version="2.1")
async def vector_metrics_iter_histogram(ctx: Context, request: VectorRequest) -> dict[str, Any]:
    """The vectors of one series by iteration."""
    await require_owners(ctx, [request.task], request.model_events)
    records = [
        record
        for record in await ctx.store.events.records(request.task, "vector")
        if (record.metric, record.variant) == (request.metric, request.variant)
    ]
    records.sort(key=lambda record: record.iteration)
    return {
        "metric": request.metric,
        "variant": request.variant,
        "iterations": [record.iteration for record in records],
        "vectors": [record.values or [] for record in records],
    }
