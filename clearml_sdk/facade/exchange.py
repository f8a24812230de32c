"""`Task`: its configuration as a dictionary - exported, imported as a new task, or merged into one."""

from __future__ import annotations

from clearml_sdk.facade.base import TaskBase
from clearml_sdk.notices import warn_once
from clearml_sdk.projects import project_id
from clearml_sdk.record import TaskRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Self

SECTIONS = ("script", "execution", "container", "hyperparams", "configuration", "runtime")
FIELDS = ("name", "type", "comment", "tags", "system_tags", "parent", "project", *SECTIONS)
DESCRIBING = ("id", "user", "company", "status", "created", "last_update")
NOT_TAKEN = (
    *DESCRIBING,
    *("output", "models", "project_name", "session_api_version", "last_change", "last_changed_by"),
    *("started", "completed", "published", "active_duration", "last_worker", "last_worker_report", "last_iteration"),
    *("last_metrics", "status_changed", "status_message", "status_reason", "unique_metrics", "company_origin"),
)
"""What a task has besides, but did not get from whoever described it."""
OUTPUTS = {"execution": ("artifacts", "queue"), "output": ("error", "model", "result")}
"""What tasks produce inside the sections that describe them."""


class TaskExchange(TaskBase):
    """A task as data."""

    def export_task(self) -> dict[str, Any]:
        """The configuration of the task as plain data: no reports, artifacts, output models or metrics."""
        self._settle()
        if self._run is not None:
            self._run.finish_capture()  # its code and packages are part of it
        document = self._record.reload()
        exported = {key: document[key] for key in (*DESCRIBING, *FIELDS, "output") if document.get(key) is not None}
        for section, names in OUTPUTS.items():
            if isinstance(exported.get(section), dict):
                exported[section] = {key: value for key, value in exported[section].items() if key not in names}
        inputs = (document.get("models") or {}).get("input") or []
        exported["models"] = {"input": inputs}
        project = document.get("project")
        if project:
            body = {"project": project}
            exported["project_name"] = self._record.session.call("projects.get_by_id", body)["project"]["name"]
        return exported

    def update_task(self, task_data: Mapping[str, Any]) -> bool:
        """Merge exported (or hand-made) data into this task; the rest stays. True when it names something."""
        fields = _fields(self._record, task_data, merged=True)
        self._settle()
        if fields:
            self._record.edit(**fields)
            self._record.forget()
        return bool(fields)

    @classmethod
    def import_task(cls, task_data: Mapping[str, Any], target_task: Any = None, update: bool = False) -> Self | None:
        """A draft made of exported data.

        Args:
            target_task: a task or its id to write into, instead of a new one: its configuration is replaced.
            update: merge into `target_task` instead.
        """
        session = cls._session()
        if target_task is not None:
            record = TaskRecord(session, str(getattr(target_task, "id", target_task)))
            record.edit(**_fields(record, task_data, merged=update))
            record.forget()
            if isinstance(target_task, cls):
                target_task._record.forget()
                return target_task
            return cls._from_record(record)
        fields = _fields(None, task_data, merged=False)
        body = {"name": "Imported task", "type": "training", **fields}
        if task_data.get("project_name"):  # ids differ from server to server
            body["project"] = project_id(session, str(task_data["project_name"]))
        return cls._from_record(TaskRecord(session, str(session.call("tasks.create", body)["id"])))


def _fields(record: TaskRecord | None, data: Mapping[str, Any], *, merged: bool) -> dict[str, Any]:
    """What `tasks.create` and `tasks.edit` take of exported data. Raises ValueError for anything but a dictionary."""
    if not isinstance(data, dict):
        raise ValueError(
            f"a task is imported from a dictionary, as export_task() gives, not from {type(data).__name__}"
        )
    other = sorted(set(data) - {*FIELDS, *NOT_TAKEN})
    if other:
        warn_once(f"import {other}", f"not taken over, tasks have no such fields: {', '.join(other)}")
    fields = {key: data[key] for key in FIELDS if data.get(key) is not None}
    if isinstance(fields.get("execution"), dict):
        fields["execution"] = {k: v for k, v in fields["execution"].items() if k not in OUTPUTS["execution"]}
    if (data.get("output") or {}).get("destination"):
        fields["output_dest"] = data["output"]["destination"]
    inputs = (data.get("models") or {}).get("input")
    if inputs is not None:
        fields["models"] = {"input": inputs}
    if merged and record is not None:
        for key in SECTIONS:
            if isinstance(fields.get(key), dict):
                fields[key] = _merge(record.read_fields(key).get(key) or {}, fields[key])
    return fields


def _merge(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """`after` over `before`, dictionaries merged to any depth."""
    merged = dict(before)
    for key, value in after.items():
        mine = merged.get(key)
        merged[key] = _merge(mine, value) if isinstance(value, dict) and isinstance(mine, dict) else value
    return merged
