"""What is counted about projects: their tasks by status, and what they hold. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from control_plane.services.status import Status

ARCHIVED = "archived"
STATES = ("active", ARCHIVED)
FIELDS = ("project", "status", "active_duration", "started", "completed")
"""What of a task the counts need."""

TaskRow = tuple[Any, ...]
"""(id, *FIELDS)."""


def blank() -> dict[str, Any]:
    """The counts of a project without tasks."""
    return {
        "status_count": dict.fromkeys((status.value for status in Status), 0),
        "total_tasks": 0,
        "total_runtime": 0,
        "completed_tasks_24h": 0,
        "last_task_run": None,
    }


def count(rows: Sequence[TaskRow], now: datetime) -> dict[str, dict[str, Any]]:
    """Project id -> the counts of its own tasks; one pass, whatever the number of projects."""
    counts: dict[str, dict[str, Any]] = {}
    for (project, status), number in Counter((row[1], row[2]) for row in rows).items():
        one = counts.setdefault(str(project), blank())
        one["status_count"][status] = one["status_count"].get(status, 0) + number
        one["total_tasks"] += number
    day_ago = (now - timedelta(days=1)).isoformat()
    for _, project, status, duration_s, started, completed in rows:
        if duration_s:
            counts[str(project)]["total_runtime"] += duration_s
        if started:
            one = counts[str(project)]
            if one["last_task_run"] is None or started > one["last_task_run"]:
                one["last_task_run"] = started
        if completed and completed > day_ago and status == Status.COMPLETED:
            counts[str(project)]["completed_tasks_24h"] += 1
    return counts


def total(counts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The counts of several projects as one."""
    sum_ = blank()
    for one in counts:
        for status, number in one["status_count"].items():
            sum_["status_count"][status] = sum_["status_count"].get(status, 0) + number
        for name in ("total_tasks", "total_runtime", "completed_tasks_24h"):
            sum_[name] += one[name]
        runs = [run for run in (sum_["last_task_run"], one["last_task_run"]) if run is not None]
        sum_["last_task_run"] = max(runs, default=None)
    return sum_
