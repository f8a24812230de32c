"""Read back what a task reported (contract/wire.md 11)."""

from __future__ import annotations

from clearml_sdk.record import TaskRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

MAX_SAMPLES = 5000
X_AXES = ("iter", "timestamp", "iso_time")
BATCH = 10_000
SINGLE_VALUE_ITERATION = -(1 << 31)
"""What numbers without an iteration are kept under."""


def scalars(record: TaskRecord, *, max_samples: int, x_axis: str) -> dict[str, Any]:
    """`{title: {series: {"name", "x", "y"}}}` with at most `max_samples` points a series (0: 5000)."""
    samples = min(max_samples if max_samples > 0 else MAX_SAMPLES, MAX_SAMPLES)
    body = {"key": _axis(x_axis), "samples": max(1, samples)}
    return record.call("events.scalar_metrics_iter_histogram", body)


def all_scalars(record: TaskRecord, *, x_axis: str) -> dict[str, Any]:
    """`{title: {series: {"name", "x", "y"}}}` with every point, in the order of the axis."""
    axis = _axis(x_axis)
    key = "iter" if axis == "iter" else "timestamp"
    result: dict[str, Any] = {}
    for event in events(record, "training_stats_scalar"):
        if event.get("iter") == SINGLE_VALUE_ITERATION:
            continue
        name = str(event.get("variant"))
        series = result.setdefault(str(event.get("metric")), {}).setdefault(name, {"name": name, "points": []})
        series["points"].append((event.get(key, 0), event.get("value")))
    for title in result.values():
        for series in title.values():
            points = sorted(series.pop("points"), key=lambda point: point[0])
            series["x"], series["y"] = [_x(x, axis) for x, _ in points], [y for _, y in points]
    return result


def events(record: TaskRecord, kind: str, *, batch: int = BATCH) -> Iterator[dict[str, Any]]:
    """All events of one type, oldest iteration first, page by page."""
    scroll: str | None = None
    while True:
        body = {"event_type": kind, "order": "asc", "batch_size": batch, "scroll_id": scroll}
        answer = record.call("events.get_task_events", {k: v for k, v in body.items() if v is not None})
        found = answer.get("events") or []
        yield from found
        scroll = answer.get("scroll_id")
        if len(found) < batch or not scroll:
            return


def last_metrics(record: TaskRecord) -> dict[str, dict[str, dict[str, float]]]:
    """`{title: {series: {"last", "min", "max"}}}`."""
    result: dict[str, dict[str, dict[str, float]]] = {}
    for entry in _last_metrics(record):
        values = {"last": entry.get("value"), "min": entry.get("min_value"), "max": entry.get("max_value")}
        result.setdefault(str(entry.get("metric")), {})[str(entry.get("variant"))] = values  # type: ignore[assignment]
    return result


def metric_path(title: str, series: str) -> tuple[str, str]:
    """The keys under which a task's `last_metrics` have a scalar."""
    import hashlib  # `from clearml import Task` needs none of it

    first, second = (hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() for text in (title, series))
    return first, second


def single_values(record: TaskRecord) -> dict[str, float]:
    """The numbers reported without iterations, by name."""
    answer = record.session.call("events.get_task_single_value_metrics", {"tasks": [record.id]})
    return {
        str(value["variant"]): value["value"]
        for task in answer.get("tasks") or []
        for value in task.get("values") or []
    }


def plots(record: TaskRecord, max_iterations: int | None) -> list[dict[str, Any]]:
    """The plot events of the last iterations of each plot."""
    answer = record.call("events.get_task_plots", {"iters": max_iterations or 1, "no_scroll": True})
    return answer.get("plots") or []


def console(record: TaskRecord, count: int) -> list[str]:
    """The last `count` console reports, oldest first."""
    body = {"batch_size": max(1, count), "navigate_earlier": True, "order": "asc"}
    events = record.call("events.get_task_log", body).get("events") or []
    return [str(event.get("msg", "")) for event in events][-count:] if count > 0 else []


def debug_samples(record: TaskRecord, title: str, series: str, iterations: int | None) -> list[dict[str, Any]]:
    """The image events of one title and series, newest first."""
    found: list[dict[str, Any]] = []
    scroll: str | None = None
    metrics = [{"task": record.id, "metric": title, "variants": [series]}]
    while True:
        body: dict[str, Any] = {"metrics": metrics, "iters": iterations or 100}
        if scroll:
            body.update(scroll_id=scroll, navigate_earlier=True)
        answer = record.session.call("events.debug_images", body)
        groups = [group for entry in answer.get("metrics") or [] for group in entry.get("iterations") or []]
        page = [event for group in groups for event in group.get("events") or []]
        fresh = [event for event in page if event not in found]
        found += fresh
        scroll = answer.get("scroll_id")
        if iterations is not None or not fresh or not scroll:  # a server may answer the first page again
            return sorted(found, key=lambda event: -int(event.get("iter", 0)))


def _last_metrics(record: TaskRecord) -> list[dict[str, Any]]:
    found = record.read_fields("last_metrics").get("last_metrics") or {}
    return [entry for variants in found.values() for entry in variants.values()]


def _axis(x_axis: str) -> str:
    if x_axis not in X_AXES:
        raise ValueError(f"x_axis is one of {', '.join(X_AXES)}, not {x_axis!r}")
    return x_axis


def _x(x: float, axis: str) -> Any:
    if axis != "iso_time":
        return x
    from datetime import UTC, datetime

    return datetime.fromtimestamp(x / 1000, UTC).isoformat()
