"""`Model`, `InputModel`, `OutputModel`: weights that a task reads or makes, and their description."""

from __future__ import annotations

from clearml_sdk.models.base import BaseModel
from clearml_sdk.models.frameworks import Framework
from clearml_sdk.models.output import OutputModel
from clearml_sdk.models.record import ModelRecord
from clearml_sdk.models.registered import InputModel, Model
from clearml_sdk.models.task_models import TaskModels, list_task_models
from clearml_sdk.record import TaskRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["BaseModel", "Framework", "InputModel", "Model", "OutputModel", "Waitable", "task_models"]


class Waitable:
    """What is over already, where something to wait for is expected."""

    def wait(self, *_: Any, **__: Any) -> bool:
        """True, at once."""
        return True


def task_models(record: TaskRecord) -> TaskModels:
    """The input and output models of a task."""
    return list_task_models(record, lambda model_id: Model._of(ModelRecord(record.session, model_id)))
