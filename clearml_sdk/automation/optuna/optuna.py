"""A search that Optuna leads: it says what to try next, and which trials are not worth going on."""

from __future__ import annotations

import time

import optuna

from clearml_sdk.automation.optimization import trials
from clearml_sdk.automation.optimization.objective import Objective
from clearml_sdk.automation.optimization.strategy import SearchStrategy
from clearml_sdk.automation.parameters import (
    DiscreteParameterRange,
    LogUniformParameterRange,
    Parameter,
    ParameterSet,
    UniformIntegerParameterRange,
    UniformParameterRange,
)
from clearml_sdk.errors import UsageError
from clearml_sdk.notices import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from clearml_sdk.automation.jobs.base import BaseJob
    from clearml_sdk.automation.optimization.objective import MultiObjective
    from clearml_sdk.automation.optimization.trials import Trial


class OptunaObjective:
    """An Optuna objective whose every trial is a task: for `study.optimize` of a study of one's own."""

    def __init__(
        self,
        base_task_id: str,
        queue_name: str,
        optimizer: OptimizerOptuna,
        max_iteration_per_job: int,
        min_iteration_per_job: int | None,
        sleep_interval: float,
        config_space: dict[str, Any],
    ) -> None:
        """sleep_interval: seconds between looks at a trial. config_space: see `suggested`."""
        self.base_task_id, self.queue_name, self.optimizer = base_task_id, queue_name, optimizer
        self.max_iteration_per_job, self.min_iteration_per_job = max_iteration_per_job, min_iteration_per_job
        self.sleep_interval, self._config_space = sleep_interval, config_space

    def objective(self, trial: optuna.Trial) -> float | None:
        """Run one trial to its end, and return its objective. Raises TrialPruned for one that was stopped before."""
        job = self.optimizer.helper_create_job(
            self.base_task_id, parameter_override=suggested(trial, self._config_space)
        )
        job.launch(self.queue_name)
        while not job.is_stopped():
            raw = self.optimizer._objective_metric.get_current_raw_objective(job)
            if isinstance(raw, tuple) and raw[0] >= (self.min_iteration_per_job or 0):
                trial.report(raw[1], raw[0])
                if trial.should_prune():
                    job.abort()
                    raise optuna.TrialPruned
                if self.max_iteration_per_job and raw[0] >= self.max_iteration_per_job:
                    job.abort()
                    break
            time.sleep(self.sleep_interval)
        found = self.optimizer._objective_metric.get_objective(job)
        return found[0] if isinstance(found, list) else found


