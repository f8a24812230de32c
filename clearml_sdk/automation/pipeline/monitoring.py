"""What a step's task reports and stores, shown on the pipeline's task as well: scalars, artifacts, models."""

from __future__ import annotations

from clearml_sdk import reading
from clearml_sdk.errors import UsageError
from clearml_sdk.record import TaskRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from clearml_sdk.automation.pipeline.node import Node
    from clearml_sdk.task import Task

MAX_POINTS = 5000


def spell_out(node: Node) -> None:
    """Write what is shown as pairs: what it is called in the step, and here. Raises UsageError for what is none."""
    try:
        node.monitor_metrics = [list(map(list, _pairs(wish))) for wish in node.monitor_metrics]
        node.monitor_artifacts = [list(_names(wish)) for wish in node.monitor_artifacts]
        node.monitor_models = [list(_names(wish)) for wish in node.monitor_models]
    except (TypeError, ValueError, IndexError) as error:
        raise UsageError(
            f"step {node.name!r}: monitor_metrics are pairs (title, series), or pairs of these; monitor_artifacts and "
            "monitor_models are names, or pairs of these"
        ) from error


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
        if node.monitor_models:
            self._models(node, (document.get("models") or {}).get("output") or [])
        self._task._record.forget()

    def _models(self, node: Node, entries: list[dict[str, Any]]) -> None:
        """Register models, which are named as they are called themselves or as their entries in the step's task."""
        session = self._task._record.session
        ids = [entry["model"] for entry in entries if entry.get("model")]
        body = {"id": ids, "only_fields": ["id", "name"]}
        found = session.call("models.get_all", body).get("models") or [] if ids else []
        by_name = {entry["name"]: entry["model"] for entry in entries} | {one["name"]: one["id"] for one in found}
        for wish in node.monitor_models:
            name, new_name = _names(wish)
            if name in by_name:
                own = {"name": new_name, "model": by_name[name], "type": "output"}
                self._task._record.call("tasks.add_or_update_model", own)


def _pairs(wish: Any) -> tuple[tuple[str, str], tuple[str, str]]:
    first, second = wish
    if isinstance(first, str):
        return (first, second), (first, second)
    return tuple(first), tuple(second)


def _names(wish: Any) -> tuple[str, str]:
    return (wish, wish) if isinstance(wish, str) else (wish[0], wish[1])
