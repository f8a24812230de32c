"""What every part of `Task` stands on: the record of its task, and whether this process runs it."""

from __future__ import annotations

import sys

from clearml_sdk import outage
from clearml_sdk import run as runs
from clearml_sdk.config import cache_base, load_settings
from clearml_sdk.notices import warn_once
from clearml_sdk.record import TaskRecord
from clearml_sdk.session import Session
from clearml_sdk.task_types import TaskStatusEnum, TaskTypes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from clearml_sdk.artifacts.registered import RegisteredTables
    from clearml_sdk.artifacts.uploads import ArtifactUploads


class TaskBase:
    """A task by its record. Constructed by the SDK only."""

    TaskTypes = TaskTypes
    TaskStatusEnum = TaskStatusEnum
    archived_tag = "archived"

    _record: TaskRecord
    _closed: bool = False

    @classmethod
    def _from_record(cls, record: TaskRecord) -> Self:
        task = cls.__new__(cls)
        task._record = record
        return task

    @property
    def _run(self) -> runs.Run | None:
        """The run of this process, when it is this task's."""
        run = runs.current()
        return run if run is not None and run.record.id == self._record.id else None

    @classmethod
    def _session(cls) -> Session:
        return Session.default()

    def _settle(self) -> None:
        """Before reading back: have what this process changed arrive first."""
        run = self._run
        if run is not None:
            run.outbox.flush(30)

    def _wait_for_uploads(self, timeout_s: float | None, *, at_end: bool = False) -> None:
        """Wait for the artifacts and weights that this process stores.

        at_end: of the run: what the journal has, and does not get through, is left to the next start.
        """
        tables: RegisteredTables | None = self.__dict__.get("_tables")
        if tables is not None and at_end:
            tables.stop()
        elif tables is not None:
            tables.check()
        uploads: ArtifactUploads | None = self.__dict__.get("_uploads")
        if uploads is not None and at_end:
            uploads.flush_or_leave(timeout_s)
        elif uploads is not None:
            uploads.flush(timeout_s)
        weights = sys.modules.get("clearml_sdk.models.weights")
        if weights is not None and at_end:
            weights.uploads.flush_or_leave(timeout_s, is_vain=lambda: outage.is_away(self._record.session))
        elif weights is not None:
            weights.uploads.flush(timeout_s)

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError(f"task {self._record.id} was closed; Task.get_task(task_id=...) gives a usable object")

    def _quietly(self, endpoint: str, body: dict[str, Any], ignore_errors: bool) -> dict[str, Any] | None:
        """Call an endpoint about this task; with `ignore_errors` a refusal is a warning, and the answer None."""
        from clearml_sdk.errors import ClearmlError

        try:
            answer = self._record.call(endpoint, {key: value for key, value in body.items() if value is not None})
        except ClearmlError as error:
            if not ignore_errors:
                raise
            warn_once(f"{endpoint} {self._record.id}", str(error))
            return None
        self._record.forget()
        return answer

    @property
    def id(self) -> str:
        """The task's id."""
        return self._record.id

    @property
    def task_id(self) -> str:
        """The task's id."""
        return self._record.id

    @property
    def data(self) -> Any:
        """The task's document, fields as attributes; read once, see `reload`."""
        from clearml_sdk.documents import Document

        return Document(self._record.document)

    @property
    def cache_dir(self) -> Any:
        """A folder of this machine for this task's temporary files."""
        from pathlib import Path

        folder = Path(cache_base(self._record.session.config or load_settings())) / "tasks" / self.id
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def reload(self) -> None:
        """Read the task from the server again."""
        self._settle()
        self._record.reload()

    def __repr__(self) -> str:
        return f"<Task id={self._record.id}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TaskBase) and other._record.id == self._record.id

    def __hash__(self) -> int:
        return hash(self._record.id)
