"""A search that Optuna leads: its ranges, what a study is told of trials, and what it learns of earlier ones."""

from __future__ import annotations

from typing import Any

import optuna
import pytest

from clearml_sdk.api_settings import ApiSettings
from clearml_sdk.automation.jobs.base import BaseJob
from clearml_sdk.automation.optimization.objective import Objective
from clearml_sdk.automation.optimization.trials import Trial
from clearml_sdk.automation.optuna.optuna import OptimizerOptuna, distributions, suggested
from clearml_sdk.automation.parameters import (
    DiscreteParameterRange,
    LogUniformParameterRange,
    ParameterSet,
    UniformIntegerParameterRange,
    UniformParameterRange,
)
from clearml_sdk.record import TaskRecord
from clearml_sdk.session import Session

optuna.logging.set_verbosity(optuna.logging.WARNING)

SPACE = [
    UniformParameterRange("a", 0, 1, step_size=0.25),
    LogUniformParameterRange("b", -4, -1),
    UniformIntegerParameterRange("c", 2, 8, step_size=2),
    DiscreteParameterRange("d", ["x", "y"]),
    ParameterSet([{"e": 1, "f": 2}, {"e": 3, "f": 4}]),
]
SESSION = Session(ApiSettings("http://localhost:1", access_key="k", secret_key="s"))


def job(number: int) -> BaseJob:
    found = BaseJob()
    found._record = TaskRecord(SESSION, f"task{number}")
    return found


def search(sign: str = "min", **options: Any) -> OptimizerOptuna:
    found = OptimizerOptuna("base", SPACE, Objective("t", "s", sign), "queue", 2, 10, 50, **options)
    numbers = iter(range(1000))
    made: dict[str, Any] = {}

    def create(base: str, parameter_override: Any = None, **_: Any) -> BaseJob:
        one = job(next(numbers))
        one.task_parameter_override = made[one.task_id()] = dict(parameter_override)
        return one

    found.helper_create_job = create  # type: ignore[assignment,method-assign]  # no server is asked
    return found


def test_values_lie_in_their_ranges() -> None:
    study = optuna.create_study()
    for _ in range(30):
        values = suggested(study.ask(), distributions(SPACE))
        assert values["a"] in (0, 0.25, 0.5, 0.75, 1)
        assert 1e-4 <= values["b"] <= 1e-1
        assert values["c"] in (2, 4, 6, 8)
        assert values["d"] in ("x", "y")
        assert (values["e"], values["f"]) in ((1, 2), (3, 4))


def test_study_is_told_of_good_failed_and_deleted_trials() -> None:
    found = search()
    jobs = [found.create_job() for _ in range(4)]
    for one, status, value in zip(
        jobs, ["completed", "failed", "unknown", "stopped"], [-2.0, -1.0, None, -4.0], strict=True
    ):
        assert one is not None
        found.job_ended(one, status, value)
    states = [trial.state.name for trial in found.study.trials]
    assert states == ["COMPLETE", "FAIL", "FAIL", "COMPLETE"]
    assert found.study.best_value == -2.0


def test_earlier_trials_are_known() -> None:
    found = search()
    values = {"a": 0.5, "b": 0.01, "c": 4, "d": "y", "e": 1, "f": 2}
    found.inherit(Trial({"id": "t", "runtime": {"_optimization_values": values}}), -3.0)
    found.inherit(Trial({"id": "u", "runtime": {"_optimization_values": values}}), None)
    assert len(found.study.trials) == 1
    assert found.study.best_params == {name: values[name] for name in "abcd"}


def test_search_comes_closer() -> None:
    found = search(optuna_sampler=optuna.samplers.TPESampler(seed=1))
    losses = []
    for _ in range(60):
        one = found.create_job()
        assert one is not None
        assert one.task_parameter_override is not None
        loss = (one.task_parameter_override["c"] - 6) ** 2 + one.task_parameter_override["a"]
        losses.append(loss)
        found.job_ended(one, "completed", -loss)
    assert sum(losses[-20:]) < sum(losses[:20])


def test_hopeless_trial_is_pruned() -> None:
    class Falling(Objective):
        """Reports what the test says."""

        now: tuple[int, float] | None = None

        def get_current_raw_objective(self, task: Any) -> tuple[int, float] | None:
            return self.now

    found = search(optuna_pruner=optuna.pruners.MedianPruner(n_startup_trials=1))
    objective = found._objective_metric = Falling("t", "s", "min")
    first, second = found.create_job(), found.create_job()
    assert first is not None
    assert second is not None
    for step in (1, 2):
        objective.now = (step, 1.0)
        assert found.job_reported(first)
    found.job_ended(first, "completed", -1.0)
    objective.now = (1, 100.0)
    assert not found.job_reported(second)
    found.job_ended(second, "stopped", -100.0)
    assert [trial.state.name for trial in found.study.trials] == ["COMPLETE", "PRUNED"]


def test_unknown_range_is_named() -> None:
    class Other(UniformParameterRange):
        pass

    assert list(distributions([Other("x", 0, 1)])) == ["x"]
    with pytest.raises(ValueError, match="Optuna does not know"):
        distributions([type("Odd", (), {"name": "odd"})()])  # type: ignore[list-item]
