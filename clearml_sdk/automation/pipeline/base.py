"""What every part of a pipeline's controller stands on: its task, its steps, its parameters."""

from __future__ import annotations

from clearml_sdk.automation.pipeline import node as states
from clearml_sdk.automation.pipeline.callbacks import Callbacks
from clearml_sdk.automation.pipeline.node import Node

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from typing import Any, ClassVar

    from clearml_sdk.automation.pipeline.engine import Engine
    from clearml_sdk.automation.pipeline.task_settings import Parameter
    from clearml_sdk.task import Task


class ControllerBase:
    """A pipeline by its task. Of one that runs elsewhere the steps are read from there."""

    Node = Node
    valid_job_status: ClassVar[list[str]] = list(states.STATUSES)

    _task: Task
    _version: str | None
    _name: str
    _add_pipeline_tags: bool = False
    _target_project: str | bool | None = True
    _retry_on_failure: int | Callable[..., bool] | None = None
    _always_create_from_code: bool = True
    _serialize: Callable[[Any], bytes | bytearray] | None = None
    _deserialize: Callable[[bytes], Any] | None = None
    _output_uri: str | bool | None = None
    _skip_global_imports: bool = False
    _local_imports: bool = True

    def _start_values(self) -> None:
        """What every controller has, also one of a pipeline that runs elsewhere."""
        self._nodes: dict[str, Node] = {}
        self._callbacks = Callbacks()
        self._parameters: dict[str, Parameter] = {}
        self._values: dict[str, Any] = {}
        self._code: dict[str, str] = {}
        self._default_execution_queue: str | None = None
        self._time_limit_s: float | None = None
        self._engine: Engine | None = None
        self._thread: threading.Thread | None = None
        self._started_at: float | None = None
        self._abort_on_failure, self._pool_s, self._version = False, 12.0, None
        self._leave_open = False
        self._run_id, self._is_resumed, self._has_ended_before = "", False, False

    @property
    def task(self) -> Task:
        """The pipeline's task."""
        return self._task

    @property
    def id(self) -> str:
        """The id of the pipeline's task."""
        return self._task.id
