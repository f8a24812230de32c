"""Artifacts, under the path that scripts import them from."""

from clearml_sdk.artifacts.artifact import Artifact
from clearml_sdk.artifacts.errors import ArtifactIntegrityError, BlockedArtifactTypeError, BlockedPickledArtifactError
from clearml_sdk.artifacts.task_artifacts import Artifacts

__all__ = [
    "Artifact",
    "ArtifactIntegrityError",
    "Artifacts",
    "BlockedArtifactTypeError",
    "BlockedPickledArtifactError",
]
