"""`Task`: its status, and how it is started, stopped, completed, published, enqueued, reset and deleted."""

from __future__ import annotations

import sys

from clearml_sdk import queueing
from clearml_sdk.ending import Ending
from clearml_sdk.errors import ClearmlError
from clearml_sdk.facade.base import TaskBase
from clearml_sdk.notices import say
from clearml_sdk.status_watch import changed
from clearml_sdk.task_types import TaskStatusEnum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any


class TaskLifecycle(TaskBase):
    """The states of a task."""

    @property
    def status(self) -> str:
        """The status on the server, read anew."""
        return self.get_status()

    def get_status(self) -> str:
        """The status on the server, one of `TaskStatusEnum`."""
        return str(self._record.read_fields("status").get("status", ""))

    def get_status_message(self) -> tuple[str | None, str | None]:
        """(status, message of its last change)."""
        found = self._record.read_fields("status", "status_message")
        return found.get("status"), found.get("status_message")

    def wait_for_status(
        self,
        status: Iterable[TaskStatusEnum] = (
            TaskStatusEnum.completed,
            TaskStatusEnum.stopped,
            TaskStatusEnum.closed,
        ),
        raise_on_status: Iterable[TaskStatusEnum] | None = (TaskStatusEnum.failed,),
        check_interval_sec: float = 60.0,
    ) -> None:
        """Wait until the task is in one of `status`; RuntimeError when it is in one of `raise_on_status` first."""
        wanted = {str(getattr(one, "value", one)) for one in status}
        bad = {str(getattr(one, "value", one)) for one in raise_on_status or ()}
        while True:
            now = self.get_status()
            if now in wanted:
                self._record.forget()
                return
            if now in bad:
                raise RuntimeError(f"Task {self.id} has status: {now}.")
            changed(self._record.session, {self.id: now}, check_interval_sec)  # the server tells at once

    def started(self, ignore_errors: bool = True, force: bool = False) -> Any:
        """Mark the task as running."""
        return self._quietly("tasks.started", {"force": force}, ignore_errors)

    def mark_started(self, force: bool = False) -> None:
        """Mark the task as running, whatever its status with `force`."""
        self._quietly("tasks.started", {"force": force}, ignore_errors=False)

    def stopped(
        self,
        ignore_errors: bool = True,
        force: bool = False,
        status_reason: str | None = None,
        status_message: str | None = None,
    ) -> Any:
        """Mark the task as stopped."""
        body = {"force": force, "status_reason": status_reason, "status_message": status_message}
        return self._quietly("tasks.stopped", body, ignore_errors)

    def mark_stopped(self, force: bool = False, status_message: str | None = None) -> None:
        """Mark the task as stopped."""
        self._quietly("tasks.stopped", {"force": force, "status_message": status_message}, ignore_errors=False)

    def stop_request(self, ignore_errors: bool = True, force: bool = False, status_message: str | None = None) -> Any:
        """Ask whoever runs the task to stop it."""
        return self._quietly("tasks.stop", {"force": force, "status_message": status_message}, ignore_errors)

    def mark_stop_request(self, force: bool = False, status_message: str | None = None) -> Any:
        """Ask whoever runs the task to stop it."""
        return self.stop_request(force=force, status_message=status_message)

    def completed(self, ignore_errors: bool = True) -> Any:
        """Deprecated: `mark_completed`."""
        return self.mark_completed(ignore_errors=ignore_errors)

    def mark_completed(self, ignore_errors: bool = True, status_message: str | None = None, force: bool = False) -> Any:
        """Mark the task as completed. The process that runs it ends: called there, this does not return."""
        run = self._run
        if run is not None:
            run.settle()
            run.close_parts()
        body = {"force": force, "status_reason": "completed", "status_message": status_message}
        answer = self._quietly("tasks.completed", body, ignore_errors)
        if run is not None and run.role != "child":
            run.close(None)
            sys.exit(0)
        return answer

    def mark_failed(
        self,
        ignore_errors: bool = True,
        status_reason: str | None = None,
        status_message: str | None = None,
        force: bool = False,
    ) -> Any:
        """Mark the task as failed."""
        body = {"force": force, "status_reason": status_reason, "status_message": status_message}
        return self._quietly("tasks.failed", body, ignore_errors)

    def publish(self, ignore_errors: bool = True) -> Any:
        """Publish the task: from then on it cannot be changed."""
        return self._quietly("tasks.publish", {}, ignore_errors)

    def publish_on_completion(self, enable: bool = True) -> None:
        """Have the task published when it completes."""
        run = self._run
        if run is not None:
            run.publish_when_completed = enable
        self._record.change("runtime", {"_publish_on_complete": enable})

    def reset(self, set_started_on_success: bool = False, force: bool = False) -> None:
        """Make the task a draft again; its outputs, reports and console are removed."""
        self._record.call("tasks.reset", {"force": force})
        self._record.forget()
        if set_started_on_success:
            self.started(ignore_errors=False)

    def register_abort_callback(
        self, callback_function: Callable[[], object] | None, callback_execution_timeout: float = 30.0
    ) -> None:
        """Have a function called, in a thread, before this process is ended because the task was stopped from outside.

        callback_execution_timeout: seconds that it may take. None as the function removes the one registered before.
        """
        run = self._run
        if run is None:
            raise ValueError("an abort callback belongs to the process that runs the task")
        if callback_function is not None and (
            not isinstance(callback_execution_timeout, int | float) or callback_execution_timeout <= 0
        ):
            raise ValueError(f"the callback needs a time limit in seconds, not {callback_execution_timeout!r}")
        if run.watcher is None:
            run.start_watching()
        if run.watcher is not None:
            run.watcher.register_callback(callback_function, callback_execution_timeout)

    def close(self) -> None:
        """End this run: everything is sent, the task is completed, the process goes on.

        The object cannot connect anything afterwards; `Task.get_task` gives one that can be read.
        """
        run = self._run
        self._closed = True
        if run is None:
            return
        run.close(Ending("completed", "completed"))

    @classmethod
    def enqueue(cls, task: Any, queue_name: str | None = None, queue_id: str | None = None, force: bool = False) -> Any:
        """Put a task (or its id) at the end of a queue, named or by id; with `force` it is reset where needed.

        Returns the server's answer: `queued`, `updated`, `fields`.
        """
        session = cls._session()
        queue = queueing.queue_id(session, queue_name, queue_id)
        identifier = str(getattr(task, "id", task))
        answer = queueing.enqueue(session, identifier, queue=queue, force=force)
        if isinstance(task, TaskBase):
            task._record.forget()
        return _answer(answer)

    @classmethod
    def dequeue(cls, task: Any) -> Any:
        """Take a task (or its id) out of its queue. Returns the server's answer."""
        answer = queueing.dequeue(cls._session(), str(getattr(task, "id", task)))
        if isinstance(task, TaskBase):
            task._record.forget()
        return _answer(answer)

    @classmethod
    def get_num_enqueued_tasks(cls, queue_name: str | None = None, queue_id: str | None = None) -> int:
        """How many tasks wait in a queue, named or by id."""
        session = cls._session()
        return queueing.count(session, queueing.queue_id(session, queue_name, queue_id))

    def get_executed_queue(self, return_name: bool = False) -> str | None:
        """The queue that the task was enqueued in: its id, or its name; None when it never was."""
        found = (self._record.read_fields("execution.queue").get("execution") or {}).get("queue")
        if found is None or not return_name:
            return found
        return str(self._record.session.call("queues.get_by_id", {"queue": found})["queue"]["name"])

    def delete(
        self,
        delete_artifacts_and_models: bool = True,
        skip_models_used_by_other_tasks: bool = True,
        raise_on_error: bool = False,
        callback: Callable[[str, str], bool] | None = None,
    ) -> bool:
        """Delete the task with its reports, and by default its output models and stored artifacts.

        Args:
            callback: decides for each ("artifact" or "model", address) whether it is deleted; overrides the first flag.

        Returns whether everything was deleted; failures are printed unless `raise_on_error`.
        """
        from clearml_sdk.deleting import delete_task

        problems: list[str] = []
        try:
            problems = delete_task(
                self._record,
                with_files=delete_artifacts_and_models,
                keep_shared_models=skip_models_used_by_other_tasks,
                callback=callback,
            )
        except ClearmlError as error:
            if raise_on_error:
                raise
            problems.append(str(error))
        for problem in problems:
            if raise_on_error:
                raise self.DeleteError(problem)
            say(f"Task: deleting {self.id}: {problem}")
        return not problems

    class DeleteError(Exception):
        """The task, or something that belongs to it, could not be deleted."""


def _answer(fields: dict[str, Any]) -> Any:
    from clearml_sdk.documents import Document

    return Document(fields)
