"""The controller's loop: launch what may run, learn what ended, until nothing is left."""

from __future__ import annotations

import os
import threading
import time
import traceback

from clearml_sdk.automation.jobs import forking
from clearml_sdk.automation.jobs.base import BaseJob
from clearml_sdk.automation.jobs.local import LocalClearmlJob
from clearml_sdk.automation.pipeline import graph, state
from clearml_sdk.automation.pipeline import node as states
from clearml_sdk.automation.pipeline.adopting import ENDED, STATUS, Adopting
from clearml_sdk.automation.pipeline.launching import Launcher
from clearml_sdk.automation.pipeline.monitoring import Monitor
from clearml_sdk.automation.pipeline.node import Node
from clearml_sdk.errors import ClearmlError, ServerUnreachable
from clearml_sdk.notices import announce, say, warn_once
from clearml_sdk.status_watch import TERMINAL, StatusWatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from clearml_sdk.automation.pipeline.output import Output

SAVE_S = 1.0
"""The state is stored, and drawn, at most so often."""
AWAY_S = 2.0
"""Pause after a launch that found no server, which itself has tried for long."""


class Engine(Adopting):
    """Runs the steps of one pipeline. `run` is the loop; the other methods may be called from any thread."""

    def __init__(self, pipeline: Output, launcher: Launcher, *, locally: bool) -> None:
        self._pipeline, self._launcher, self._locally = pipeline, launcher, locally
        self.nodes = pipeline._nodes
        self._callbacks = pipeline._callbacks
        self._session = pipeline.task._record.session
        self._watch = StatusWatch(self._session)
        self._monitor = Monitor(pipeline.task)
        self._attempts: dict[str, int] = {}
        self._lost: dict[str, int] = {}
        self.changed = threading.Condition()
        """Notified when a step is over, and when the pipeline is."""
        self.is_over = False
        self.failure: str | None = None
        self._is_open = False
        self._is_stopping = False
        self._saved, self._saved_at = "", float("-inf")
        self._monitored_at = time.monotonic()
        self.started_at = time.monotonic()
        self._inherited: dict[str, tuple[Mapping[str, Any], state.Child | None]] = {}
        self._anew: frozenset[str] = frozenset()
        self._adding = threading.Lock()
        self._local_limit = max(2, 2 * (os.cpu_count() or 1))

    # From other threads.

    def leave_open(self) -> None:
        """More steps may come: do not end when all there are have ended, until `close`."""
        self._is_open = True

    def close(self) -> None:
        """No more steps come."""
        self._is_open = False
        self._watch.wake()

    def hold(self) -> None:
        """Launch nothing until `release`: a step is being added."""
        self._adding.acquire()

    def release(self) -> None:
        """A step was added."""
        self._adding.release()
        self._watch.wake()

    def stop(self, why: str | None) -> None:
        """End the steps that run and launch no more; `why`: the pipeline failed for that reason."""
        if why and not self.failure:
            self.failure = why
        self._is_stopping = True
        self._watch.wake()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the pipeline is over."""
        with self.changed:
            return self.changed.wait_for(lambda: self.is_over, timeout_s)

    def wait_for(self, node: Node) -> None:
        """Wait until a step is over (or the pipeline, which then skips it)."""
        with self.changed:
            self.changed.wait_for(lambda: node.is_over or self.is_over)

    # The loop.

    def run(self) -> None:
        """Until every step is over, or the pipeline is stopped."""
        try:
            if self._locally:
                forking.prepare()
            while self._advance():
                self._save(is_last=False)
                for task, told in self._watch.wait(self._timeout_s()).items():
                    self._told(task, told)
                self._look_after_running()
        except Exception as error:  # noqa: BLE001 - the loop's top: whatever it is, those who wait for it must learn of it
            say(f"pipeline: {''.join(traceback.format_exception(error))}")
            self.failure = self.failure or f"{type(error).__name__}: {error}"
        finally:
            self._watch.close()
            forking.retire()
            try:
                self._save(is_last=True)
            finally:
                with self.changed:
                    self.is_over = True
                    self.changed.notify_all()

    def _advance(self) -> bool:
        """Launch what may be; False when nothing is left to do."""
        while True:
            if self._inherited:
                self._take_over()
            for node in graph.skip_unreachable(self._now()):
                self._over(node, states.SKIPPED, before=states.PENDING)
            if self._is_stopping:
                self._stop_running()
                return False
            launched = graph.ready(self._now()) if self._has_room() else []
            for node in launched:
                if self._has_room() and not self._is_stopping:
                    self._launch(node)
            if not launched:
                break
        return self._is_open or any(not node.is_over for node in self._now().values())

    def _now(self) -> dict[str, Node]:
        with self._adding:
            return dict(self.nodes)

    def _has_room(self) -> bool:
        running = [node for node in self._now().values() if node.status in (states.QUEUED, states.RUNNING)]
        return not self._locally or len(running) < self._local_limit

    def _launch(self, node: Node) -> None:
        """Make the step's task and have it run. What goes wrong is the step's failure."""
        before = node.status
        try:
            parameters = self._launcher.values(node)
            if not self._is_wanted(node, parameters):
                node.skip_job = True
                self._over(node, states.SKIPPED, before=before)
                return
            attempt = self._attempts.get(node.name, 0)
            job = self._launcher.job(node, parameters, attempt)
            node.job, node.job_id = job, job.task_id()
            node.job_type = node.job_type or str(job.task.task_type)
            node.set_job_started()
            if job.is_cached_task():
                self._over(node, states.CACHED, before=before)
            elif node.draft:
                self._over(node, states.COMPLETED, before=before)
            else:
                self._begin(node, job, before)
        except ServerUnreachable as error:
            node.status = states.PENDING  # it is launched later: what was made of it already has a name, and is found
            warn_once("pipeline waits", f"pipeline: steps are launched when the server is back: {error}")
            time.sleep(AWAY_S)
        except Exception as error:  # noqa: BLE001 - the border to the user's functions and values; the step fails for it
            told = "".join(traceback.format_exception(error)) if not isinstance(error, ClearmlError) else str(error)
            say(f"pipeline: step {node.name!r} could not be launched: {told}")
            self._over(node, states.FAILED, before=before)

    def _is_wanted(self, node: Node, parameters: dict[str, Any]) -> bool:
        """Ask the user's functions whether the step is to run; they may change its parameters."""
        for function in (self._callbacks.before.get(node.name), self._callbacks.created):
            if function is not None and function(self._pipeline, node, parameters) is False:
                return False
        return True

    def _begin(self, node: Node, job: BaseJob, before: str) -> None:
        announce(f"Launching step [{node.name}]")
        if isinstance(job, LocalClearmlJob):
            node.status = states.RUNNING
            is_launched = job.launch()
        else:
            node.status = states.QUEUED
            is_launched = job.launch(self._queue(node))
        status = job.status(force=not is_launched)
        self._tell_status(node, before)
        if status in TERMINAL:  # it was launched before, and its answer was lost
            self._ended(node, ENDED[status], node.status)
        elif not is_launched and status not in STATUS:
            self._over(node, states.FAILED, before=node.status)
        else:
            self._watch.add(job.task_id(), status)

    def _queue(self, node: Node) -> str:
        queue = node.queue or self._pipeline._default_execution_queue
        if not queue:
            raise ClearmlError(f"step {node.name!r} has no queue: execution_queue=, or set_default_execution_queue()")
        return queue

    def _told(self, task: str, told: Mapping[str, Any]) -> None:
        """A task has another status."""
        node = next((one for one in self._now().values() if one.job_id == task), None)
        if node is None or node.is_over:
            return
        status, before = str(told["status"]), node.status
        if node.job is not None:
            node.job._note(dict(told))
        if status in STATUS:
            node.status = STATUS[status]
            self._tell_status(node, before)
        elif status in ENDED:
            self._ended(node, ENDED[status], before)

    def _ended(self, node: Node, status: str, before: str) -> None:
        if node.job is not None and status in states.GOOD:
            with_outputs = node.monitor_artifacts or node.monitor_models
            try:
                self._monitor.metrics(node, node.job._of())
                if with_outputs:
                    self._monitor.outputs(node, node.job._of())
            except ClearmlError as error:
                warn_once(f"monitor {node.name}", f"pipeline: what step {node.name!r} reported was not copied: {error}")
        if isinstance(node.job, LocalClearmlJob):
            if status == states.ABORTED:
                node.job.abort()  # somebody stopped the task: nobody else ends its process
            elif status == states.FAILED and node.job.is_lost and not self._is_stopping:
                self._lose(node)
                return
        if status == states.FAILED and not self._is_stopping and self._is_retried(node):
            self._begin_anew(node)
            return
        self._over(node, status, before=before)

    def _is_retried(self, node: Node) -> bool:
        policy = self._callbacks.retry.get(node.name, 0)
        used = self._attempts.get(node.name, 0) - self._lost.get(node.name, 0)
        if callable(policy):
            return bool(policy(self._pipeline, node, used))
        return used < int(policy)

    def _begin_anew(self, node: Node) -> None:
        self._attempts[node.name] = self._attempts.get(node.name, 0) + 1
        say(f"pipeline: step {node.name!r} failed (task {node.job_id}) and is tried again")
        before, node.status = node.status, states.PENDING
        node.job = node.job_id = node.executed = node.job_ended = node.job_started = None
        self._tell_status(node, before)

    def _over(self, node: Node, status: str, *, before: str) -> None:
        """The step has come to its end."""
        node.status = status
        node.executed = node.job_id
        if node.job_id:
            node.set_job_ended()
        self._tell_status(node, before)
        functions = (
            [] if status == states.SKIPPED else [self._callbacks.after.get(node.name), self._callbacks.completed]
        )
        for function in functions:
            if function is not None:
                function(self._pipeline, node)
        if node.stops_pipeline and self._pipeline._abort_on_failure:
            self.stop(f"step {node.name!r} {status}")
        with self.changed:
            self.changed.notify_all()

    def _tell_status(self, node: Node, before: str) -> None:
        function = self._callbacks.on_status.get(node.name)
        if function is not None and node.status != before:
            function(self._pipeline, node, before)

    def _stop_running(self) -> None:
        for node in self._now().values():
            if node.is_over or node.job is None:
                continue
            node.job.abort()
            self._watch.forget(str(node.job_id))
            self._over(node, states.ABORTED, before=node.status)

    # Limits, and what is looked at while steps run.

    def _timeout_s(self) -> float | None:
        """Until something is due though nothing happens; None: nothing is."""
        now = time.monotonic()
        dues = []
        limit_s = self._pipeline._time_limit_s
        if limit_s:
            dues.append(self.started_at + limit_s)
        if self._state() != self._saved:
            dues.append(self._saved_at + SAVE_S)
        running = [node for node in self._now().values() if node.status == states.RUNNING]
        if any(node.monitor_metrics for node in running):
            dues.append(self._monitored_at + self._pipeline._pool_s)
        for node in running:
            if node.timeout and node.job_started:
                dues.append(now + node.job_started + node.timeout - time.time())
        return max(0.05, min(dues) - now) if dues else None

    def _look_after_running(self) -> None:
        now = time.monotonic()
        limit_s = self._pipeline._time_limit_s
        if limit_s and now - self.started_at >= limit_s:
            self.stop(f"the pipeline took longer than {limit_s / 60:g} minutes")
        is_due = now - self._monitored_at >= self._pipeline._pool_s
        if is_due:
            self._monitored_at = now
        for node in self._now().values():
            if node.status != states.RUNNING or node.job is None:
                continue
            if node.timeout and node.job_started and time.time() - node.job_started >= node.timeout:
                say(f"pipeline: step {node.name!r} took longer than {node.timeout:g} s and is stopped")
                node.job.abort()
                self._watch.forget(str(node.job_id))
                self._over(node, states.ABORTED, before=states.RUNNING)
            elif is_due and node.monitor_metrics:
                self._monitor.metrics(node, node.job._of())

    # What the controller's task keeps.

    def _state(self) -> str:
        return state.dumped(self._now())

    def _save(self, *, is_last: bool) -> None:
        text, now = self._state(), time.monotonic()
        if text == self._saved or (not is_last and now - self._saved_at < SAVE_S):
            return
        try:
            state.save(self._pipeline.task._record, text)
            self._pipeline._draw()
            self._saved, self._saved_at = text, now
        except ClearmlError as error:
            warn_once("pipeline state", f"pipeline: its state is not shown at the moment: {error}")
            self._saved_at = now
