"""Debug images and plots by iteration: pages of several tasks, and one sample after the other."""

from collections.abc import Sequence
from typing import Any, Literal

from control_plane.schema.events import (
    ImageSampleRequest,
    NextSampleRequest,
    SampleRequest,
    SamplesRequest,
    TaskMetric,
)
from control_plane.services import sample_cursor
from control_plane.services.context import Context
from control_plane.services.events_read import bad_scroll, event, of_metrics, require_owners, wanted
from control_plane.services.registry import endpoint
from control_plane.services.sample_cursor import Cursor, Unit
from control_plane.services.sample_windows import Window, next_steps, read_scroll, write_scroll
from control_plane.store.blocks import Record

Sampled = Literal["image", "plot"]


@endpoint("events.debug_images", SamplesRequest, min_version="2.1")
async def debug_images(ctx: Context, request: SamplesRequest) -> dict[str, Any]:
    """The newest iterations of the debug images of several tasks."""
    return await _samples(ctx, request, "image")


@endpoint("events.plots", SamplesRequest, min_version="2.20")
async def plots(ctx: Context, request: SamplesRequest) -> dict[str, Any]:
    """The newest iterations of the plots of several tasks."""
    return await _samples(ctx, request, "plot")


async def _samples(ctx: Context, request: SamplesRequest, family: Sampled) -> dict[str, Any]:
    by_task: dict[str, list[TaskMetric]] = {}
    for one in request.metrics:
        by_task.setdefault(one.task, []).append(one)
    await require_owners(ctx, list(by_task), request.model_events)
    windows = _windows(request)
    answer = []
    for task, asked in by_task.items():
        some = None if any(one.metric is None for one in asked) else wanted(asked)
        by_iteration: dict[int, list[dict[str, Any]]] = {}
        for record in of_metrics(await _records(ctx, task, family), some):
            by_iteration.setdefault(record.iteration, []).append(event(task, family, record))
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
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise bad_scroll(request.scroll_id) from None


@endpoint("events.get_debug_image_sample", ImageSampleRequest, min_version="2.12")
async def get_debug_image_sample(ctx: Context, request: ImageSampleRequest) -> dict[str, Any]:
    """One debug image, and a scroll id for its neighbours."""
    return await _first(ctx, request, "image", request.variant)


@endpoint("events.next_debug_image_sample", NextSampleRequest, min_version="2.12")
async def next_debug_image_sample(ctx: Context, request: NextSampleRequest) -> dict[str, Any]:
    """The debug image beside the one shown last; null when there is none further on."""
    return await _next(ctx, request, "image")


@endpoint("events.get_plot_sample", SampleRequest, min_version="2.20")
async def get_plot_sample(ctx: Context, request: SampleRequest) -> dict[str, Any]:
    """The plots of a metric at one iteration, and a scroll id for their neighbours."""
    return await _first(ctx, request, "plot", "")


@endpoint("events.next_plot_sample", NextSampleRequest, min_version="2.20")
async def next_plot_sample(ctx: Context, request: NextSampleRequest) -> dict[str, Any]:
    """The plots beside those shown last; none when there are none further on."""
    return await _next(ctx, request, "plot")


async def _first(ctx: Context, request: SampleRequest, family: Sampled, variant: str) -> dict[str, Any]:
    await require_owners(ctx, [request.task], request.model_events)
    units = await _units(ctx, request.task, family)
    known = _cursor(request.scroll_id, request.task) if request.scroll_id and not request.refresh else None
    ceiling = known.ceiling if known is not None else max((unit[0] for unit in units), default=None)
    cursor = Cursor(request.task, request.metric, variant, None, request.navigate_current_metric, ceiling)
    cursor.iteration = sample_cursor.newest(units, cursor, request.iteration)
    return _answer(request.task, family, units, cursor, is_found=cursor.iteration is not None)


async def _next(ctx: Context, request: NextSampleRequest, family: Sampled) -> dict[str, Any]:
    await require_owners(ctx, [request.task], request.model_events)
    cursor = _cursor(request.scroll_id, request.task)
    units = await _units(ctx, request.task, family)
    unit = sample_cursor.beside(units, cursor, earlier=request.navigate_earlier, other_iteration=request.next_iteration)
    if unit is not None:
        cursor.iteration, cursor.metric, cursor.variant = unit
    return _answer(request.task, family, units, cursor, is_found=unit is not None)


async def _units(ctx: Context, task: str, family: Sampled) -> dict[Unit, list[Record]]:
    """What is shown at a time: one image, or all plots of a metric at an iteration."""
    units: dict[Unit, list[Record]] = {}
    for record in await _records(ctx, task, family):
        variant = record.variant if family == "image" else ""
        units.setdefault((record.iteration, record.metric, variant), []).append(record)
    return units


async def _records(ctx: Context, task: str, family: Sampled) -> list[Record]:
    records = await ctx.store.events.records(task, family)
    return still_there(records) if family == "image" else records


def still_there(images: Sequence[Record]) -> list[Record]:
    """Without those whose file shows a later iteration now: SDKs keep so many files a series, and begin again."""
    newest: dict[tuple[str, str, str], int] = {}
    for image in images:
        name = (image.metric, image.variant, image.text)
        newest[name] = max(image.iteration, newest.get(name, image.iteration))
    return [
        image
        for image in images
        if not image.text or image.iteration == newest[image.metric, image.variant, image.text]
    ]


def _cursor(scroll_id: str | None, task: str) -> Cursor:
    try:
        cursor = sample_cursor.decode(scroll_id or "")
    except ValueError:
        raise bad_scroll(scroll_id) from None
    if cursor.task != task:
        raise bad_scroll(scroll_id)
    return cursor


def _answer(
    task: str, family: Sampled, units: dict[Unit, list[Record]], cursor: Cursor, *, is_found: bool
) -> dict[str, Any]:
    lowest, highest = sample_cursor.bounds(units, cursor)
    answer: dict[str, Any] = {
        "scroll_id": sample_cursor.encode(cursor),
        "min_iteration": lowest,
        "max_iteration": highest,
    }
    place = (cursor.iteration or 0, cursor.metric, cursor.variant)
    events = [event(task, family, record) for record in units[place]] if is_found else []
    if family == "plot":
        return {**answer, "events": sorted(events, key=lambda shown: shown["variant"])}
    # Of several images under one name (several keys) the last one reported is shown.
    return {**answer, "event": events[-1] if events else None}
