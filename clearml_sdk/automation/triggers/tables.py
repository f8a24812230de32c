"""What a `TriggerScheduler` shows: a table of each kind of trigger, and one of the launches."""

from __future__ import annotations

from clearml_sdk.automation.schedules.service import function_name, shown
from clearml_sdk.automation.triggers.entry import BaseTrigger, DatasetTrigger, ModelTrigger, TaskTrigger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clearml_sdk.automation.schedules.entry import ExecutedJob

KINDS: tuple[tuple[type[BaseTrigger], str, str], ...] = (
    (ModelTrigger, "Model", "model_triggers"),
    (DatasetTrigger, "Dataset", "dataset_triggers"),
    (TaskTrigger, "Task", "task_triggers"),
)
"""Kind of trigger, its name for people, its name in the state."""


def tables(
    triggers: Sequence[BaseTrigger], runs: Sequence[ExecutedJob], link: Callable[[str | None], str]
) -> list[tuple[str, list[list[str]]]]:
    """(title, rows, of which the first is the header). link: a task's id as a link to its page."""
    found: list[tuple[str, list[list[str]]]] = []
    for kind, name, _ in KINDS:
        columns = [field for field in kind.FIELDS if not field.startswith("_") and field != "last_update"]
        rows = [columns]
        for trigger in triggers:
            if type(trigger) is kind:
                special = {"base_task_id": link(trigger.base_task_id), "base_function": function_name(trigger)}
                rows.append([special.get(field, shown(getattr(trigger, field))) for field in columns])
        if len(rows) > 1:
            found.append((f"{name} Triggers", rows))
    executed = [["trigger", "name", "task id", "started", "finished"]]
    for run in runs:
        place = link(run.task_id) if run.task_id else "function"
        kind_of = str(getattr(run, "trigger", ""))
        executed.append([kind_of, str(run.name), place, shown(run.started), shown(run.finished)])
    return [*found, ("Triggers Executed", executed)]
