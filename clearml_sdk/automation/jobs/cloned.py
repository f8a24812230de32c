"""`ClearmlJob`: a job whose task is made from another one, with other parameters."""

from __future__ import annotations

from clearml_sdk.automation.jobs import hashing
from clearml_sdk.automation.jobs.base import BaseJob
from clearml_sdk.automation.jobs.drafting import drafted
from clearml_sdk.destinations import destination
from clearml_sdk.errors import UsageError
from clearml_sdk.projects import project_id
from clearml_sdk.queries import ARCHIVED
from clearml_sdk.record import TaskRecord
from clearml_sdk.session import CALL_NAME, Session
from clearml_sdk.starting import DEVELOPMENT, auto_comment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

_NOT_COPIED = (ARCHIVED, DEVELOPMENT)
"""System tags of the base task that say nothing about its copy."""


class ClearmlJob(BaseJob):
    """A draft made from `base_task_id`, ready to `launch`."""

    def __init__(
        self,
        base_task_id: str,
        parameter_override: Mapping[str, str] | None = None,
        task_overrides: Mapping[str, str] | None = None,
        configuration_overrides: Mapping[str, str | Mapping[str, Any]] | None = None,
        tags: Sequence[str] | None = None,
        parent: str | None = None,
        disable_clone_task: bool = False,
        allow_caching: bool = False,
        target_project: str | None = None,
        output_uri: str | bool | None = None,
        enable_local_imports: bool = True,
        **kwargs: Any,
    ) -> None:
        """Make the task, or find one that stands for it.

        Args:
            parameter_override: `Section/name` -> value.
            task_overrides: dotted path -> value, such as `{"script.version_num": None, "script.branch": "main"}`.
            configuration_overrides: name -> text, or the object itself.
            tags: of the new task, beside those of the base.
            parent: id of the task that launches this one; None: the base task.
            disable_clone_task: run the base task itself.
            allow_caching: take a completed task with the same code and inputs instead of a new one.
            target_project: full name; None: the base task's project.
            output_uri: where outputs go; True: on the files server. None: as the base task says.
            enable_local_imports: a local run finds modules that this process finds.
            kwargs: `task_name`; `runtime` (keys put into the new task's runtime); `document` (fields of a task to make
                when there is no base task); `call_name` (of the call that makes the task: made again under the same
                name, it makes no other one); `session`.
        """
        super().__init__()
        unknown = set(kwargs) - {"task_name", "runtime", "document", "session", "call_name"}
        if unknown:
            raise TypeError(f"ClearmlJob does not know {', '.join(sorted(unknown))}")
        session: Session = kwargs.get("session") or Session.default()
        self._local_imports = enable_local_imports
        self.task_parameter_override = dict(parameter_override or {})
        document: Mapping[str, Any] | None = kwargs.get("document")
        if not base_task_id and document is None:
            raise UsageError("a job is made from a task: base_task_id")
        base = document if document is not None else _read(session, base_task_id)
        fields = drafted(
            base,
            parameter_override=parameter_override,
            configuration_overrides=configuration_overrides,
            task_overrides=task_overrides,
        )
        hash_ = hashing.job_hash(session, fields, BaseJob._hashing_callback) if not disable_clone_task else ""
        if allow_caching and hash_ and (standing := hashing.find_completed(session, hash_)):
            self._record, self._is_cached_task = TaskRecord(session, standing), True
            return
        if disable_clone_task:
            self._record = TaskRecord(session, base_task_id)
            changes = {key: value for key, value in fields.items() if key not in ("script", "container")}
            if task_overrides or parameter_override or configuration_overrides:
                self._record.edit(**(fields if task_overrides else changes))
            if kwargs.get("runtime"):
                self._record.change("runtime", kwargs["runtime"])
            if tags or parent:
                tags_now = [*(base.get("tags") or []), *(tags or [])]
                self._record.edit(tags=list(dict.fromkeys(tags_now)), **({"parent": parent} if parent else {}))
            self._record.forget()
            self._note({"status": base.get("status")})
            return
        fields["runtime"] = {**(kwargs.get("runtime") or {}), hashing.HASH: hash_}
        fields["tags"] = list(dict.fromkeys([*(base.get("tags") or []), *(tags or [])]))
        fields["parent"] = parent or base_task_id or ""
        if kwargs.get("task_name"):
            fields["name"] = kwargs["task_name"]
        if output_uri is not None:
            fields["output_dest"] = destination(session, output_uri)
        if target_project:
            fields["project"] = project_id(session, target_project)
        headers = {CALL_NAME: str(kwargs["call_name"])} if kwargs.get("call_name") else {}
        self._record = _make(session, base_task_id, base, fields, headers, is_new=document is not None)
        self._note({"status": "created"})


class TrainsJob(ClearmlJob):
    """The older name of `ClearmlJob`."""

    def __init__(self, **kwargs: Any) -> None:
        """As `ClearmlJob`, by keywords."""
        super().__init__(**kwargs)


def _read(session: Session, task: str) -> dict[str, Any]:
    return TaskRecord(session, task).reload()


def _make(
    session: Session,
    base_id: str,
    base: Mapping[str, Any],
    fields: dict[str, Any],
    headers: Mapping[str, str],
    *,
    is_new: bool,
) -> TaskRecord:
    """Make the draft. What says whose it is comes with the one call that makes it what it is."""
    if is_new:
        body = {
            "type": base.get("type") or "training",
            "name": base.get("name"),
            "project": base.get("project"),
            "comment": auto_comment(),
            "system_tags": list(base.get("system_tags") or []),
            **{key: value for key, value in base.items() if key in ("output_dest",) and value},
            **fields,
        }
        body = {key: value for key, value in body.items() if value is not None}
        return TaskRecord(session, str(session.call("tasks.create", body, headers=headers)["id"]))
    clone: dict[str, Any] = {"task": base_id, "new_task_name": fields.get("name") or f"{base.get('name', '')}"}
    clone["new_task_parent"] = fields["parent"]
    record = TaskRecord(session, str(session.call("tasks.clone", clone, headers=headers)["id"]))
    fields.setdefault("system_tags", [tag for tag in base.get("system_tags") or [] if tag not in _NOT_COPIED])
    record.edit(**fields)
    record.forget()
    return record
