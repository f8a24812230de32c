"""A controller that starts again: what the process before it has done for the steps is taken over."""

from __future__ import annotations

from clearml_sdk.automation.jobs.base import BaseJob, RunningJob
from clearml_sdk.automation.jobs.local import LOCAL_PROCESS, LocalClearmlJob
from clearml_sdk.automation.pipeline import node as states
from clearml_sdk.automation.pipeline import state
from clearml_sdk.automation.pipeline.node import Node
from clearml_sdk.record import TaskRecord
from clearml_sdk.session import Session
from clearml_sdk.status_watch import GONE, TERMINAL, StatusWatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

LOST = 3
"""So many times a step whose process died with its controller is begun anew, beside the retries it is allowed."""

STATUS = {"queued": states.QUEUED, "in_progress": states.RUNNING}
ENDED = {
    "completed": states.COMPLETED,
    "published": states.COMPLETED,
    "publishing": states.COMPLETED,
    "closed": states.COMPLETED,
    "failed": states.FAILED,
    "stopped": states.ABORTED,
    GONE: states.ABORTED,
}
"""Status of a task -> of its step."""


class Adopting:
    """The part of the engine that takes over; the rest of it launches and learns."""

    _session: Session
    _watch: StatusWatch
    _locally: bool
    _attempts: dict[str, int]
    _lost: dict[str, int]
    _inherited: dict[str, tuple[Mapping[str, Any], state.Child | None]]
    _anew: frozenset[str]

    def _now(self) -> dict[str, Node]:
        raise NotImplementedError

    def _begin(self, node: Node, job: BaseJob, before: str) -> None:
        raise NotImplementedError

    def _ended(self, node: Node, status: str, before: str) -> None:
        raise NotImplementedError

    def _begin_anew(self, node: Node) -> None:
        raise NotImplementedError

    def _over(self, node: Node, status: str, *, before: str) -> None:
        raise NotImplementedError

    def inherit(
        self,
        stored: Mapping[str, Mapping[str, Any]],
        children: Mapping[str, state.Child],
        *,
        anew: frozenset[str],
    ) -> None:
        """Go on where another process left this run. Before `run`; the steps may be added later.

        Args:
            stored: the state that it stored last.
            children: the last task of each step.
            anew: ends of steps that are to be begun again.
        """
        self._inherited = {name: (stored.get(name) or {}, children.get(name)) for name in {*stored, *children}}
        self._anew = anew

    def _take_over(self) -> None:
        """Give the steps that have been added what the process before has done for them."""
        for node in list(self._now().values()):
            fields, child = self._inherited.pop(node.name, ({}, None))
            if child is not None:
                self._attempts[node.name] = child.attempt
            if child is not None and not child.is_let_go and ENDED.get(child.status, "") not in self._anew:
                self._adopt(node, child, fields)
            elif child is not None:
                self._attempts[node.name] = child.attempt + 1
            elif fields.get("status") == states.CACHED or (
                fields.get("status") == states.SKIPPED and states.SKIPPED not in self._anew
            ):
                state.apply_run({node.name: node}, {node.name: fields})

    def _adopt(self, node: Node, child: state.Child, stored: Mapping[str, Any]) -> None:
        record = TaskRecord(self._session, child.id)
        self._attempts[node.name] = child.attempt
        was_told = stored.get("job_id") == child.id and stored.get("executed") == child.id
        state.apply_run({node.name: node}, {node.name: stored} if stored.get("job_id") == child.id else {})
        node.job_id, before = child.id, node.status
        node.job = LocalClearmlJob.of(record) if self._locally else RunningJob(record.id)
        node.job._note({"status": child.status})
        if child.status in TERMINAL:
            node.executed = child.id
            if was_told:
                node.status = ENDED[child.status] if node.status not in states.ENDED else node.status
            else:
                self._ended(node, ENDED[child.status], before)
            return
        node.executed = None
        node.set_job_started()
        if child.status == "created":
            self._begin(node, node.job, before)  # it was made, and the one before died before it was launched
        else:
            status = child.status
            if isinstance(node.job, LocalClearmlJob):
                status = node.job.adopt_or_fail(child.runtime.get(LOCAL_PROCESS))
            if status in ENDED:
                self._ended(node, ENDED[status], before)
                return
            node.status = STATUS[status]
            self._watch.add(child.id, status)

    def _lose(self, node: Node) -> None:
        """The process of a local step died with its controller: its task failed, and the step is begun anew."""
        lost = self._lost[node.name] = self._lost.get(node.name, 0) + 1
        if lost > LOST:
            self._over(node, states.FAILED, before=node.status)
        else:
            self._begin_anew(node)
