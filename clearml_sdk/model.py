"""`Model`, `InputModel`, `OutputModel`: weights that a task reads or makes, and their description."""

from __future__ import annotations

from clearml_sdk.models.base import BaseModel
from clearml_sdk.models.frameworks import Framework
from clearml_sdk.models.output import OutputModel
from clearml_sdk.models.record import ModelRecord
from clearml_sdk.models.registered import InputModel, Model
from clearml_sdk.models.task_models import TaskModels, list_task_models
from clearml_sdk.record import TaskRecord

__all__ = ["BaseModel", "Framework", "InputModel", "Model", "OutputModel", "task_models"]


def task_models(record: TaskRecord) -> TaskModels:
    """The input and output models of a task."""
    return list_task_models(record, lambda model_id: Model._of(ModelRecord(record.session, model_id)))
