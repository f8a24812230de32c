"""What is counted about projects: their tasks by status, and what they hold. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from control_plane.services.status import Status

ARCHIVED = "archived"
STATES = ("active", ARCHIVED)
NO_TASKS = {status.value: 0 for status in Status}


def blank() -> dict[str, Any]:
    """The counts of a project without tasks."""
    return {
        "status_count": dict(NO_TASKS),
        "total_tasks": 0,
        "total_runtime": 0,
        "completed_tasks_24h": 0,
        "last_task_run": None,
    }


def count(runs: Iterable[tuple[Any, ...]], lately: Iterable[tuple[Any, ...]]) -> dict[str, dict[str, Any]]:
    """Project id -> the counts of its own tasks. What is given may be of slightly different moments.

    Args:
        runs: (project, status, how many, seconds of runs, start of the last run).
        lately: (project, status, how many ended within the last 24 hours).
    """
    counts: dict[str, dict[str, Any]] = defaultdict(blank)
    for project, status, number, duration_s, last_start in runs:
        one = counts[str(project)]
        one["status_count"][status] = one["status_count"].get(status, 0) + number
        one["total_tasks"] += number
        one["total_runtime"] += int(duration_s)
        one["last_task_run"] = _later(one["last_task_run"], last_start)
    for project, status, number in lately:
        if status == Status.COMPLETED:
            counts[str(project)]["completed_tasks_24h"] += number
    return dict(counts)


def total(counts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The counts of several projects as one."""
    rest = iter(counts)
    first = next(rest, None)
    if first is None:
        return blank()
    sum_ = {**first, "status_count": dict(first["status_count"])}
    for one in rest:
        for status, number in one["status_count"].items():
            sum_["status_count"][status] = sum_["status_count"].get(status, 0) + number
        for name in ("total_tasks", "total_runtime", "completed_tasks_24h"):
            sum_[name] += one[name]
        sum_["last_task_run"] = _later(sum_["last_task_run"], one["last_task_run"])
    return sum_


def _later(one: str | None, other: str | None) -> str | None:
    return max(one, other) if one is not None and other is not None else one or other
