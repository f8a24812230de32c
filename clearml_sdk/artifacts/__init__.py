"""Files and objects that a task keeps."""

from clearml_sdk.artifacts.artifact import Artifact
from clearml_sdk.artifacts.task_artifacts import Artifacts

__all__ = ["Artifact", "Artifacts"]
