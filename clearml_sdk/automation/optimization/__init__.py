"""Hyperparameter optimization: searches over the parameters of a task."""

from clearml_sdk.automation.jobs.cloned import ClearmlJob
from clearml_sdk.automation.optimization.budget import Budget
from clearml_sdk.automation.optimization.objective import MultiObjective, Objective
from clearml_sdk.automation.optimization.optimizer import HyperParameterOptimizer
from clearml_sdk.automation.optimization.searches import GridSearch, RandomSearch
from clearml_sdk.automation.optimization.strategy import SearchStrategy

__all__ = [
    "Budget",
    "ClearmlJob",
    "GridSearch",
    "HyperParameterOptimizer",
    "MultiObjective",
    "Objective",
    "RandomSearch",
    "SearchStrategy",
]
