"""What is counted about projects: their tasks by status, and what they hold. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from control_plane.services.status import Status

ARCHIVED = "archived"
STATES = ("active", ARCHIVED)


def blank() -> dict[str, Any]:
    """The counts of a project without tasks."""
    return {
        "status_count": dict.fromkeys((status.value for status in Status), 0),
        "total_tasks": 0,
        "total_runtime": 0,
        "completed_tasks_24h": 0,
        "last_task_run": None,
    }


def count(
    statuses: Iterable[tuple[Any, ...]], runs: Iterable[tuple[Any, ...]], lately: Iterable[tuple[Any, ...]]
) -> dict[str, dict[str, Any]]:
    """Project id -> the counts of its own tasks. What is given may be of slightly different moments.

    Args:
        statuses: (project, status, how many).
        runs: (project, seconds of runs, -, -, start of the last run).
        lately: (project, status, how many ended within the last 24 hours).
    """
    counts: dict[str, dict[str, Any]] = {}
    for project, status, number in statuses:
        one = counts.setdefault(str(project), blank())
        one["status_count"][status] = one["status_count"].get(status, 0) + number
        one["total_tasks"] += number
    for project, duration_s, _, _, last_start in runs:
        counts.setdefault(str(project), blank()).update(total_runtime=int(duration_s), last_task_run=last_start)
    for project, status, number in lately:
        if status == Status.COMPLETED:
            counts.setdefault(str(project), blank())["completed_tasks_24h"] += number
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
