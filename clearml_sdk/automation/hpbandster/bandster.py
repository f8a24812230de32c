"""A search by BOHB: successive halving, whose new trials a model of the earlier ones proposes."""

from __future__ import annotations

import math

from clearml_sdk.automation.optimization import trials
from clearml_sdk.automation.optimization.brackets import Bracket
from clearml_sdk.automation.optimization.objective import Objective
from clearml_sdk.automation.optimization.strategy import SearchStrategy
from clearml_sdk.automation.parameters import (
    DiscreteParameterRange,
    LogUniformParameterRange,
    Parameter,
    RandomSeed,
    UniformIntegerParameterRange,
    UniformParameterRange,
)
from clearml_sdk.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from clearml_sdk.automation.jobs.base import BaseJob
    from clearml_sdk.automation.optimization.trials import Trial


def model_class() -> Any:
    """The model of BOHB. Raises UsageError where its packages are not installed."""
    try:
        from hpbandster.optimizers.config_generators.bohb import BOHB
    except ImportError as error:
        raise UsageError(f"BOHB needs {error.name}: pip install hpbandster ConfigSpace") from error
    return BOHB


class OptimizerBOHB(SearchStrategy, RandomSeed):
    """Budgets are iterations of the objective: a trial that has reached its budget is stopped."""

    def __init__(
        self,
        base_task_id: str,
        hyper_parameters: Sequence[Parameter],
        objective_metric: Objective,
        execution_queue: str,
        num_concurrent_workers: int,
        min_iteration_per_job: int | None,
        max_iteration_per_job: int | None,
        total_max_jobs: int | None,
        pool_period_min: float = 2.0,
        time_limit_per_job: float | None = None,
        compute_time_limit: float | None = None,
        local_port: int = 9090,
        **bohb_kwargs: Any,
    ) -> None:
        """As `SearchStrategy`.

        Args:
            min_iteration_per_job, max_iteration_per_job: the smallest and the largest budget of a trial.
            local_port: accepted for compatibility: nothing listens here.
            bohb_kwargs: see `set_optimization_args`.
        """
        if not isinstance(objective_metric, Objective):
            raise UsageError("BOHB seeks one objective, not several at once")
        if not max_iteration_per_job:
            raise UsageError("BOHB needs max_iteration_per_job: the iterations of the longest trials")
        model_class()
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
        self._eta = 3.0
        self._min_budget, self._max_budget = float(min_iteration_per_job or 1), float(max_iteration_per_job)
        self._model_kwargs: dict[str, Any] = {}
        self._model: Any = None
        self._choices = Choices(hyper_parameters)
        self._brackets: list[Bracket] = []
        self._count = 0
        self._running: dict[str, tuple[Bracket, float, dict[str, Any]]] = {}
        if bohb_kwargs:
            self.set_optimization_args(**bohb_kwargs)

    def set_optimization_args(
        self,
        eta: float = 3,
        min_budget: float | None = None,
        max_budget: float | None = None,
        min_points_in_model: int | None = None,
        top_n_percent: int | None = 15,
        num_samples: int | None = None,
        random_fraction: float | None = 1 / 3.0,
        bandwidth_factor: float | None = 3,
        min_bandwidth: float | None = 1e-3,
    ) -> None:
        """Before the start: how fast budgets grow (`eta`) and between which, and the settings of BOHB's model."""
        self._eta = float(eta)
        self._min_budget, self._max_budget = (
            float(min_budget or self._min_budget),
            float(max_budget or self._max_budget),
        )
        wishes = {
            "min_points_in_model": min_points_in_model,
            "top_n_percent": top_n_percent,
            "num_samples": num_samples,
            "random_fraction": random_fraction,
            "bandwidth_factor": bandwidth_factor,
            "min_bandwidth": min_bandwidth,
        }
        self._model_kwargs = {key: value for key, value in wishes.items() if value is not None}

    def create_job(self) -> BaseJob | None:
        """The next trial: one that did well, with more iterations, or what the model proposes."""
        found = self._next()
        if found is None:
            return None
        bracket, budget, values = found
        if values is None:
            proposed, _ = self._proposer().get_config(budget)
            values = {name: self._choices.read(name, value) for name, value in proposed.items()}
        job = self.helper_create_job(self._base_task_id, parameter_override=values)
        self._running[job.task_id()] = (bracket, budget, values)
        return job

    def _next(self) -> tuple[Bracket, float, dict[str, Any] | None] | None:
        for bracket in self._brackets:
            trial = bracket.next_trial()
            if trial is not None:
                return bracket, *trial
        self._brackets = [bracket for bracket in self._brackets if not bracket.is_over]
        bracket = Bracket(self._count, self._eta, self._min_budget, self._max_budget)
        self._count += 1
        self._brackets.append(bracket)
        trial = bracket.next_trial()
        return None if trial is None else (bracket, *trial)

    def _proposer(self) -> Any:
        if self._model is None:
            self._model = model_class()(configspace=space(self._hyper_parameters), **self._model_kwargs)
        return self._model

    def job_reported(self, job: BaseJob) -> bool:
        """False once a trial has had its iterations."""
        _, budget, _ = self._running.get(job.task_id(), (None, math.inf, {}))
        return self._iteration(job) < budget

    def job_ended(self, job: BaseJob, status: str, value: Any) -> None:
        """Tell the bracket and the model what came of a trial."""
        found = self._running.pop(job.task_id(), None)
        if found is None:
            return
        bracket, budget, values = found
        is_good = value is not None and (status in trials.GOOD or status == "stopped")
        bracket.ended(budget, values, -value if is_good else math.inf)
        self._learn(budget, values, -value if is_good else None)

    def inherit(self, trial: Trial, value: Any) -> None:
        """Have the model know a trial of the process before."""
        iterations = float(trial.task.get("last_iteration") or self._min_budget)
        self._learn(min(iterations, self._max_budget), trial.values, None if value is None else -value)

    def _learn(self, budget: float, values: dict[str, Any], loss: float | None) -> None:
        config = {name: self._choices.write(name, value) for name, value in values.items()}
        self._proposer().new_result(_Result(budget, config, loss))


