"""Optimization by Optuna (`pip install optuna`)."""

from clearml_sdk.automation.optuna.optuna import OptimizerOptuna, OptunaObjective

__all__ = ["OptimizerOptuna", "OptunaObjective"]
