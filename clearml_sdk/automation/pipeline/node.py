"""One step of a pipeline as data: what it is to run, and how far it is."""

from __future__ import annotations

import copy
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from clearml_sdk.automation.jobs.base import BaseJob

PENDING, QUEUED, RUNNING = "pending", "queued", "running"
COMPLETED, CACHED, FAILED, ABORTED, SKIPPED = "completed", "cached", "failed", "aborted", "skipped"
STATUSES = [FAILED, CACHED, COMPLETED, ABORTED, QUEUED, RUNNING, SKIPPED, PENDING]
ENDED = frozenset({COMPLETED, CACHED, FAILED, ABORTED, SKIPPED})
GOOD = frozenset({COMPLETED, CACHED})

_NOT_STORED = ("name", "job", "task_factory_func")


class Node:
    """A step. What the controller's task stores of it: all but `name`, `job` and `task_factory_func`."""

    continue_on_fail: bool
    """Whether the pipeline goes on, and does not fail, when the step failed; `continue_on_abort`: was stopped."""
    continue_on_abort: bool
    skip_children_on_fail: bool
    """Whether the steps that wait for this one are skipped when it failed; `skip_children_on_abort`: was stopped."""
    skip_children_on_abort: bool

    def __init__(
        self,
        name: str,
        base_task_id: str | None = None,
        task_factory_func: Callable[[Node], Any] | None = None,
        queue: str | None = None,
        parents: list[str] | None = None,
        timeout: float | None = None,
        parameters: dict[str, Any] | None = None,
        configurations: dict[str, Any] | None = None,
        task_overrides: dict[str, Any] | None = None,
        executed: str | None = None,
        status: str = PENDING,
        clone_task: bool = True,
        job: BaseJob | None = None,
        job_type: str | None = None,
        job_started: float | None = None,
        job_ended: float | None = None,
        job_code_section: str | None = None,
        skip_job: bool = False,
        cache_executed_step: bool = False,
        return_artifacts: list[str] | None = None,
        monitor_metrics: list[Any] | None = None,
        monitor_artifacts: list[Any] | None = None,
        monitor_models: list[Any] | None = None,
        explicit_docker_image: str | None = None,
        recursively_parse_parameters: bool = False,
        output_uri: bool | str | None = None,
        draft: bool = False,
        continue_behaviour: dict[str, bool] | None = None,
        continue_on_fail: bool = False,
        continue_on_abort: bool = False,
        skip_children_on_abort: bool = True,
        skip_children_on_fail: bool = True,
        stage: str | None = None,
    ) -> None:
        """queue: name or id; None: the pipeline's default. executed: id of the task that did the step, once it ended.

        continue_behaviour: in place of the four flags, by their names; a name that is missing is true.
        """
        self.name, self.base_task_id, self.task_factory_func = name, base_task_id, task_factory_func
        self.queue, self.parents, self.timeout = queue, parents or [], timeout
        self.parameters, self.configurations = parameters or {}, configurations or {}
        self.task_overrides = task_overrides or {}
        self.executed, self.status, self.clone_task = executed, status, clone_task
        self.job, self.job_type = job, job_type
        self.job_started, self.job_ended, self.job_code_section = job_started, job_ended, job_code_section
        self.skip_job, self.cache_executed_step = skip_job, cache_executed_step
        self.return_artifacts = return_artifacts or []
        self.monitor_metrics, self.monitor_artifacts = monitor_metrics or [], monitor_artifacts or []
        self.monitor_models = monitor_models or []
        self.explicit_docker_image = explicit_docker_image
        self.recursively_parse_parameters = recursively_parse_parameters
        self.output_uri, self.draft = output_uri, draft
        self.continue_behaviour = continue_behaviour
        flags = (continue_on_fail, continue_on_abort, skip_children_on_abort, skip_children_on_fail)
        names = ("continue_on_fail", "continue_on_abort", "skip_children_on_abort", "skip_children_on_fail")
        for flag_name, flag in zip(names, flags, strict=True):
            setattr(self, flag_name, flag if continue_behaviour is None else continue_behaviour.get(flag_name, True))
        self.stage = stage
        self.job_id: str | None = None
        """Id of the task that does, or did, the step; also while it runs."""

    def __eq__(self, other: object) -> bool:
        """Equal in every field."""
        return isinstance(other, Node) and vars(self) == vars(other)

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"<Node {self.name!r} {self.status}>"

    def copy(self) -> Node:
        """Another node with the same fields; the job itself is shared."""
        fields = {key: value if key in _NOT_STORED else copy.deepcopy(value) for key, value in vars(self).items()}
        found = Node.__new__(Node)
        found.__dict__.update(fields)
        return found

    def set_job_started(self) -> None:
        """Note that the job begins now, unless it has already."""
        if not self.job_started:
            self.job_started = time.time()

    def set_job_ended(self) -> None:
        """Note that the job has ended now, unless it had already."""
        if not self.job_ended:
            self.job_ended = time.time()

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.status in ENDED

    @property
    def stops_pipeline(self) -> bool:
        """Whether its end means that the pipeline fails."""
        return (self.status == FAILED and not self.continue_on_fail) or (
            self.status == ABORTED and not self.continue_on_abort
        )

    @property
    def lets_pass(self) -> bool:
        """Whether a step that waits for this one may run, now that it is over."""
        if self.status == FAILED:
            return not self.skip_children_on_fail
        if self.status == ABORTED:
            return not self.skip_children_on_abort
        return self.status in GOOD

    def stored(self) -> dict[str, Any]:
        """As the controller's task keeps it."""
        return {key: value for key, value in vars(self).items() if key not in _NOT_STORED}

    @classmethod
    def from_stored(cls, name: str, fields: Mapping[str, Any]) -> Node:
        """The node that was stored so; fields that this version does not know are left out."""
        node = cls(name)
        node.__dict__.update({key: value for key, value in fields.items() if key in vars(node)})
        return node
