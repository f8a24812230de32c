"""What is counted about projects: their tasks by status, and what they hold. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from control_plane.services.status import Status

ARCHIVED = "archived"
STATES = ("active", ARCHIVED)
TASK_PARTS = ("status", "project", "system_tags", "completed", "started", "active_duration")
"""What of a task the counts need."""


def blank() -> dict[str, Any]:
    """The counts of a project without tasks."""
    return {
        "status_count": dict.fromkeys((status.value for status in Status), 0),
        "total_tasks": 0,
        "total_runtime": 0,
        "completed_tasks_24h": 0,
        "last_task_run": None,
    }


def count(tasks: Iterable[Mapping[str, Any]], now: datetime) -> dict[str, dict[str, Any]]:
    """State ("active" or "archived") -> counts."""
    counts = {state: blank() for state in STATES}
    day_ago = (now - timedelta(days=1)).isoformat()
    for task in tasks:
        one = counts[ARCHIVED if ARCHIVED in (task.get("system_tags") or ()) else "active"]
        status = str(task.get("status"))
        one["status_count"][status] = one["status_count"].get(status, 0) + 1
        one["total_tasks"] += 1
        one["total_runtime"] += task.get("active_duration") or 0
        if status == Status.COMPLETED and (task.get("completed") or "") > day_ago:
            one["completed_tasks_24h"] += 1
        started = task.get("started")
        if started and started > (one["last_task_run"] or ""):
            one["last_task_run"] = started
    return counts


def by_project(documents: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Project id -> its own documents."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for document in documents:
        groups.setdefault(str(document.get("project")), []).append(document)
    return groups
