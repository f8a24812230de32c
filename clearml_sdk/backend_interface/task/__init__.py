"""`Task`, under the path that scripts import it from."""

from clearml_sdk.task import Task

__all__ = ["Task"]
