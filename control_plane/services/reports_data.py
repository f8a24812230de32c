"""`reports.get_task_data`: everything that a report shows of some tasks, in one call."""

from typing import Any, TypeVar

import msgspec

from control_plane.schema.events import (
    MetricVariants,
    MultiHistogramRequest,
    MultiPlotsRequest,
    SamplesRequest,
    SingleValuesRequest,
)
from control_plane.services import events_curves, events_plots, events_samples, listing
from control_plane.services.context import Context
from control_plane.services.errors import validation
from control_plane.services.query_fields import query_fields
from control_plane.services.registry import endpoint

T = TypeVar("T")
SHOWN_TASKS = 100
"""So many tasks are shown where the request does not say how many."""
PARTS = ("plots", "debug_images", "scalar_metrics_iter_histogram", "single_value_metrics")
READS = query_fields("task", "allow_public", "model_events", *PARTS)


@endpoint("reports.get_task_data", dict, min_version="2.26", reads=READS)
async def get_task_data(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Find tasks (or models), and return what is asked for of their events beside them."""
    are_models = bool(request.get("model_events"))
    kind = "model" if are_models else "task"
    question = {name: value for name, value in request.items() if name not in PARTS}
    question.setdefault("size", SHOWN_TASKS)
    fields = listing.only_fields(request)
    listing.require_known(kind, fields)
    found = await listing.find(ctx, kind, question)
    answer: dict[str, Any] = {"tasks": await listing.load(ctx, kind, found.ids, fields, expand=True)}
    if not found.ids:
        return answer
    owners = {"tasks": found.ids, "model_events": are_models}
    for part in PARTS:
        if isinstance(request.get(part), dict):
            answer[part] = await _part(ctx, part, request[part], owners)
    return answer


async def _part(ctx: Context, part: str, asked: dict[str, Any], owners: dict[str, Any]) -> Any:
    if part == "plots":
        plots = await events_plots.get_multi_task_plots(ctx, _read(MultiPlotsRequest, part, {**asked, **owners}))
        return _mapping(plots)["plots"]
    if part == "scalar_metrics_iter_histogram":
        request = _read(MultiHistogramRequest, part, {**asked, **owners})
        return _mapping(await events_curves.multi_task_scalar_metrics_iter_histogram(ctx, request))
    if part == "single_value_metrics":
        values = _read(SingleValuesRequest, part, {**asked, **owners})
        return _mapping(await events_curves.get_task_single_value_metrics(ctx, values))["tasks"]
    metrics = _read(list[MetricVariants], part, asked.get("metrics") or [])
    wanted = [
        {"task": task, "metric": one.metric, "variants": one.variants} for task in owners["tasks"] for one in metrics
    ] or [{"task": task} for task in owners["tasks"]]
    images = {"metrics": wanted, "iters": asked.get("iters", 1), "model_events": owners["model_events"]}
    shown = await events_samples.debug_images(ctx, _read(SamplesRequest, part, images))
    return _mapping(shown)["metrics"]


def _read(kind: type[T], part: str, body: Any) -> T:
    try:
        return msgspec.convert(body, kind)
    except msgspec.ValidationError as error:
        raise validation(f"error for field '{part}': {error}") from None


def _mapping(answer: Any) -> dict[str, Any]:
    assert isinstance(answer, dict)
    return answer
