"""What a step's task reports and stores, shown on the pipeline's task as well: scalars, artifacts, models."""

from __future__ import annotations

from clearml_sdk import reading
from clearml_sdk.record import TaskRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from clearml_sdk.automation.pipeline.node import Node
    from clearml_sdk.task import Task

MAX_POINTS = 5000


class Monitor:
    """Copies from the steps to the pipeline's task; what was copied once is not again."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._told: dict[tuple[str, ...], float] = {}
        """(task, title, series, and the two as they are called here) -> the last iteration that was copied."""

    def metrics(self, node: Node, record: TaskRecord) -> None:
        """Copy new points of the scalars that the step names: `(title, series)`, or that and what to call it here."""
        if not node.monitor_metrics:
            return
        found = reading.scalars(record, max_samples=MAX_POINTS, x_axis="iter")
        for wish in node.monitor_metrics:
            (title, series), (new_title, new_series) = _pairs(wish)
            points = (found.get(title) or {}).get(series) or {}
            key = (record.id, title, series, new_title, new_series)
            last = self._told.get(key, float("-inf"))
            for x, y in zip(points.get("x") or [], points.get("y") or [], strict=False):
                if x > last and y is not None:
                    self._task.get_logger().report_scalar(new_title, new_series, y, int(x))
                    last = x
            self._told[key] = last

    def outputs(self, node: Node, record: TaskRecord) -> None:
        """Register the artifacts and output models that the step names, under these or other names, as ours."""
        document = record.reload()
        artifacts = {entry["key"]: entry for entry in (document.get("execution") or {}).get("artifacts") or []}
        entries = []
        for wish in node.monitor_artifacts:
            name, new_name = _names(wish)
            if name in artifacts:
                entries.append({**artifacts[name], "key": new_name})
        if entries:
            self._task._record.call("tasks.add_or_update_artifacts", {"artifacts": entries, "force": True})
        models = {model["name"]: model for model in (document.get("models") or {}).get("output") or []}
        for wish in node.monitor_models:
            name, new_name = _names(wish)
            if name in models:
                body = {"name": new_name, "model": models[name]["model"], "type": "output"}
                self._task._record.call("tasks.add_or_update_model", body)
        self._task._record.forget()


def _pairs(wish: Any) -> tuple[tuple[str, str], tuple[str, str]]:
    first, second = wish
    if isinstance(first, str):
        return (first, second), (first, second)
    return tuple(first), tuple(second)


def _names(wish: Any) -> tuple[str, str]:
    return (wish, wish) if isinstance(wish, str) else (wish[0], wish[1])