class _Result:
    """A trial as BOHB's model reads it."""

    def __init__(self, budget: float, values: dict[str, Any], loss: float | None) -> None:
        self.kwargs = {"budget": budget, "config": values}
        self.result = None if loss is None else {"loss": loss}
        self.exception = None
        """A failed trial is one without a result."""


class Choices:
    """Values of any type as the model knows them: by their places, since it keeps all choices in one array."""

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self._values = {
            str(one.name): [value[str(one.name)] for value in one.to_list()] for one in parameters if _is_choice(one)
        }

    def read(self, name: str, value: Any) -> Any:
        """What the model's value stands for."""
        plain = value.item() if hasattr(value, "item") else value
        return self._values[name][plain] if name in self._values else plain

    def write(self, name: str, value: Any) -> Any:
        """The value as the model knows it."""
        return self._values[name].index(value) if name in self._values else value


def _is_choice(one: Parameter) -> bool:
    if isinstance(one, DiscreteParameterRange):
        return True
    if isinstance(one, UniformIntegerParameterRange):
        return one.step_size != 1
    return isinstance(one, UniformParameterRange) and bool(one.step_size)


def space(parameters: Sequence[Parameter]) -> Any:
    """The ranges as a ConfigSpace. Raises UsageError for kinds that it does not have."""
    import ConfigSpace

    found = ConfigSpace.ConfigurationSpace(seed=RandomSeed.get_random_seed())
    for one in parameters:
        name = str(one.name)
        if _is_choice(one):
            kind = ConfigSpace.CategoricalHyperparameter(name, list(range(len(one.to_list()))))
        elif isinstance(one, LogUniformParameterRange):
            low, high = one.base**one.min_value, one.base**one.max_value
            kind = ConfigSpace.UniformFloatHyperparameter(name, min(low, high), max(low, high), log=True)
        elif isinstance(one, UniformParameterRange):
            kind = ConfigSpace.UniformFloatHyperparameter(name, one.min_value, one.max_value)
        elif isinstance(one, UniformIntegerParameterRange):
            kind = ConfigSpace.UniformIntegerHyperparameter(name, one.min_value, one._steps()[-1])
        else:
            raise UsageError(f"BOHB does not know the range {type(one).__name__} of {one.name}")
        found.add(kind)
    return found
