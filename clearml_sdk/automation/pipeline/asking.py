"""`PipelineController`: what can be asked of a pipeline."""

from __future__ import annotations

import time

from clearml_sdk.automation.pipeline import node as states
from clearml_sdk.automation.pipeline import running, state
from clearml_sdk.automation.pipeline.base import ControllerBase
from clearml_sdk.automation.pipeline.node import Node

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


class Asking(ControllerBase):
    """How far a pipeline is, and what it was told."""

    @property
    def tags(self) -> list[str]:
        """The tags of the pipeline's task."""
        return list(self._task.get_tags())

    @property
    def version(self) -> str:
        """The version of this run; "" before it is chosen."""
        return str(
            (self._task._record.read_fields("runtime").get("runtime") or {}).get(state.VERSION) or self._version or ""
        )

    def add_tags(self, tags: Sequence[str] | str) -> None:
        """Tag the pipeline's task."""
        self._task.add_tags(tags)

    def get_parameters(self) -> dict[str, Any]:
        """The pipeline's parameters with their values."""
        return dict(self._values) if self._values else {name: one.default for name, one in self._parameters.items()}

    def get_pipeline_dag(self) -> Mapping[str, Node]:
        """The steps by name."""
        self._refresh()
        return self._nodes

    def get_processed_nodes(self) -> Sequence[Node]:
        """The steps that are over."""
        self._refresh()
        return [node for node in list(self._nodes.values()) if node.is_over]

    def get_running_nodes(self) -> Sequence[Node]:
        """The steps that were launched and are not over."""
        self._refresh()
        return [node for node in list(self._nodes.values()) if node.status in (states.QUEUED, states.RUNNING)]

    def is_running(self) -> bool:
        """Whether the pipeline runs."""
        if self._engine is None:
            return self._task.get_status() == "in_progress"
        return not self._engine.is_over

    def is_successful(self, fail_on_step_fail: bool = True, fail_condition: str = "all") -> bool:
        """Whether the pipeline ended well.

        Args:
            fail_on_step_fail: look at the steps too, not at the controller alone.
            fail_condition: "all": it neither failed nor was stopped; "failed", "aborted": not that.
        """
        return running.is_successful(self, fail_on_step_fail=fail_on_step_fail, fail_condition=fail_condition)

    def elapsed(self) -> float:
        """Minutes since the pipeline began here; negative before."""
        return -1.0 if self._started_at is None else (time.time() - self._started_at) / 60

    def _refresh(self) -> None:
        """Of a pipeline that runs elsewhere: read how far it is."""
        if self._engine is None and not self._parameters and not self._code:
            stored = state.loaded(self._task.get_configuration_object(state.CONFIGURATION) or "")
            self._nodes = {name: Node.from_stored(name, fields) for name, fields in stored.items()} or self._nodes
