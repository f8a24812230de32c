"""`SearchStrategy`: launches trials and looks after them; what to try next is for the classes made of it to say."""

from __future__ import annotations

import hashlib
import threading
import time

from clearml_sdk.automation.jobs.base import BaseJob, RunningJob
from clearml_sdk.automation.jobs.cloned import ClearmlJob
from clearml_sdk.automation.jobs.local import LOCAL_PROCESS, LocalClearmlJob
from clearml_sdk.automation.optimization import details, trials
from clearml_sdk.automation.optimization.budget import Budget
from clearml_sdk.automation.optimization.objective import MultiObjective, Objective
from clearml_sdk.errors import ClearmlError
from clearml_sdk.notices import say, warn_once
from clearml_sdk.record import TaskRecord
from clearml_sdk.status_watch import GONE, TERMINAL, StatusWatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from clearml_sdk.automation.optimization.trials import Trial
    from clearml_sdk.automation.parameters import Parameter
    from clearml_sdk.task import Task

TAG = "optimization"


class SearchStrategy:
    """A search. A class of its own gives `create_job`, and what it learns from a trial in `job_ended`."""

    def __init__(
        self,
        base_task_id: str,
        hyper_parameters: Sequence[Parameter],
        objective_metric: Objective | MultiObjective,
        execution_queue: str,
        num_concurrent_workers: int,
        pool_period_min: float = 2.0,
        time_limit_per_job: float | None = None,
        compute_time_limit: float | None = None,
        min_iteration_per_job: int | None = None,
        max_iteration_per_job: int | None = None,
        total_max_jobs: int | None = None,
        **_: Any,
    ) -> None:
        """Args:
        pool_period_min: minutes between looks at what running trials report; their ends are told at once.
        time_limit_per_job: minutes that a trial may take.
        compute_time_limit: minutes of all trials together.
        min_iteration_per_job, max_iteration_per_job: of the objective, before and after which a trial is (not) stopped.
        total_max_jobs: trials at most; with `max_iteration_per_job` also their product as iterations.
        """
        self._base_task_id, self._hyper_parameters = base_task_id, list(hyper_parameters)
        self._objective_metric, self._execution_queue = objective_metric, execution_queue
        self._num_concurrent_workers, self._pool_s = int(num_concurrent_workers), max(1.0, pool_period_min * 60)
        self.time_limit_per_job = time_limit_per_job
        self.min_iteration_per_job, self.max_iteration_per_job = min_iteration_per_job, max_iteration_per_job
        self.total_max_jobs = total_max_jobs
        iterations = total_max_jobs * max_iteration_per_job if total_max_jobs and max_iteration_per_job else None
        self.budget = Budget(total_max_jobs, iterations, compute_time_limit)
        self._job_class: type[ClearmlJob] = ClearmlJob
        self._job_parent_id: str | None = None
        self._job_project: str | None = None
        self._naming_function: Callable[[str, dict[str, Any]], str] | None = None
        self._optimizer_task: Task | None = None
        self._created_jobs_ids: dict[str, dict[str, Any]] = {}
        self._created_jobs_tasks: dict[str, BaseJob] = {}
        self._current_jobs: list[BaseJob] = []
        self._ended: set[str] = set()
        self._started_at: dict[str, float] = {}
        self._looked_at = float("-inf")
        self._stop_event = threading.Event()
        self._watch: StatusWatch | None = None
        self._base_name = ""
        self._run = ""
        self.on_ended: Callable[[BaseJob], None] | None = None
        """Called when a trial has ended."""

    # What a class of its own says.

    def create_job(self) -> BaseJob | None:
        """The next trial as a job that is not launched yet; None when there is none."""
        raise NotImplementedError(f"{type(self).__name__} does not say what to try")

    def job_ended(self, job: BaseJob, status: str, value: Any) -> None:
        """A trial has ended: `status` of its task, and the normalized objective (None where it has none)."""

    def job_reported(self, job: BaseJob) -> bool:
        """Look at what a running trial has reported; False: it is to be stopped."""
        return True

    def inherit(self, trial: Trial, value: Any) -> None:
        """A trial of the process before has ended; take it into account."""

    # The loop.

    def start(self) -> None:
        """Search until nothing is left to try, or `stop`. Waits."""
        try:
            while not self._stop_event.is_set() and self.process_step():
                self._wait()
        finally:
            self.stop()

    def _wait(self) -> None:
        assert self._watch is not None
        for task, told in self._watch.wait(max(0.1, self._looked_at + self._pool_s - time.monotonic())).items():
            job = self._created_jobs_tasks.get(task)
            if job is not None:
                job._note({**told, "status": "unknown" if told["status"] == GONE else told["status"]})

    def process_step(self) -> bool:
        """Look after the trials that run, and begin others while there is room; False when nothing is left."""
        if self._watch is None:
            self._begin()
        is_due = time.monotonic() - self._looked_at >= self._pool_s
        if is_due:
            self._looked_at = time.monotonic()
        for job in list(self._current_jobs):
            if _has_ended(job):
                self._end(job)
            elif is_due and not self.monitor_job(job):
                job.abort()
                self._end(job)
        while len(self._current_jobs) < self._num_concurrent_workers and not self._is_spent():
            new = self.create_job()
            if new is None:
                break
            self._launch(new)
        return bool(self._current_jobs)

    def _is_spent(self) -> bool:
        return self._stop_event.is_set() or self.budget.is_spent

    def _begin(self) -> None:
        """Before the first step: what another process has done of this run is taken over."""
        from clearml_sdk.session import Session

        session = Session.default()
        self._watch = StatusWatch(session)
        if self._optimizer_task is None or not self._run:
            return
        for trial in trials.found(self._optimizer_task._record, self._run):
            is_here = issubclass(self._job_class, LocalClearmlJob)
            job: BaseJob = LocalClearmlJob.of(TaskRecord(session, trial.id)) if is_here else RunningJob(trial.id)
            job._note({"status": trial.status})
            job.task_parameter_override = trial.values
            self._remember(job, trial.values)
            if trial.status in trials.OPEN:
                self._adopt(job, trial)
            else:
                self._ended.add(trial.id)
                self.inherit(trial, self._value_in(trial.task) if trial.status in trials.GOOD else None)

    def _adopt(self, job: BaseJob, trial: Trial) -> None:
        """A trial that the process before left open: launched if that had not come to it, and looked after."""
        assert self._watch is not None
        if trial.status == "created":
            job.launch(self._execution_queue)
        elif isinstance(job, LocalClearmlJob):
            job.adopt_or_fail((trial.task.get("runtime") or {}).get(LOCAL_PROCESS))
        self._current_jobs.append(job)
        self._started_at[trial.id] = time.monotonic()
        self._watch.add(trial.id, job.status(force=True))

    def _remember(self, job: BaseJob, values: Mapping[str, Any]) -> None:
        self._created_jobs_ids[job.task_id()] = dict(values)
        self._created_jobs_tasks[job.task_id()] = job
        self.budget.jobs.update(job.task_id(), 1)

    def _launch(self, job: BaseJob) -> None:
        assert self._watch is not None
        self._remember(job, job.task_parameter_override or {})
        self._current_jobs.append(job)
        self._started_at[job.task_id()] = time.monotonic()
        if not job.launch(self._execution_queue):
            say(f"optimization: trial {job.task_id()} could not be launched")
            if job.status(force=True) == "created":
                self._end(job)
                return
        self._watch.add(job.task_id(), job.status())

    def _end(self, job: BaseJob) -> None:
        """A trial has ended, however: the search learns of it and goes on."""
        self._current_jobs.remove(job)
        self._ended.add(job.task_id())
        status = job.status(force=True)
        self.update_budget_per_job(job)
        try:
            value = self._objective_metric.get_normalized_objective(job)
        except ClearmlError:
            value = None  # its task was deleted
        self.job_ended(job, status, value)
        if self.on_ended is not None:
            self.on_ended(job)

    def _value_in(self, task: Mapping[str, Any]) -> Any:
        objective = self._objective_metric
        if isinstance(objective, Objective):
            value = objective.value_of(task)
            return None if value is None else objective.sign * value
        values = objective.values_of(task)
        return None if values is None else [s * v for s, v in zip(objective.get_objective_sign(), values, strict=True)]

    def monitor_job(self, job: BaseJob) -> bool:
        """Look at a running trial; False when it is to be stopped: over its limits, or not worth going on."""
        try:
            if not self.update_budget_per_job(job):
                return False
            return self.job_reported(job)
        except ClearmlError as error:
            warn_once(f"trial {job.task_id()}", f"optimization: trial {job.task_id()} cannot be looked at: {error}")
            return True

    def update_budget_per_job(self, job: BaseJob) -> bool:
        """Note what a trial has used; False when that is more than one trial may."""
        minutes = max(0.0, job.elapsed() / 60)
        self.budget.compute_time.update(job.task_id(), minutes)
        if self.time_limit_per_job and minutes > self.time_limit_per_job:
            return False
        if not self.max_iteration_per_job and self.budget.iterations.limit is None:
            return not self.budget.compute_time.is_spent
        iteration = self._iteration(job)
        self.budget.iterations.update(job.task_id(), max(0, iteration))
        if self.max_iteration_per_job and iteration > self.max_iteration_per_job:
            return False
        return not self.budget.compute_time.is_spent

    def _iteration(self, job: BaseJob) -> int:
        raw = self._objective_metric.get_current_raw_objective(job)
        if raw is None:
            return 0
        return raw[0] if isinstance(raw, tuple) else max(one[0] for one in raw)

    def stop(self) -> None:
        """End the search: trials that run are stopped, none begins."""
        self._stop_event.set()
        if self._watch is not None:
            self._watch.wake()
            self._watch.close()
        for job in list(self._current_jobs):
            if not _has_ended(job):
                job.abort()
            if job in self._current_jobs:
                self._current_jobs.remove(job)

    # Jobs.

    def helper_create_job(
        self,
        base_task_id: str,
        parameter_override: Mapping[str, Any] | None = None,
        task_overrides: Mapping[str, Any] | None = None,
        tags: Sequence[str] | None = None,
        parent: str | None = None,
        **kwargs: Any,
    ) -> ClearmlJob:
        """A job for one trial: a copy of the base task with these values, named after them."""
        values = dict(parameter_override or {})
        number = len(self._created_jobs_ids)
        parent = parent or self._job_parent_id
        title = " ".join(f"{key}={values[key]}" for key in sorted(values))
        return self._job_class(
            base_task_id=base_task_id,
            parameter_override=values,
            task_overrides={"comment": title, **(task_overrides or {})},
            tags=[*(tags or []), *([f"opt: {parent}"] if parent else []), TAG],
            parent=parent,
            target_project=self._job_project,
            task_name=self._name(base_task_id, values, title),
            runtime={trials.RUN: self._run, trials.TRIAL: number, trials.VALUES: values},
            call_name=hashlib.md5(f"{self._run} {number}".encode(), usedforsecurity=False).hexdigest()
            if self._run
            else None,
            **kwargs,
        )

    def _name(self, base_task_id: str, values: dict[str, Any], title: str) -> str:
        if not self._base_name:
            from clearml_sdk.task import Task

            self._base_name = Task.get_task(task_id=base_task_id).name
        if self._naming_function is not None:
            return self._naming_function(self._base_name, values)
        return f"{self._base_name}: {title}"

    def set_job_class(self, job_class: type[ClearmlJob]) -> None:
        """Make jobs of this class, such as `LocalClearmlJob`."""
        self._job_class = job_class

    def set_job_default_parent(self, job_parent_task_id: str | None, project_name: str | None = None) -> None:
        """The parent of the trials, and the project that they are kept in."""
        self._job_parent_id, self._job_project = job_parent_task_id, project_name

    def set_job_naming_scheme(self, naming_function: Callable[[str, dict[str, Any]], str] | None) -> None:
        """Name trials by a function of the base task's name and the values; None: as they are named by themselves."""
        self._naming_function = naming_function

    def set_optimizer_task(self, task: Task) -> None:
        """The task that this search is reported on, and whose trials these are."""
        self._optimizer_task = task
        if not self._job_parent_id:
            self._job_parent_id = task.id

    # Asking.

    def get_running_jobs(self) -> Sequence[BaseJob]:
        """The trials that run."""
        return list(self._current_jobs)

    def get_created_jobs_ids(self) -> Mapping[str, dict[str, Any]]:
        """{task id: values} of all trials."""
        return dict(self._created_jobs_ids)

    def get_created_jobs_tasks(self) -> Mapping[str, BaseJob]:
        """{task id: job} of all trials."""
        return dict(self._created_jobs_tasks)

    def get_objective_metric(self) -> tuple[str, str] | list[tuple[str, str]]:
        """(title, series) of the objective."""
        return self._objective_metric.get_objective_metric()

    def get_top_experiments(self, top_k: int) -> Sequence[Task]:
        """The tasks of the best trials, the best first."""
        return self._objective_metric.get_top_tasks(top_k=top_k, optimizer_task_id=self._job_parent_id)

    def get_top_experiments_details(
        self, top_k: int, all_metrics: bool = False, all_hyper_parameters: bool = False, only_completed: bool = False
    ) -> Sequence[dict[str, Any]]:
        """The best trials with `task_id`, `hyper_parameters`, `metrics`, `name` and `status`, the best first."""
        return details.top(
            self,
            top_k,
            all_metrics=all_metrics,
            all_hyper_parameters=all_hyper_parameters,
            only_completed=only_completed,
        )

    def get_top_experiments_id_metrics_pair(
        self, top_k: int, all_metrics: bool = False, only_completed: bool = False
    ) -> Sequence[dict[str, Any]]:
        """The best trials with `task_id` and `metrics`, the best first."""
        found = self.get_top_experiments_details(top_k, all_metrics=all_metrics, only_completed=only_completed)
        return [{"task_id": one["task_id"], "metrics": one["metrics"]} for one in found]


def _has_ended(job: BaseJob) -> bool:
    status = job.status()
    return status in TERMINAL or status in ("unknown", GONE)
