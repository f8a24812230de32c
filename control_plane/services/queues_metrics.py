"""`queues.get_queue_metrics`: how long queues were and how long tasks waited in them, over time."""

from collections.abc import Sequence
from typing import Any

from control_plane.schema.queues import MetricsRequest
from control_plane.services import listing
from control_plane.services.context import Context
from control_plane.services.errors import unknown_queue, validation
from control_plane.services.registry import endpoint
from control_plane.store.queue_minutes import Span, joined

FOLD_EVERY_S = 1800


@endpoint("queues.get_queue_metrics", MetricsRequest, min_version="2.20")
async def get_queue_metrics(ctx: Context, request: MetricsRequest) -> dict[str, Any]:
    """Waiting time in s and length of queues for each interval of which something is known."""
    if request.to_date < request.from_date:
        raise validation("error for field 'to_date': it lies before from_date")
    ids = request.queue_ids or await _all(ctx)
    if request.queue_ids:
        missing = [id for id, found in zip(ids, await ctx.store.exists("queue", ids), strict=True) if not found]
        if missing:
            raise unknown_queue(ids=missing)
    if request.refresh:
        await ctx.store.queue_minutes.look(ids, ctx.now_ms)
    found = {}
    for id in ids:
        known = await ctx.store.queue_minutes.read(id)
        found[id] = joined(
            (span for span in known if request.from_date <= span.at_s + _LEEWAY_S and span.at_s <= request.to_date),
            request.interval,
        )
    if request.queue_ids:
        return {"queues": [_shown(id, list(spans.values())) for id, spans in found.items()]}
    return {"queues": [_mean(list(found.values()))]}


_LEEWAY_S = 59
"""The minute in which the time asked for begins belongs to it."""


def _shown(queue: str, spans: Sequence[Span]) -> dict[str, Any]:
    return {
        "queue": queue,
        "dates": [span.at_s for span in spans],
        "avg_waiting_times": [round(span.wait_s, 3) for span in spans],
        "queue_lengths": [span.longest for span in spans],
    }


def _mean(queues: Sequence[dict[int, Span]]) -> dict[str, Any]:
    """The mean over the queues of which something is known at a time, as one that is called "total"."""
    dates = sorted({at_s for queue in queues for at_s in queue})
    waits, lengths = [], []
    for at_s in dates:
        known = [queue[at_s] for queue in queues if at_s in queue]
        waits.append(round(sum(span.wait_s for span in known) / len(known), 3))
        lengths.append(round(sum(span.longest for span in known) / len(known)))
    return {"queue": "total", "dates": dates, "avg_waiting_times": waits, "queue_lengths": lengths}


async def make_round(ctx: Context) -> None:
    """Once a minute, by the watchdogs: note what waits, and now and then sum up what is old."""
    ids = await _all(ctx)
    await ctx.store.queue_minutes.look(ids, ctx.now_ms)
    if ctx.now_ms // 1000 % FOLD_EVERY_S < 2 * 60:
        for id in ids:
            await ctx.store.queue_minutes.fold(id, ctx.now_ms)


async def _all(ctx: Context) -> list[str]:
    return await listing.ids(ctx, "queue", {"search_hidden": True})
