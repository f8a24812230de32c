"""Reading what was reported: raw events and names. What the `events_*` modules share is here, too.

Source: contract/wire.md, section 11.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from control_plane.schema.events import (
    EventsRequest,
    EventType,
    MetricVariants,
    MultiMetricsRequest,
    OwnerRequest,
    ScrollRequest,
    TaskMetric,
    TaskMetricsRequest,
)
from control_plane.services import series_pages
from control_plane.services.context import Context
from control_plane.services.errors import ApiError, Subcode, unknown_model, unknown_task
from control_plane.services.event_batches import FAMILY_OF, TYPE_OF
from control_plane.services.registry import endpoint
from control_plane.services.series_pages import Span
from control_plane.store.blocks import FAMILIES, Family, Record
from control_plane.store.series import Series
from control_plane.store.turns import Turns

if TYPE_CHECKING:
    from control_plane.store.point_workers import Workers

MOST_A_PAGE = 10_000
"""The largest batch of events; a page may still exceed it, as it holds all events of its last iteration."""

Wanted = set[tuple[str, str | None]] | None
"""(metric, variant) pairs, variant None = all of the metric's; None = everything."""


@endpoint("events.get_task_events", EventsRequest, min_version="2.1")
async def get_task_events(ctx: Context, request: EventsRequest) -> dict[str, Any]:
    """Raw events by iteration. A page holds every event of its last iteration; the scroll id names that iteration."""
    await require_owners(ctx, [request.task], request.model_events)
    after, size = scroll_position(request.scroll_id), min(request.batch_size, MOST_A_PAGE)
    families: tuple[Family, ...] = (FAMILY_OF[request.event_type],) if request.event_type else FAMILIES
    sources = await _sources(ctx, request, families, after, size)
    steps = [source.steps for source in sources]
    descending = request.order == "desc"
    spans = series_pages.spans(steps, after, size, descending=descending)
    events, turns = list[dict[str, Any]](), Turns()
    workers = await _workers(ctx, request.task, sources, spans)
    for source, (low, high) in zip(sources, spans, strict=True):
        known = workers.get(source.series) if source.series is not None else None
        who = known.of(source.steps[low:high]) if known is not None else None
        for place in range(low, high):
            shown = source.shown(place)
            if who is not None:
                shown["worker"] = who[place - low]
            events.append(shown)
            await turns.rest()
    events.sort(key=lambda event: event["iter"], reverse=descending)
    return {
        "events": events,
        "returned": len(events),
        "total": sum(source.total for source in sources) if request.count_total else None,
        "scroll_id": f"after:{events[-1]['iter']}" if events else request.scroll_id or "after:",
    }


@dataclass(frozen=True)
class _Source:
    """Events of a task by iteration: their iterations, and how the one at a place is answered."""

    steps: Sequence[int]
    shown: Callable[[int], dict[str, Any]]
    total: int
    """How many there are: of scalars, only those that a page may need are here."""
    series: tuple[str, str] | None = None
    """Metric and variant of scalars."""


async def _sources(
    ctx: Context, request: EventsRequest, families: Iterable[Family], after: int | None, size: int
) -> list[_Source]:
    owner, some, descending = request.task, wanted(request.metrics), request.order == "desc"
    sources = []
    for family in families:
        if family == "scalar":
            found = await ctx.store.events.each(
                owner, some, lambda series: (series.page(after, size, descending=descending), len(series))
            )
            for name, (series, total) in found.items():
                sources.append(_Source(series.steps, partial(scalar_event, owner, *name, series), total, name))
        else:
            of_family = await _records(ctx, owner, family)
            records = sorted(of_metrics(of_family, some), key=lambda record: record.iteration)
            steps = [record.iteration for record in records]
            sources.append(_Source(steps, _showing(owner, family, records), len(records)))
    return sources


async def _workers(
    ctx: Context, owner: str, sources: Sequence[_Source], spans: Sequence[Span]
) -> "dict[tuple[str, str], Workers]":
    """Who reported the scalars of a page, by series."""
    names = {
        source.series
        for source, (low, high) in zip(sources, spans, strict=True)
        if source.series is not None and low < high
    }
    return await ctx.store.events.workers(owner, names) if names else {}


def _showing(owner: str, family: Family, records: Sequence[Record]) -> Callable[[int], dict[str, Any]]:
    return lambda place: event(owner, family, records[place])


async def _records(ctx: Context, owner: str, family: Family) -> list[Record]:
    if family == "log":
        return (await ctx.store.events.console(owner)).lines
    return await ctx.store.events.records(owner, family)


@endpoint("events.get_task_metrics", TaskMetricsRequest, min_version="2.7")
async def get_task_metrics(ctx: Context, request: TaskMetricsRequest) -> dict[str, Any]:
    """The metrics of several tasks that have events of a type."""
    await require_owners(ctx, request.tasks, request.model_events)
    answer = []
    for task in dict.fromkeys(request.tasks):
        names = {metric for metric, _ in await _names(ctx, task, request.event_type)}
        answer.append({"task": task, "metrics": sorted(names)})
    return {"metrics": answer}


@endpoint("events.get_multi_task_metrics", MultiMetricsRequest, min_version="2.28")
async def get_multi_task_metrics(ctx: Context, request: MultiMetricsRequest) -> dict[str, Any]:
    """The metrics and variants that any of the tasks has events of."""
    await require_owners(ctx, request.tasks, request.model_events)
    metrics: dict[str, set[str]] = {}
    for task in dict.fromkeys(request.tasks):
        for metric, variant in await _names(ctx, task, request.event_type):
            metrics.setdefault(metric, set()).add(variant)
    return {"metrics": [{"metric": metric, "variants": sorted(metrics[metric])} for metric in sorted(metrics)]}


