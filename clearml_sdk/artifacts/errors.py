"""Artifacts that are not to be read.

ArtifactIntegrityError (ValueError)       the file is not the one recorded
BlockedArtifactTypeError (ValueError)     reading this type is switched off
└── BlockedPickledArtifactError           ... because it is a pickle, which can run any code
ArtifactUriDeleteError (ValueError)       the artifact is gone from its task, its file is not
"""

from __future__ import annotations

from clearml_sdk.errors import ClearmlError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class ArtifactIntegrityError(ClearmlError, ValueError):
    """The stored file is not the one that was recorded."""


class BlockedArtifactTypeError(ClearmlError, ValueError):
    """Artifacts of this type are not read here."""

    def __init__(self, artifact_filepath: str, artifact_type: str, content_type: str, comment: str = "") -> None:
        super().__init__(
            f"{artifact_filepath}: artifacts of type {artifact_type} ({content_type}) are blocked. {comment}".strip()
        )
        self.artifact_filepath, self.artifact_type, self.content_type = artifact_filepath, artifact_type, content_type


class BlockedPickledArtifactError(BlockedArtifactTypeError):
    """Pickles are not read here."""

    def __init__(
        self, artifact_filepath: str, artifact_type: str, content_type: str, blocked_by_get_argument: bool
    ) -> None:
        by = "block_unsafe_artifacts=True" if blocked_by_get_argument else "the configuration"
        super().__init__(
            artifact_filepath, artifact_type, content_type, f"Unpickling can run any code, and {by} forbids it."
        )


class ArtifactUriDeleteError(ClearmlError, ValueError):
    """The file of a deleted artifact could not be deleted."""

    def __init__(self, artifact: str, uri: str, remaining_uris: Sequence[str], cause: object = "") -> None:
        super().__init__(f"artifact {artifact!r} is deleted, but not its file {uri}: {cause}".removesuffix(": "))
        self.artifact, self.uri, self._remaining = artifact, uri, list(remaining_uris)

    @property
    def remaining_uris(self) -> list[str]:
        """Addresses of all files that were not deleted."""
        return list(self._remaining)
