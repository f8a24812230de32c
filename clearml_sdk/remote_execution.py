"""`Task.execute_remotely`: leave the run to an agent."""

from __future__ import annotations

import sys

from clearml_sdk import process_role, queueing
from clearml_sdk.errors import UsageError
from clearml_sdk.notices import announce
from clearml_sdk.starting import DEVELOPMENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from clearml_sdk.task import Task


def hand_over(task: Task, *, queue_name: str | None, clone: bool, exit_process: bool) -> Task | None:
    """See `Task.execute_remotely`. The queue is looked up before anything is changed."""
    run = task._run
    if process_role.running_remotely():
        return None
    if run is not None and not clone and not exit_process:
        raise UsageError("this run cannot go on here and at an agent: clone=True, or exit_process=True")
    session = task._record.session
    queue = queueing.queue_id(session, queue_name) if queue_name else None
    if run is not None:
        run.settle()
    if clone:
        copy = type(task).clone(task, name=task.name)
        if queue is not None:
            queueing.enqueue(session, copy.id, queue=queue, force=False)
            _say_enqueued(copy, queue_name)
        if exit_process and run is not None:
            task.close()
            sys.exit(0)
        return copy
    if run is not None:
        run.close(None)  # the console and the reports end here; the status is set below
    task._record.call("tasks.reset", {"force": True})
    kept = [tag for tag in task._record.read_fields("system_tags").get("system_tags") or [] if tag != DEVELOPMENT]
    task._record.edit(system_tags=kept)
    task._record.forget()
    if queue is not None:
        queueing.enqueue(session, task.id, queue=queue, force=False)
        _say_enqueued(task, queue_name)
    if run is not None and exit_process:
        sys.exit(0)
    return task


def _say_enqueued(task: Task, queue_name: str | None) -> None:
    announce(f"ClearML Task: {task.id} was enqueued for execution in {queue_name}: {task.get_output_log_web_page()}")
