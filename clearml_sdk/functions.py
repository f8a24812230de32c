"""`Task.create_function_task`: one function of a script as a task of its own.

The function's task is a copy of the script's: its run goes through the same code until it reaches the call that made
it, calls the function there, and ends.
"""

from __future__ import annotations

import sys

from clearml_sdk import parameters, process_role
from clearml_sdk.errors import UsageError
from clearml_sdk.record import TaskRecord
from clearml_sdk.starting import auto_comment
from clearml_sdk.values import like

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from clearml_sdk.task import Task

SECTION = "Function"
MARKER = "__func_readonly__"
"""Parameter that names the function which the task's run is to call."""
FUNCTION_TAG = "func"
COPIED = ("type", "project", "container", "script", "tags")

_calling: str | None = None


def create_function_task(
    task: Task, func: Callable[..., Any], func_name: str | None, task_name: str | None, values: dict[str, Any]
) -> Task | None:
    """See `Task.create_function_task`."""
    run = task._run
    if run is None:
        raise UsageError("create_function_task belongs to the task of this process: call Task.init() first")
    if _calling is not None:
        raise UsageError(f"the function {_calling!r} runs as a task; a function task cannot make another one")
    if not callable(func):
        raise ValueError(f"a function task needs a function, not {func!r}")
    name = func_name or func.__name__
    if process_role.running_remotely():
        asked = _section(task._record).get(MARKER)
        if asked is not None:
            if asked.get("value") == name:
                _call(task, func, name, values)
            return None
    run.settle()
    return _create(task, name, task_name, values)


def _section(record: TaskRecord) -> dict[str, dict[str, Any]]:
    return parameters.read(record).get(SECTION) or {}


def _call(task: Task, func: Callable[..., Any], name: str, values: dict[str, Any]) -> None:
    """Call the function with what its task says, and end the process."""
    global _calling
    recorded = {key: entry for key, entry in _section(task._record).items() if key != MARKER}
    given = {key: like(entry.get("value"), values.get(key), entry.get("type")) for key, entry in recorded.items()}
    _calling = name
    func(**{**values, **given})
    sys.exit(0)


def _create(task: Task, name: str, task_name: str | None, values: dict[str, Any]) -> Task:
    record = task._record
    document = record.reload()
    entries = {key: parameters.item(SECTION, key, value) for key, value in {**values, MARKER: name}.items()}
    body = {
        **{field: document[field] for field in COPIED if document.get(field)},
        "name": task_name or f"{document['name']} <{name}>",
        "parent": record.id,
        "system_tags": [FUNCTION_TAG],
        "comment": auto_comment(),
        "hyperparams": {**(document.get("hyperparams") or {}), SECTION: entries},
        "configuration": document.get("configuration") or {},
        "output_dest": (document.get("output") or {}).get("destination"),
    }
    created = record.session.call("tasks.create", {key: value for key, value in body.items() if value is not None})
    return type(task)._from_record(TaskRecord(record.session, str(created["id"])))