class OptimizerOptuna(SearchStrategy):
    """Asks a study what to try, and tells it what came of it."""

    def __init__(
        self,
        base_task_id: str,
        hyper_parameters: Sequence[Parameter],
        objective_metric: Objective | MultiObjective,
        execution_queue: str,
        num_concurrent_workers: int,
        max_iteration_per_job: int | None,
        total_max_jobs: int | None,
        pool_period_min: float = 2.0,
        min_iteration_per_job: int | None = None,
        time_limit_per_job: float | None = None,
        compute_time_limit: float | None = None,
        optuna_sampler: Any = None,
        optuna_pruner: Any = None,
        continue_previous_study: optuna.Study | None = None,
        **optuna_kwargs: Any,
    ) -> None:
        """As `SearchStrategy`.

        Args:
            min_iteration_per_job: a trial is not pruned before.
            optuna_sampler, optuna_pruner: objects of Optuna; None: its defaults.
            continue_previous_study: a study to go on with.
            optuna_kwargs: for `optuna.create_study`.
        """
        super().__init__(
            base_task_id=base_task_id,
            hyper_parameters=hyper_parameters,
            objective_metric=objective_metric,
            execution_queue=execution_queue,
            num_concurrent_workers=num_concurrent_workers,
            pool_period_min=pool_period_min,
            time_limit_per_job=time_limit_per_job,
            compute_time_limit=compute_time_limit,
            min_iteration_per_job=min_iteration_per_job,
            max_iteration_per_job=max_iteration_per_job,
            total_max_jobs=total_max_jobs,
        )
        self._space = distributions(self._hyper_parameters)
        signs = objective_metric.get_objective_sign()
        many = {"directions": ["maximize"] * len(signs)} if isinstance(signs, list) else {"direction": "maximize"}
        self._study = continue_previous_study or optuna.create_study(
            sampler=optuna_sampler, pruner=optuna_pruner, **many, **optuna_kwargs
        )
        self._is_minimizing = continue_previous_study is not None and "MINIMIZE" in str(self._study.directions[0])
        self._asked: dict[str, optuna.Trial] = {}
        self._reported: dict[str, int] = {}
        self._pruned: set[str] = set()

    @property
    def study(self) -> optuna.Study:
        """The study; it maximizes the normalized objective."""
        return self._study

    def create_job(self) -> BaseJob | None:
        """What the study asks to try next."""
        trial = self._study.ask()
        job = self.helper_create_job(self._base_task_id, parameter_override=suggested(trial, self._space))
        self._asked[job.task_id()] = trial
        return job

    def job_reported(self, job: BaseJob) -> bool:
        """Tell the study what a trial has reported; False when it would prune it."""
        trial = self._asked.get(job.task_id())
        if trial is None or not isinstance(self._objective_metric, Objective):
            return True
        raw = self._objective_metric.get_current_raw_objective(job)
        if raw is None or raw[0] <= self._reported.get(job.task_id(), -1):
            return True
        self._reported[job.task_id()] = raw[0]
        trial.report(self._signed(self._objective_metric.sign * raw[1]), raw[0])
        if raw[0] < (self.min_iteration_per_job or 0) or not trial.should_prune():
            return True
        self._pruned.add(job.task_id())
        say(f"optimization: trial {job.task_id()} is pruned at iteration {raw[0]}")
        return False

    def job_ended(self, job: BaseJob, status: str, value: Any) -> None:
        """Tell the study what came of a trial."""
        trial = self._asked.pop(job.task_id(), None)
        if job.task_id() in self._pruned:
            outcome, state = None, optuna.trial.TrialState.PRUNED
        elif value is not None and (status in trials.GOOD or status == "stopped"):
            outcome, state = self._signed(value), optuna.trial.TrialState.COMPLETE
        else:
            outcome, state = None, optuna.trial.TrialState.FAIL
        if trial is not None:
            self._study.tell(trial, outcome, state=state)
        elif outcome is not None:
            self._add(job.task_parameter_override or {}, outcome)

    def inherit(self, trial: Trial, value: Any) -> None:
        """Have the study know a trial of the process before."""
        if value is not None:
            self._add(trial.values, self._signed(value))

    def _add(self, values: Mapping[str, Any], outcome: Any) -> None:
        space = {name: kind for name, kind in _flat(self._space, values).items() if name in values}
        numbers = outcome if isinstance(outcome, list) else [outcome]
        params = {name: values[name] for name in space}
        self._study.add_trial(optuna.trial.create_trial(params=params, distributions=space, values=numbers))

    def _signed(self, value: Any) -> Any:
        return -value if self._is_minimizing and not isinstance(value, list) else value


def distributions(parameters: Sequence[Parameter]) -> dict[str, Any]:
    """{name: distribution of Optuna}, for sets {"": list of combinations}. Raises UsageError for other kinds."""
    found: dict[str, Any] = {}
    for one in parameters:
        name = str(one.name)
        if isinstance(one, LogUniformParameterRange):
            low, high = one.base**one.min_value, one.base**one.max_value
            found[name] = (
                optuna.distributions.CategoricalDistribution([value[name] for value in one.to_list()])
                if one.step_size
                else optuna.distributions.FloatDistribution(min(low, high), max(low, high), log=True)
            )
        elif isinstance(one, UniformParameterRange):
            found[name] = optuna.distributions.FloatDistribution(one.min_value, one.max_value, step=one.step_size)
        elif isinstance(one, UniformIntegerParameterRange):
            high_int = one.max_value if one.include_max else one.max_value - 1
            found[name] = optuna.distributions.IntDistribution(one.min_value, high_int, step=one.step_size)
        elif isinstance(one, DiscreteParameterRange):
            found[name] = optuna.distributions.CategoricalDistribution(one.values)
        elif isinstance(one, ParameterSet):
            found["set " + str(len(found))] = [dict(combination) for combination in one.to_list()]
        else:
            raise UsageError(f"Optuna does not know the range {type(one).__name__} of {one.name}")
    return found


def suggested(trial: optuna.Trial, space: Mapping[str, Any]) -> dict[str, Any]:
    """The values that a trial is to have: of each distribution one, of each list of combinations one."""
    values: dict[str, Any] = {}
    for name, kind in space.items():
        if isinstance(kind, list):
            values.update(kind[trial.suggest_categorical(name, list(range(len(kind))))])
        elif isinstance(kind, optuna.distributions.CategoricalDistribution):
            values[name] = trial.suggest_categorical(name, kind.choices)
        elif isinstance(kind, optuna.distributions.IntDistribution):
            values[name] = trial.suggest_int(name, kind.low, kind.high, step=kind.step)
        else:
            values[name] = trial.suggest_float(name, kind.low, kind.high, step=kind.step, log=kind.log)
    return values


def _flat(space: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The distributions that single names have; a trial of a set is left to those."""
    return {name: kind for name, kind in space.items() if not isinstance(kind, list) and name in values}
