"""What scripts ask to be told of model files: `WeightsFileHandler.add_pre_callback` and `add_post_callback`."""

from __future__ import annotations

import itertools
from enum import StrEnum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Callback = Callable[[str, "ModelInfo"], "ModelInfo | None"]


class CallbackType(StrEnum):
    """What is done with a file."""

    save = "save"
    load = "load"


class ModelInfo:
    """A model file: what a callback looks at and may change.

    local_model_path: the file. upload_filename: its name where it is stored, None for its own. model: the model on the
    server, once it is there. local_model_id: files with the same one are one model; the file's path.
    """

    def __init__(self, framework: str, local_model_path: str, task: Any) -> None:
        self.framework, self.local_model_path, self.task = framework, local_model_path, task
        self.upload_filename: str | None = None
        self.model: Any = None
        self.local_model_id = local_model_path
        self._told: list[Callback] = []
        """Who is told once it is recorded, which is later."""

    @property
    def weights_filename(self) -> str:
        """The file."""
        return self.local_model_path


class WeightsFileHandler:
    """Callbacks around the recording of model files. They get ("save" or "load", `ModelInfo`).

    One that returns None before the recording prevents it.
    """

    ModelInfo = ModelInfo
    CallbackType = CallbackType

    @staticmethod
    def add_pre_callback(callback_function: Callback) -> int:
        """Have `callback_function` called before a model file is recorded; returns its handle."""
        return _add(_before, callback_function)

    @staticmethod
    def add_post_callback(callback_function: Callback) -> int:
        """Have `callback_function` called once a model file is recorded; returns its handle."""
        return _add(_after, callback_function)

    @staticmethod
    def remove_pre_callback(handle: int) -> bool:
        """Forget a callback by its handle; False when there is none."""
        return _before.pop(handle, None) is not None

    @staticmethod
    def remove_post_callback(handle: int) -> bool:
        """Forget a callback by its handle; False when there is none."""
        return _after.pop(handle, None) is not None


_handles = itertools.count(1)
_before: dict[int, Callback] = {}
_after: dict[int, Callback] = {}


def _add(callbacks: dict[int, Callback], callback: Callback) -> int:
    handle = next(_handles)
    callbacks[handle] = callback
    return handle


def before(operation: str, framework: str, path: str, task: Any) -> ModelInfo | None:
    """Ask the callbacks before a file is recorded; None when it is not to be."""
    info: ModelInfo | None = ModelInfo(framework, path, task)
    for callback in list(_before.values()):
        if info is not None:
            info = callback(CallbackType(operation), info)
    if info is not None:
        info._told = list(_after.values())
    return info


def after(operation: str, info: ModelInfo) -> None:
    """Tell the callbacks that there were when the file was written or read that it is recorded."""
    for callback in info._told:
        callback(CallbackType(operation), info)
