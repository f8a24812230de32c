"""`Monitor`: a service that looks at every task whose status changed; a base class for alerts and clean-ups."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from clearml_sdk.automation.schedules.times import utc
from clearml_sdk.errors import ClearmlError
from clearml_sdk.notices import say
from clearml_sdk.paging import all_tasks
from clearml_sdk.projects import list_projects
from clearml_sdk.session import Session
from clearml_sdk.task import Task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

OVERLAP = timedelta(seconds=2)
"""What changed so shortly before is looked at again: servers have clocks of their own."""


class Monitor:
    """Override `process_task`, and `get_query_parameters` to choose; then call `monitor`."""

    def __init__(self) -> None:
        """Of all projects, at first."""
        self._task_name_filter: str | None = None
        self._project_names: list[str] = []
        self._project_names_re: list[str] = []
        self._project_ids: list[str] = []
        self._since: datetime | None = None
        self._processed: dict[str, str] = {}
        """Task -> when its status changed, of those that were processed lately."""
        self._stopped = threading.Event()

    def set_projects(
        self,
        project_names: Sequence[str] | None = None,
        project_names_re: Sequence[str] | None = None,
        project_ids: Sequence[str] | None = None,
    ) -> None:
        """Look at tasks of these projects only.

        project_names: whole names; project_names_re: expressions found in names. Projects that are made later count.
        """
        self._project_names = list(project_names or [])
        self._project_names_re = list(project_names_re or [])
        self._project_ids = list(project_ids or [])

    def set_task_name_filter(self, task_name_filter: str | None = None) -> None:
        """Look at tasks whose name matches this expression only; None: all."""
        self._task_name_filter = task_name_filter

    def monitor(self, pool_period: float = 15.0) -> None:
        """Look every `pool_period` seconds, without end."""
        self._begin()
        while not self._stopped.wait(pool_period):
            try:
                self.monitor_step()
            except (ClearmlError, OSError) as error:
                say(f"monitor: {error}; the next look comes later")

    def monitor_step(self) -> None:
        """Process the tasks whose status changed since the last call; at the first, since now."""
        if self._since is None:
            self._begin()
        since = self._since
        assert since is not None
        session = Session.default()
        begin = (since - OVERLAP).replace(tzinfo=None).isoformat()
        body: dict[str, Any] = {"status_changed": [f">{begin}"], "order_by": ["status_changed"]}
        if self._task_name_filter:
            body["name"] = self._task_name_filter
        if self._project_names or self._project_names_re or self._project_ids:
            projects = self._projects(session)
            if not projects:
                return
            body["project"] = projects
        body.update(self.get_query_parameters())
        for task in self._changed(session, body):
            changed = str(task.get("status_changed"))
            if self._processed.get(str(task["id"])) == changed or (utc(changed) or since) <= self._began:
                continue
            self._processed[str(task["id"])] = changed
            self._since = max(self._since or since, utc(changed) or since)
            try:
                self.process_task(Task.get_task(task_id=str(task["id"])))
            except Exception as error:  # noqa: BLE001  # the user's code: the next task is looked at whatever it does
                say(f"monitor: {type(error).__name__} while processing task {task['id']}: {error}")
        limit = (self._since or since) - OVERLAP * 2
        self._processed = {id_: text for id_, text in self._processed.items() if (utc(text) or since) > limit}

    def process_task(self, task: Task) -> None:
        """What to do with a task whose status changed. Override it."""

    def get_query_parameters(self) -> dict[str, Any]:
        """Further conditions of `tasks.get_all`, such as `{"status": ["failed"]}`. Override it."""
        return {}

    @staticmethod
    def _changed(session: Session, body: dict[str, Any]) -> list[dict[str, Any]]:
        """All that match, unless `get_query_parameters` asks for a page of its own."""
        body = {"search_hidden": True, **body, "only_fields": ["id", "status_changed"]}
        if "page" in body:
            return session.call("tasks.get_all", body).get("tasks") or []
        return all_tasks(session, body)

    def _begin(self) -> None:
        body = {"only_fields": ["status_changed"], "order_by": ["-status_changed"], "page": 0, "page_size": 1}
        newest = Session.default().call("tasks.get_all", {**body, "search_hidden": True}).get("tasks") or []
        # By the server's clock: the last change that anybody made.
        moment = utc(newest[0].get("status_changed")) if newest else None
        self._since = self._began = moment or datetime(1970, 1, 1, tzinfo=UTC)

    _began = datetime(1970, 1, 1, tzinfo=UTC)
    """What changed until then is not looked at."""

    def _projects(self, session: Session) -> list[str]:
        import re

        found = list(self._project_ids)
        for pattern in [*(f"^{re.escape(name)}$" for name in self._project_names), *self._project_names_re]:
            fields = {"only_fields": ["id"], "search_hidden": True, "shallow_search": False}
            found += [str(project["id"]) for project in list_projects(session, name=pattern, **fields)]
        return list(dict.fromkeys(found))
