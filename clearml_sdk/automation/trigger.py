"""Launching tasks when something happens: `TriggerScheduler`, and the triggers it has."""

from clearml_sdk.automation.triggers.by_event import TriggerScheduler
from clearml_sdk.automation.triggers.entry import (
    BaseTrigger,
    DatasetTrigger,
    ExecutedTrigger,
    ModelTrigger,
    TaskTrigger,
)

__all__ = ["BaseTrigger", "DatasetTrigger", "ExecutedTrigger", "ModelTrigger", "TaskTrigger", "TriggerScheduler"]
