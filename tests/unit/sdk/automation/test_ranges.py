"""Ranges of parameters, budgets, objectives, and the brackets of successive halving."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearml_sdk.automation.optimization.brackets import Bracket
from clearml_sdk.automation.optimization.budget import Budget
from clearml_sdk.automation.optimization.objective import MultiObjective, Objective, beats
from clearml_sdk.automation.parameters import (
    DiscreteParameterRange,
    LogUniformParameterRange,
    Parameter,
    ParameterSet,
    RandomSeed,
    UniformIntegerParameterRange,
    UniformParameterRange,
)
from clearml_sdk.errors import UsageError

RANGES = [
    UniformParameterRange("a", 0, 1, step_size=0.25),
    UniformParameterRange("a", 0, 1, step_size=0.3, include_max_value=False),
    LogUniformParameterRange("a", -2, 0, step_size=1),
    UniformIntegerParameterRange("a", 1, 9, step_size=3),
    DiscreteParameterRange("a", values=["x", 1, None]),
    ParameterSet([{"a": 1, "b": DiscreteParameterRange("b", [2, 3])}, {"a": 4, "b": 5}]),
]


@pytest.mark.parametrize("one", RANGES, ids=lambda one: type(one).__name__)
def test_what_is_drawn_is_listed_and_what_is_stored_is_read_back(one: Parameter) -> None:
    listed = list(one.to_list())
    assert all(one.get_value() in listed for _ in range(50))
    assert list(Parameter.from_dict(dict(one.to_dict())).to_list()) == listed


def test_lists() -> None:
    assert [value["a"] for value in RANGES[0].to_list()] == [0, 0.25, 0.5, 0.75, 1]
    assert [value["a"] for value in RANGES[2].to_list()] == [0.01, 0.1, 1]
    assert [value["a"] for value in RANGES[3].to_list()] == [1, 4, 7, 9]
    assert list(RANGES[5].to_list()) == [{"a": 1, "b": 2}, {"a": 1, "b": 3}, {"a": 4, "b": 5}]
    with pytest.raises(UsageError, match="no such kind"):
        Parameter.from_dict({"type": "Other"})


def test_seed_repeats_what_is_drawn() -> None:
    one = UniformParameterRange("a", 0, 1)
    RandomSeed.set_random_seed(7)
    first = [one.get_value()["a"] for _ in range(5)]
    RandomSeed.set_random_seed(7)
    assert [one.get_value()["a"] for _ in range(5)] == first


def test_budget_counts_each_job_by_its_last_number() -> None:
    budget = Budget(2, None, 10)
    budget.jobs.update("a", 1)
    budget.compute_time.update("a", 3)
    budget.compute_time.update("a", 4)
    assert budget.to_dict() == {"jobs": {"limit": 2, "used": 0.5}, "compute_time": {"limit": 10, "used": 0.4}}
    assert not budget.is_spent
    budget.jobs.update("b", 1)
    assert budget.is_spent


def test_objective_reads_last_and_extreme_values() -> None:
    last, least = Objective("t", "s", "min"), Objective("t", "s", "min", extremum=True)
    title, series = last.field().split(".")[1:]
    task = {"last_metrics": {title: {series: {"value": 3, "min_value": 1, "max_value": 9}}}}
    assert (last.value_of(task), least.value_of(task), last.value_of({})) == (3, 1, None)
    assert last.get_objective_sign() == -1
    several = MultiObjective(["t", "u"], ["s", "s"], ["min", "max"], [False, True])
    assert several.values_of(task) is None
    assert beats([1, 2], [1, 1])
    assert not beats([1, 2], [2, 1])


@given(st.integers(0, 9), st.sampled_from([2.0, 3.0, 4.0]), st.integers(1, 9), st.integers(1, 81))
def test_bracket_ends_and_promotes_the_best(number: int, eta: float, low: int, more: int) -> None:
    bracket = Bracket(number, eta, low, low * more)
    made, losses = 0, 0.0
    while (trial := bracket.next_trial()) is not None:
        budget, values = trial
        assert low - 1e-6 <= budget <= low * more + 1e-6
        losses += 1
        bracket.ended(budget, values or {"n": made}, losses if made % 5 else math.inf)
        made += 1
        assert made < 5000
    first, last = bracket.rungs[0], bracket.rungs[-1]
    assert len(first.results) == first.size >= last.size
    for lower, upper in zip(bracket.rungs, bracket.rungs[1:], strict=False):
        assert [values for _, values in upper.results] == lower.best(len(upper.results))
