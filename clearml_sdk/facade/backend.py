"""`Task`: its connection to the API, for scripts that send requests of their own."""

from __future__ import annotations

from clearml_sdk import reporters
from clearml_sdk.facade.base import TaskBase
from clearml_sdk.record import TaskRecord
from clearml_sdk.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from typing import Any

    from clearml_sdk.reporting.reporter import Reporter


class TaskBackend(TaskBase):
    """The parts that a task is made of."""

    NotSet = object()
    """Stands for an argument that was not given, where None means something."""

    @property
    def id(self) -> str:
        """The task's id. Setting it makes this object stand for another task."""
        return self._record.id

    @id.setter
    def id(self, value: str) -> None:
        if self._run is not None and value != self._record.id:
            raise ValueError(f"task {self._record.id} runs in this process: its object cannot stand for another one")
        self._record = TaskRecord(self._record.session, value)

    @property
    def session(self) -> Session:
        """The connection to the server: `session.send(tasks.GetAllRequest(...))`, `session.send_request(...)`."""
        from clearml_sdk.backend_api.session.session import with_calls

        return with_calls(self._record.session)

    @property
    def default_session(self) -> Session:
        """The connection that objects of this process use."""
        return self._session()

    @property
    def log(self) -> logging.Logger:
        """The logger of the SDK's own messages."""
        import logging

        return logging.getLogger("clearml.Task")

    @property
    def metrics_manager(self) -> Reporter:
        """What takes the reports of this task in this process."""
        return reporters.reporter_of(self._record.session, self.id)

    @property
    def report_subprocess_enabled(self) -> bool:
        """Whether a process of its own sends the reports: never, a thread does."""
        return False

    @property
    def resource_monitor(self) -> Any:
        """What reports the load of the machine for this run; None when nothing does."""
        run = self._run
        return None if run is None else run.monitor

    def send(
        self, req: Any, ignore_errors: bool = False, raise_on_errors: bool = True, async_enable: bool = False
    ) -> Any:
        """Send a request of `clearml.backend_api.services` and return its result: `response`, `meta`, `ok()`.

        Raises SendError when the server refuses it, unless told not to.
        """
        from clearml_sdk.backend_interface.session import SendError

        result = self.session.send(req)
        if result.ok() or ignore_errors:
            return result
        message = f"Action failed {result.meta}"
        self.log.error(message)
        if raise_on_errors:
            raise SendError(result, message)
        return result

    @classmethod
    def normalize_id(cls, id: str) -> str:
        """An id without blanks around it; None for an empty one."""
        return id.strip() if id else None  # type: ignore[return-value]  # as official clients answer

    @classmethod
    def resolve_id(cls, obj: Any) -> Any:
        """The id of a task; anything else as it is."""
        return obj.id if isinstance(obj, TaskBase) else obj
