"""Launching the task of an entry exactly once, whenever the scheduler dies.

A task carries in its runtime who launched it, for which entry and for which occasion. The mark is written before the
task is enqueued; a scheduler that starts again looks for marked tasks, and enqueues those that still are drafts.
"""

from __future__ import annotations

from clearml_sdk import queueing
from clearml_sdk.automation.jobs.cloned import ClearmlJob
from clearml_sdk.errors import ApiError
from clearml_sdk.paging import all_tasks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from clearml_sdk.automation.schedules.entry import BaseScheduleJob
    from clearml_sdk.session import Session

    Launched = dict[tuple[str, str], dict[str, Any]]  # (entry, occasion) -> the task: id, status, runtime, created

BY, ENTRY, OCCASION = "scheduled_by", "scheduled_entry", "scheduled_for"
"""Keys of a task's runtime: id of the scheduler's task, name of the entry, time or event."""

REMEMBERED = 5000


class Launcher:
    """Launches tasks for the scheduler whose task is `service`."""

    def __init__(self, session: Session, service: str) -> None:
        self._session, self._service = session, service
        self._known: Launched | None = None

    def forget(self) -> None:
        """Look on the server again what was launched: a call failed, or the process is new."""
        self._known = None

    def launched(self) -> Launched:
        """What this scheduler, in whichever process, has made tasks for."""
        if self._known is None:
            self._known = _read(self._session, self._service)
        return self._known

    def launch(
        self, entry: BaseScheduleJob, occasion: str, parameters: dict[str, Any] | None, tags: Iterable[str] = ()
    ) -> str | None:
        """The task that runs for this entry and occasion, made and enqueued where there is none yet.

        None when that is impossible: there is no such queue, or the task to run is gone. Raises ClearmlError.
        """
        queue = queueing.queue_id(self._session, entry.queue)  # ValueError: there is none
        known = self.launched()
        made = known.get((str(entry.name), occasion))
        if made is None:
            self.forget()  # until it is enqueued nobody knows how far it came
            made = {"id": self._make(entry, occasion, parameters, tags), "status": "created"}
        task = str(made["id"])
        if made.get("status") == "created":
            self.forget()
            queueing.enqueue(self._session, task, queue=queue, force=False)
        known[str(entry.name), occasion] = {"id": task, "status": "queued"}
        self._known = known
        return task

    def _make(
        self, entry: BaseScheduleJob, occasion: str, parameters: dict[str, Any] | None, tags: Iterable[str]
    ) -> str:
        if not entry.clone_task:
            self._session.call("tasks.reset", {"task": entry.base_task_id, "force": True})
        job = ClearmlJob(
            base_task_id=str(entry.base_task_id),
            parameter_override=parameters,
            task_overrides=entry.task_overrides,
            tags=list(tags),
            disable_clone_task=not entry.clone_task,
            target_project=entry.get_resolved_target_project() if entry.clone_task else None,
            runtime={BY: self._service, ENTRY: str(entry.name), OCCASION: occasion},
            session=self._session,
        )
        return job.task_id()

    def is_running(self, task: str | None) -> bool:
        """Whether a launched task has not ended yet."""
        if not task:
            return False
        body = {"id": [task], "only_fields": ["id", "status"], "search_hidden": True}
        found = self._session.call("tasks.get_all", body).get("tasks") or []
        return bool(found) and found[0].get("status") in ("queued", "in_progress")

    def stop(self, task: str, reason: str) -> bool:
        """Stop a task; False when it was over already."""
        try:
            self._session.call("tasks.stop", {"task": task, "status_reason": reason, "status_message": reason})
        except ApiError:
            return False
        return True


def _read(session: Session, service: str) -> Launched:
    """The newest launches: older ones are in the scheduler's state."""
    found: Launched = {}
    body = {
        "_all_": {"fields": [f"runtime.{BY}"], "pattern": f"^{service}$"},
        "only_fields": ["id", "status", "runtime", "created"],
        "order_by": ["-created"],
    }
    for task in all_tasks(session, body, limit=REMEMBERED):
        runtime = task.get("runtime") or {}
        found.setdefault((str(runtime.get(ENTRY)), str(runtime.get(OCCASION))), task)
    return found
