"""`Metrics`: sends events about a task, in the background or at once."""

from __future__ import annotations

from clearml_sdk import reporters
from clearml_sdk.async_result import AsyncResult
from clearml_sdk.backend_api.session.callresult import CallResult, Meta
from clearml_sdk.backend_interface.metrics.events import UploadEvent
from clearml_sdk.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Sequence
    from typing import Any

    from clearml_sdk.backend_interface.metrics.events import MetricsEventAdapter
    from clearml_sdk.reporting.images import Samples


class Metrics:
    """Reports to a task.

    Args:
        session: None: that of the task, or of this process.
        storage_uri: where files go; None: the files server.
        storage_uri_suffix: of the folder under the task's.
        iteration_offset: added to each iteration.
        for_model: the events are about the model that has the id of `task`.
    """

    def __init__(
        self,
        session: Any,
        task: Any,
        storage_uri: str | None,
        storage_uri_suffix: str | None = "metrics",
        iteration_offset: int = 0,
        log: logging.Logger | None = None,
        for_model: bool = False,
    ) -> None:
        self.task, self.storage_uri, self._suffix = task, storage_uri, storage_uri_suffix
        self._session: Session | None = session
        self._offset, self._log, self.for_model = iteration_offset, log, for_model
        self._samples: Samples | None = None

    @property
    def session(self) -> Session:
        """The connection to the server."""
        record: Any = getattr(self.task, "_record", None)
        return record.session if hasattr(record, "session") else self._session or Session.default()

    @property
    def default_session(self) -> Session:
        """The connection that objects of this process use."""
        return Session.default()

    @property
    def log(self) -> logging.Logger:
        """The logger of the SDK's own messages."""
        import logging

        return self._log or logging.getLogger("clearml.Metrics")

    @property
    def storage_key_prefix(self) -> str:
        """The folder of its files below that of the task."""
        return self._suffix or ""

    def get_iteration_offset(self) -> int:
        """What is added to each iteration."""
        return self._offset

    def set_iteration_offset(self, offset: int) -> None:
        """Add so much to each iteration from now on."""
        self._offset = int(offset)

    def write_events(
        self,
        events: Sequence[MetricsEventAdapter],
        async_enable: bool = True,
        callback: Callable[[Any], object] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Report events.

        async_enable: they are in the journal when this returns, and the answer (an `AsyncResult`) is there when the
        server has them; otherwise this waits for the server, and returns the answer, a `CallResult`. Files come later.
        """
        reporter = self.reporter
        for event in events:
            if isinstance(event, UploadEvent):
                event.send(self.samples(event.upload_uri), self.at(event.get_iteration() or 0))
                continue
            event.update(iter_offset=self._offset)
            reporter.event({**event.fields(), "task": self.task.id, **self.mark()})

        def send() -> CallResult:
            is_there = reporter.flush(None)
            refusal = () if is_there else (503, 0, "the events wait in the journal")
            return CallResult(Meta("events.add_batch", *refusal), response_data={"added": len(events)})

        if async_enable:
            return AsyncResult(send, callback)
        answer = send()
        if callback is not None:
            callback(answer)
        return answer

    @property
    def reporter(self) -> Any:
        """What takes the reports of the task in this process."""
        return reporters.reporter_of(self.session, self.task.id)

    def at(self, iteration: int) -> int:
        """The iteration as the task's own reporter is to be told it: that adds an offset too."""
        return int(iteration) + self._offset - int(self.reporter.iteration_offset)

    def mark(self) -> dict[str, Any]:
        """What an event needs beside its content."""
        return {"model_event": True} if self.for_model else {}

    def samples(self, uri: str | None = None) -> Samples:
        """What uploads files. Raises ValueError for a model, which has no files of its own."""
        from clearml_sdk.reporting.images import Samples
        from clearml_sdk.storage.locations import TaskFolder

        if self.for_model:
            raise ValueError("files are reported to a task, not to a model")
        if self._samples is None:
            self._samples = Samples(self.reporter, TaskFolder(self.task._record))
        self._samples.destination = uri or self.storage_uri
        return self._samples

    def send(
        self, req: Any, ignore_errors: bool = False, raise_on_errors: bool = True, async_enable: bool = False
    ) -> Any:
        """Send a request of `clearml.backend_api.services`, as `Task.send`."""
        return self.task.send(req, ignore_errors, raise_on_errors, async_enable)

    @classmethod
    def report_offline_session(
        cls,
        task: Any,
        folder: str,
        iteration_offset: int = 0,
        remote_url: str | None = None,
        only_with_id: str | None = None,
        session: Any = None,
    ) -> bool:
        """Add what an offline session recorded to `task`.

        remote_url and only_with_id are accepted for compatibility: files go where the task's go.
        """
        from clearml_sdk.offline.importing import import_session

        return bool(import_session(task._record.session, folder, previous=task.id, offset=iteration_offset))

    @staticmethod
    def close_async_threads() -> None:
        """Wait for what was reported to other tasks than that of this process's run, and end the threads."""
        reporters.close_all()
