"""Tasks that run other tasks: jobs, pipelines, hyperparameter optimization. Names are imported when first used."""

from __future__ import annotations

from clearml_sdk._submodules import submodule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from clearml_sdk.automation.controller import PipelineController, PipelineDecorator
    from clearml_sdk.automation.job import ClearmlJob
    from clearml_sdk.automation.optimization import GridSearch, HyperParameterOptimizer, Objective, RandomSearch
    from clearml_sdk.automation.parameters import (
        DiscreteParameterRange,
        LogUniformParameterRange,
        ParameterSet,
        UniformIntegerParameterRange,
        UniformParameterRange,
    )
    from clearml_sdk.automation.scheduler import TaskScheduler
    from clearml_sdk.automation.trigger import TriggerScheduler

_HOMES = {
    "ClearmlJob": "clearml_sdk.automation.job",
    "DiscreteParameterRange": "clearml_sdk.automation.parameters",
    "GridSearch": "clearml_sdk.automation.optimization",
    "HyperParameterOptimizer": "clearml_sdk.automation.optimization",
    "LogUniformParameterRange": "clearml_sdk.automation.parameters",
    "Objective": "clearml_sdk.automation.optimization",
    "ParameterSet": "clearml_sdk.automation.parameters",
    "PipelineController": "clearml_sdk.automation.controller",
    "PipelineDecorator": "clearml_sdk.automation.controller",
    "RandomSearch": "clearml_sdk.automation.optimization",
    "TaskScheduler": "clearml_sdk.automation.scheduler",
    "TriggerScheduler": "clearml_sdk.automation.trigger",
    "UniformIntegerParameterRange": "clearml_sdk.automation.parameters",
    "UniformParameterRange": "clearml_sdk.automation.parameters",
}

__all__ = [
    "ClearmlJob",
    "DiscreteParameterRange",
    "GridSearch",
    "HyperParameterOptimizer",
    "LogUniformParameterRange",
    "Objective",
    "ParameterSet",
    "PipelineController",
    "PipelineDecorator",
    "RandomSearch",
    "TaskScheduler",
    "TriggerScheduler",
    "UniformIntegerParameterRange",
    "UniformParameterRange",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        return submodule(__name__, name)
    from importlib import import_module

    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value
