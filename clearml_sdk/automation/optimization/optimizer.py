"""`HyperParameterOptimizer`: a search over a task's parameters, and the task that shows it."""

from __future__ import annotations

import secrets
import threading
import time
from datetime import datetime

from clearml_sdk.automation.jobs.local import LocalClearmlJob, end_all, ended_with_us
from clearml_sdk.automation.optimization import settings, summary, trials
from clearml_sdk.automation.optimization.searches import RandomSearch
from clearml_sdk.automation.optimization.strategy import SearchStrategy
from clearml_sdk.errors import ClearmlError
from clearml_sdk.notices import say, warn_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from clearml_sdk.automation.jobs.base import BaseJob
    from clearml_sdk.automation.jobs.cloned import ClearmlJob
    from clearml_sdk.automation.optimization.objective import MultiObjective, Objective
    from clearml_sdk.automation.parameters import Parameter
    from clearml_sdk.task import Task

    Callback = Callable[[str, float, int, dict[str, Any], str], None]

REPORT_PERIOD_M = 5.0
QUIET_S = 2.0
"""Ends of trials are shown at most so often."""


class HyperParameterOptimizer:
    """See docs/hyperparameters.md."""

    def __init__(
        self,
        base_task_id: str,
        hyper_parameters: Sequence[Parameter],
        objective_metric_title: str | Sequence[str],
        objective_metric_series: str | Sequence[str],
        objective_metric_sign: str | Sequence[str] = "min",
        optimizer_class: SearchStrategy | type[SearchStrategy] = RandomSearch,
        max_number_of_concurrent_tasks: int = 10,
        execution_queue: str = "default",
        optimization_time_limit: float | None = None,
        compute_time_limit: float | None = None,
        auto_connect_task: bool | Task = True,
        always_create_task: bool = False,
        spawn_project: str | None = None,
        save_top_k_tasks_only: int | None = None,
        **optimizer_kwargs: Any,
    ) -> None:
        """Prepare a search; `start` begins it.

        Args:
            base_task_id: the task whose copies are the trials.
            objective_metric_title, objective_metric_series: of the scalar to optimize, or of several.
            objective_metric_sign: "min" or "max" of the last value, "min_global" or "max_global" of all values.
            optimizer_class: `GridSearch`, `RandomSearch`, `OptimizerOptuna`, `OptimizerBOHB`, or one of your own.
            optimization_time_limit: minutes, from the start to the end.
            compute_time_limit: minutes of all trials together.
            auto_connect_task: keep what is asked for on the current task, or on this one; an agent takes it from there.
            always_create_task: make a task where the process has none.
            spawn_project: full name of the project of the trials; None: that of the optimizer's task.
            save_top_k_tasks_only: archive the trials that are not among so many best ones.
            optimizer_kwargs: for the search: `total_max_jobs`, `max_iteration_per_job`, `pool_period_min` ...
        """
        self._task = settings.optimizer_task(auto_connect_task, always_create_task)
        wishes: dict[str, Any] = {
            "base_task_id": base_task_id,
            "objective_metric_title": objective_metric_title,
            "objective_metric_series": objective_metric_series,
            "objective_metric_sign": objective_metric_sign,
            "max_number_of_concurrent_tasks": max_number_of_concurrent_tasks,
            "execution_queue": execution_queue,
            "optimization_time_limit": optimization_time_limit,
            "compute_time_limit": compute_time_limit,
        }
        space = list(hyper_parameters)
        if self._task is not None and auto_connect_task:
            wishes, optimizer_kwargs = settings.connect(self._task, wishes, optimizer_kwargs, optimizer_class)
            space = settings.connect_space(self._task, space)
        self._objective = settings.objective_of(wishes)
        limits = {"compute_time_limit": wishes["compute_time_limit"], **optimizer_kwargs}
        if isinstance(optimizer_class, SearchStrategy):
            self.optimizer = optimizer_class
        else:
            self.optimizer = optimizer_class(
                base_task_id=wishes["base_task_id"],
                hyper_parameters=space,
                objective_metric=self._objective,
                execution_queue=wishes["execution_queue"],
                num_concurrent_workers=wishes["max_number_of_concurrent_tasks"],
                **limits,
            )
        if self._task is not None:
            self.optimizer.set_optimizer_task(self._task)
            self.optimizer.set_job_default_parent(self._task.id, spawn_project or self._task.get_project_name())
        elif spawn_project:
            self.optimizer.set_job_default_parent(None, spawn_project)
        self._time_limit_at: float | None = None
        if wishes["optimization_time_limit"]:
            self.set_time_limit(in_minutes=float(wishes["optimization_time_limit"]))
        self._report_period_s, self._top_k = REPORT_PERIOD_M * 60, save_top_k_tasks_only
        self._callback: Callback | None = None
        self._thread: threading.Thread | None = None
        self._reporter: threading.Thread | None = None
        self._news, self._over = threading.Event(), threading.Event()
        self._started_at: float | None = None
        self._reports = 0
        self.failure: BaseException | None = None

    # Running.

    def start(self, job_complete_callback: Callback | None = None) -> bool:
        """Begin the search in a thread. False when it was begun already.

        job_complete_callback: `(task id, objective, iteration, values, id of the best task)` after each trial.
        """
        if self._thread is not None:
            return False
        self._callback = job_complete_callback
        self.optimizer.on_ended = self._trial_ended
        if self._task is not None:
            runtime = self._task._record.read_fields("runtime").get("runtime") or {}
            run = str(runtime.get(trials.RUN) or "") or secrets.token_hex(8)
            self._task._record.change("runtime", {trials.RUN: run})
            self.optimizer._run = run
            if self._task._run is not None:
                self._task._run.parts.insert(0, ("ending the trials that run here", lambda limit_s: end_all()))
        self._started_at = time.time()
        self._thread = threading.Thread(target=self._run, name="clearml-optimizer", daemon=True)
        self._reporter = threading.Thread(target=self._report_for_long, name="clearml-optimizer-report", daemon=True)
        self._thread.start()
        self._reporter.start()
        return True

    def start_locally(self, job_complete_callback: Callback | None = None) -> bool:
        """As `start`, each trial a process of this machine."""
        self.set_default_job_class(LocalClearmlJob)
        return self.start(job_complete_callback)

    def _run(self) -> None:
        try:
            with ended_with_us():
                self.optimizer.start()
        except Exception as error:  # noqa: BLE001 - the thread's top: `wait` tells whoever waits
            self.failure = error
            say(f"optimization: ended by {type(error).__name__}: {error}")
        finally:
            self._over.set()
            self._news.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the search is over; False when `timeout` minutes pass before, or its time limit.

        Raises what ended the search, if anything did.
        """
        deadline = None if timeout is None else time.time() + timeout * 60
        while not self._over.is_set():
            limits = [limit for limit in (deadline, self._time_limit_at) if limit is not None]
            remaining_s = min(limits) - time.time() if limits else None
            if remaining_s is not None and remaining_s <= 0:
                return False
            self._over.wait(remaining_s)
        if self._reporter is not None:
            self._reporter.join()
        if self.failure is not None:
            raise self.failure
        return True

    def stop(self, timeout: float | None = None, wait_for_reporter: bool | None = True) -> None:
        """End the search: trials that run are stopped. timeout: minutes to wait for that."""
        if self._thread is None:
            return
        self.optimizer.stop()
        self._thread.join(None if timeout is None else timeout * 60)
        self._over.set()
        self._news.set()
        if wait_for_reporter and self._reporter is not None:
            self._reporter.join()

    def set_time_limit(self, in_minutes: float | None = None, specific_time: datetime | None = None) -> None:
        """End the search after so many minutes, or at a time; neither: not at all."""
        if specific_time is not None:
            self._time_limit_at = specific_time.timestamp()
        else:
            self._time_limit_at = None if in_minutes is None else time.time() + in_minutes * 60

    def get_time_limit(self) -> datetime | None:
        """When the search ends at the latest; None: when it is done."""
        return None if self._time_limit_at is None else datetime.fromtimestamp(self._time_limit_at)

    def reached_time_limit(self) -> bool:
        """Whether its time is over."""
        return self._time_limit_at is not None and time.time() >= self._time_limit_at

    def elapsed(self) -> float:
        """Minutes since the start; -1 before."""
        return -1.0 if self._started_at is None else (time.time() - self._started_at) / 60

    def is_active(self) -> bool:
        """Whether the search has begun and is not over."""
        return self._thread is not None and not self._over.is_set()

    def is_running(self) -> bool:
        """Whether trials are still begun or looked after."""
        return self._thread is not None and self._thread.is_alive()

    def set_report_period(self, report_period_minutes: float) -> None:
        """Show how far the search is at least so often."""
        self._report_period_s = float(report_period_minutes) * 60
        self._news.set()

    def set_default_job_class(self, job_class: type[ClearmlJob]) -> None:
        """Make the trials' jobs of this class."""
        self.optimizer.set_job_class(job_class)

    # Asking.

    @property
    def objective_metric(self) -> Objective | MultiObjective:
        """What is sought."""
        return self._objective

    def get_optimizer(self) -> SearchStrategy:
        """The search."""
        return self.optimizer

    def get_num_active_experiments(self) -> int:
        """How many trials run."""
        return len(self.optimizer.get_running_jobs())

    def get_active_experiments(self) -> Sequence[Task]:
        """The tasks of the trials that run."""
        return [job.task for job in self.optimizer.get_running_jobs()]

    def get_top_experiments(self, top_k: int) -> Sequence[Task]:
        """The tasks of the best trials, the best first."""
        return self.optimizer.get_top_experiments(top_k)

    def get_top_experiments_details(
        self, top_k: int, all_metrics: bool = False, all_hyper_parameters: bool = False, only_completed: bool = False
    ) -> Sequence[dict[str, Any]]:
        """The best trials with `task_id`, `hyper_parameters`, `metrics`, `name` and `status`, the best first."""
        return self.optimizer.get_top_experiments_details(
            top_k,
            all_metrics=all_metrics,
            all_hyper_parameters=all_hyper_parameters,
            only_completed=only_completed,
        )

    @classmethod
    def get_optimizer_top_experiments(
        cls,
        objective_metric_title: str | list[str],
        objective_metric_series: str | list[str],
        objective_metric_sign: str | list[str],
        optimizer_task_id: str,
        top_k: int,
    ) -> Sequence[Task]:
        """The tasks of the best trials of an optimizer's task, the best first."""
        wishes = {
            "objective_metric_title": objective_metric_title,
            "objective_metric_series": objective_metric_series,
            "objective_metric_sign": objective_metric_sign,
        }
        return settings.objective_of(wishes).get_top_tasks(top_k=top_k, optimizer_task_id=optimizer_task_id)

    # What is shown meanwhile.

    def _trial_ended(self, job: BaseJob) -> None:
        if self._callback is not None:
            raw = self._objective.get_current_raw_objective(job)
            first = raw[0] if isinstance(raw, list) else raw
            best = self.get_top_experiments(1)
            value = self._objective.get_objective(job)
            values = self.optimizer.get_created_jobs_ids().get(job.task_id()) or {}
            self._callback(
                job.task_id(),
                value,  # type: ignore[arg-type]  # None where it reported none; several: a list
                first[0] if first else -1,
                dict(values),
                best[0].id if best else "",
            )
        self._news.set()

    def _report_for_long(self) -> None:
        """Show the search: after trials have ended, every period, and at the end."""
        while True:
            self._news.wait(self._limited(self._report_period_s))
            self._news.clear()
            if self.reached_time_limit() and not self._over.is_set():
                self.optimizer.stop()
            is_last = self._over.is_set()  # it may become so while the report before the last one is made
            self._report(is_last=is_last)
            if is_last:
                return
            self._over.wait(QUIET_S)

    def _limited(self, period_s: float) -> float:
        if self._time_limit_at is None:
            return period_s
        return max(0.05, min(period_s, self._time_limit_at - time.time()))

    def _report(self, *, is_last: bool) -> None:
        if self._task is None:
            return
        self._reports += 1
        try:
            found = summary.report(self._task, self.optimizer, self._reports)
            if is_last:
                summary.store(self._task, found)
            over = sum(row.get("status") not in trials.OPEN for row in found.rows)
            limit = self.optimizer.budget.jobs.limit or max(1, len(found.rows))
            self._task.set_progress(100 if is_last else min(99, int(100 * over / limit)))
            self._archive(found)
        except ClearmlError as error:
            warn_once("optimization report", f"optimization: it is not shown at the moment: {error}")

    def _archive(self, found: summary.Summary) -> None:
        """Put away the ended trials that are not among the best."""
        if not self._top_k:
            return
        rest = [row["id"] for row in found.best()[self._top_k :] if row.get("status") not in trials.OPEN]
        if rest:
            assert self._task is not None
            self._task._record.session.call("tasks.archive_many", {"ids": rest})
