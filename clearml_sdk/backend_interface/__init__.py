"""The objects behind `Task`, under the paths that scripts import them from."""

from __future__ import annotations

from clearml_sdk._submodules import submodule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from clearml_sdk.task import Task

__all__ = ["Task"]


def __getattr__(name):  # type: ignore[no-untyped-def]  # typing would be imported for it
    if name != "Task":
        return submodule(__name__, name)
    from clearml_sdk.task import Task

    return Task
