"""The trials of an optimization as the server keeps them: what a task's runtime says of the trial that it is.

An optimizer that starts again finds there which trials there were, with which values, so it repeats none.
"""

from __future__ import annotations

from clearml_sdk.paging import all_tasks
from clearml_sdk.record import TaskRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

RUN = "_optimization_run"
"""Key of the optimizer's and of its trials' runtime: which run this is; a reset begins another."""
TRIAL, VALUES = "_optimization_trial", "_optimization_values"
"""Keys of a trial's runtime: its number, and the values that were chosen for it."""

GOOD = frozenset({"completed", "published", "closed"})
OPEN = frozenset({"created", "queued", "in_progress"})


class Trial:
    """One trial: its task, its number, its values, and what its task says."""

    def __init__(self, task: Mapping[str, Any]) -> None:
        runtime = task.get("runtime") or {}
        self.id, self.status, self.task = str(task["id"]), str(task.get("status") or ""), task
        self.run, self.number = str(runtime.get(RUN) or ""), int(runtime.get(TRIAL) or 0)
        self.values: dict[str, Any] = dict(runtime.get(VALUES) or {})


def found(record: TaskRecord, run: str) -> list[Trial]:
    """The trials of this run, in their order."""
    fields = ["id", "name", "status", "runtime", "last_metrics", "last_iteration"]
    tasks = all_tasks(record.session, {"parent": record.id, "only_fields": fields})
    return sorted((trial for trial in map(Trial, tasks) if trial.run == run), key=lambda trial: trial.number)
