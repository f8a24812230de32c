"""Read back what a task reported (contract/wire.md 11)."""

from __future__ import annotations

from clearml_sdk.record import TaskRecord
from clearml_sdk.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_SAMPLES = 5000
X_AXES = ("iter", "timestamp", "iso_time")
BATCH = 10_000


def scalars(record: TaskRecord, *, max_samples: int, x_axis: str) -> dict[str, Any]:
    """`{title: {series: {"name", "x", "y"}}}` with at most `max_samples` points a series (0: 5000)."""
    samples = min(max_samples if max_samples > 0 else MAX_SAMPLES, MAX_SAMPLES)
    body = {"key": _axis(x_axis), "samples": max(1, samples)}
    return record.call("events.scalar_metrics_iter_histogram", body)


def all_scalars(record: TaskRecord, *, x_axis: str) -> dict[str, Any]:
    """`{title: {series: {"name", "x", "y"}}}` with every point, in the order of the axis."""
    axis = _axis(x_axis)
    result: dict[str, Any] = {}
    for title in sorted({str(entry.get("metric")) for entry in _last_metrics(record)}):
        series = _all_points(record, title, "iter" if axis == "iter" else "timestamp")
        if series:
            result[title] = {
                name: {"name": name, "x": [_x(x, axis) for x, _ in points], "y": [y for _, y in points]}
                for name, points in series.items()
            }
    return result


def last_metrics(record: TaskRecord) -> dict[str, dict[str, dict[str, float]]]:
    """`{title: {series: {"last", "min", "max"}}}`."""
    result: dict[str, dict[str, dict[str, float]]] = {}
    for entry in _last_metrics(record):
        values = {"last": entry.get("value"), "min": entry.get("min_value"), "max": entry.get("max_value")}
        result.setdefault(str(entry.get("metric")), {})[str(entry.get("variant"))] = values  # type: ignore[assignment]
    return result


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
        found += [event for group in groups for event in group.get("events") or []]
        scroll = answer.get("scroll_id")
        if iterations is not None or not groups or not scroll:
            return sorted(found, key=lambda event: -int(event.get("iter", 0)))


def destination(session: Session, value: str | bool | None) -> str:
    """An output destination as it is recorded: True is the files server, False and None none."""
    if value is True:
        return session.settings.files_server
    return str(value).rstrip("/") if value else ""


def _all_points(record: TaskRecord, title: str, key: str) -> dict[str, list[tuple[float, float]]]:
    series: dict[str, list[tuple[float, float]]] = {}
    scroll: str | None = None
    while True:
        body = {"metric": {"metric": title}, "key": key, "batch_size": BATCH, "scroll_id": scroll}
        answer = record.call("events.scalar_metrics_iter_raw", {k: v for k, v in body.items() if v is not None})
        for name, columns in (answer.get("variants") or {}).items():
            series.setdefault(name, []).extend(zip(columns.get(key) or [], columns.get("y") or [], strict=False))
        scroll = answer.get("scroll_id")
        if not answer.get("returned") or not scroll:
            return {name: sorted(points, key=lambda point: point[0]) for name, points in series.items()}


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
