"""Plots: the newest of one task, and of several side by side."""

from collections.abc import Iterable, Sequence
from typing import Any

from control_plane.schema.events import MultiPlotsRequest, PlotsRequest
from control_plane.services.context import Context
from control_plane.services.events_read import (
    MOST_A_PAGE,
    bad_scroll,
    event,
    of_metrics,
    require_owners,
    scroll_position,
    wanted,
)
from control_plane.services.registry import endpoint
from control_plane.store.blocks import Record


@endpoint("events.get_task_plots", PlotsRequest, min_version="2.1")
async def get_task_plots(ctx: Context, request: PlotsRequest) -> dict[str, Any]:
    """The newest plots of each metric and variant."""
    await require_owners(ctx, [request.task], request.model_events)
    found = of_metrics(await ctx.store.events.records(request.task, "plot"), wanted(request.metrics))
    records = [(request.task, record) for record in newest(found, request.iters)]
    page, paging = _page(records, request)
    return {"plots": [event(task, "plot", record) for task, record in page], **paging}


@endpoint("events.get_multi_task_plots", MultiPlotsRequest, min_version="2.1")
async def get_multi_task_plots(ctx: Context, request: MultiPlotsRequest) -> dict[str, Any]:
    """The newest plots of several tasks: metric -> variant -> task -> iteration -> name (of the task), plots."""
    names = await require_owners(ctx, request.tasks, request.model_events)
    records: list[tuple[str, Record]] = []
    for task in dict.fromkeys(request.tasks):
        found = of_metrics(await ctx.store.events.records(task, "plot"), wanted(request.metrics))
        pick = newest if request.last_iters_per_task_metric else newest_of_all
        records += [(task, record) for record in pick(found, request.iters)]
    page, paging = _page(records, request)
    plots: dict[str, Any] = {}
    for task, record in page:
        of_task = plots.setdefault(record.metric, {}).setdefault(record.variant, {}).setdefault(task, {})
        shown = of_task.setdefault(str(record.iteration), {"name": names[task], "plots": []})
        shown["plots"].append(event(task, "plot", record))
    return {"plots": plots, **paging}


def _page(
    records: Sequence[tuple[str, Record]], request: PlotsRequest | MultiPlotsRequest
) -> tuple[Sequence[tuple[str, Record]], dict[str, Any]]:
    """The page that the scroll id asks for, and what is said about it. A read that is over ends with an empty page."""
    if request.no_scroll:
        return records, {"returned": len(records), "total": len(records), "scroll_id": None}
    first = scroll_position(request.scroll_id, "place") or 0
    if first < 0:
        raise bad_scroll(request.scroll_id)
    page = records[first : first + MOST_A_PAGE]
    return page, {"returned": len(page), "total": len(records), "scroll_id": f"place:{first + len(page)}"}


def newest(records: Iterable[Record], iters: int) -> list[Record]:
    """The newest `iters` iterations of each metric and variant, by metric, variant, newest first."""
    by_series: dict[tuple[str, str], dict[int, list[Record]]] = {}
    for record in records:
        by_series.setdefault((record.metric, record.variant), {}).setdefault(record.iteration, []).append(record)
    found = []
    for name in sorted(by_series):
        for step in sorted(by_series[name], reverse=True)[:iters]:
            found += by_series[name][step]
    return found


def newest_of_all(records: Iterable[Record], iters: int) -> list[Record]:
    """What belongs to the newest `iters` iterations of them all, by metric, variant, newest first."""
    every = list(records)
    steps = set(sorted({record.iteration for record in every}, reverse=True)[:iters])
    return newest([record for record in every if record.iteration in steps], iters)
