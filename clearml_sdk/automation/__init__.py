"""Tasks that run other tasks: jobs, pipelines, hyperparameter optimization. Names are imported when first used."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from clearml_sdk.automation.controller import PipelineController, PipelineDecorator
    from clearml_sdk.automation.job import ClearmlJob
    from clearml_sdk.automation.scheduler import TaskScheduler
    from clearml_sdk.automation.trigger import TriggerScheduler

_HOMES = {
    "ClearmlJob": "clearml_sdk.automation.job",
    "PipelineController": "clearml_sdk.automation.controller",
    "PipelineDecorator": "clearml_sdk.automation.controller",
    "TaskScheduler": "clearml_sdk.automation.scheduler",
    "TriggerScheduler": "clearml_sdk.automation.trigger",
}

__all__ = ["ClearmlJob", "PipelineController", "PipelineDecorator", "TaskScheduler", "TriggerScheduler"]


def __getattr__(name: str) -> Any:
    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    from importlib import import_module

    value = globals()[name] = getattr(import_module(home), name)
    return value