@endpoint("events.get_scalar_metrics_and_variants", OwnerRequest, min_version="2.1")
async def get_scalar_metrics_and_variants(ctx: Context, request: OwnerRequest) -> dict[str, Any]:
    """The names of a task's series."""
    await require_owners(ctx, [request.task], request.model_events)
    metrics: dict[str, list[str]] = {}
    for metric, variant in await _names(ctx, request.task, "training_stats_scalar"):
        metrics.setdefault(metric, []).append(variant)
    return {"metrics": metrics}


@endpoint("events.get_vector_metrics_and_variants", OwnerRequest, min_version="2.1")
async def get_vector_metrics_and_variants(ctx: Context, request: OwnerRequest) -> dict[str, Any]:
    """The names of a task's vectors."""
    await require_owners(ctx, [request.task], request.model_events)
    metrics: dict[str, list[str]] = {}
    for metric, variant in await _names(ctx, request.task, "training_stats_vector"):
        metrics.setdefault(metric, []).append(variant)
    # A list, as the official packages read it; of scalars it is an object.
    return {"metrics": [{"metric": metric, "variants": variants} for metric, variants in metrics.items()]}


async def _names(ctx: Context, owner: str, event_type: EventType | None) -> list[tuple[str, str]]:
    """(metric, variant) of everything of a type, each once, as they came; lines of the console have none."""
    names: dict[tuple[str, str], None] = {}
    for family in (FAMILY_OF[event_type],) if event_type else FAMILIES:
        if family == "scalar":
            _, statistics = await ctx.store.events.statistics(owner)
            names |= {(one.metric, one.variant): None for one in statistics}
        elif family != "log":
            names |= {(record.metric, record.variant): None for record in await _records(ctx, owner, family)}
    return list(names)


@endpoint("events.clear_scroll", ScrollRequest, min_version="2.18")
async def clear_scroll(ctx: Context, request: ScrollRequest) -> dict[str, Any]:
    """End a paged read. Nothing has to be given back: our scroll ids hold their own state."""
    del ctx, request
    return {}


async def require_owners(ctx: Context, ids: Sequence[str], are_models: bool) -> dict[str, str]:
    """Id -> name of these tasks (or models); raise 400/101 (or 400/201) naming those that do not exist."""
    kind = "model" if are_models else "task"
    documents = await ctx.store.get_many(kind, ids, ["name"])
    missing = [id for id, document in zip(ids, documents, strict=True) if document is None]
    if missing:
        raise unknown_model(ids=missing) if are_models else unknown_task(ids=missing)
    return {id: (document or {}).get("name", "") for id, document in zip(ids, documents, strict=True)}


def wanted(metrics: Iterable[MetricVariants | TaskMetric] | None) -> Wanted:
    """What a request's list of metrics asks for; an empty one asks for everything."""
    if not metrics:
        return None
    pairs: set[tuple[str, str | None]] = set()
    for one in metrics:
        pairs |= {(one.metric or "", variant) for variant in (one.variants or [None])}  # type: ignore[list-item]
    return pairs


def of_metrics(records: Iterable[Record], some: Wanted) -> Iterable[Record]:
    """The records that were asked for."""
    if some is None:
        return records
    return [record for record in records if {(record.metric, record.variant), (record.metric, None)} & some]


def bad_scroll(scroll_id: str | None) -> ApiError:
    """The scroll id is none of ours, or of another call: 400/1104."""
    return ApiError(400, Subcode.BAD_SCROLL, "Invalid scroll id", scroll_id=scroll_id or "")


def scroll_position(scroll_id: str | None, name: str = "after") -> int | None:
    """The number in a scroll id `name:number`; None at the beginning."""
    if not scroll_id:
        return None
    found, _, position = scroll_id.partition(":")
    try:
        if found != name:
            raise ValueError(scroll_id)
        return int(position) if position else None
    except ValueError:
        raise bad_scroll(scroll_id) from None


def iso(at_ms: int) -> str:
    """A time of an event as the API writes it."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="microseconds")


def scalar_event(owner: str, metric: str, variant: str, series: Series, place: int, worker: str = "") -> dict[str, Any]:
    """One point as the API answers it."""
    return {
        "type": TYPE_OF["scalar"],
        "task": owner,
        "timestamp": series.times_ms[place],
        "@timestamp": iso(series.times_ms[place]),
        "iter": series.steps[place],
        "metric": metric,
        "variant": variant,
        "worker": worker,
        "value": series.values[place],
    }


def event(owner: str, family: Family, record: Record) -> dict[str, Any]:
    """A record as the API answers it."""
    shown: dict[str, Any] = {
        "type": TYPE_OF[family],
        "task": owner,
        "timestamp": record.at_ms,
        "@timestamp": iso(record.at_ms),
        "iter": record.iteration,
        "metric": record.metric,
        "variant": record.variant,
        "worker": record.worker,
    }
    if family == "log":
        shown |= {"msg": record.text, "level": record.level}
    elif family == "plot":
        shown |= {"plot_str": record.text, "plot_len": len(record.text)}
    elif family == "image":
        shown |= {"url": record.text, "key": record.key}
    else:
        shown["values"] = shown["value"] = record.values
    return shown
