"""Artifacts, under the path that scripts import them from."""

from __future__ import annotations

from clearml_sdk.artifacts import previews
from clearml_sdk.artifacts.artifact import Artifact
from clearml_sdk.artifacts.errors import ArtifactIntegrityError, BlockedArtifactTypeError, BlockedPickledArtifactError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from clearml_sdk.task import Task

__all__ = [
    "Artifact",
    "ArtifactIntegrityError",
    "Artifacts",
    "BlockedArtifactTypeError",
    "BlockedPickledArtifactError",
]


class Artifacts:
    """The artifacts of a task by a manager of their own; `task.upload_artifact` and `task.artifacts` do the same."""

    max_preview_size_bytes = previews.MAX_BYTES

    def __init__(self, task: Task) -> None:
        self._task = task

    def upload_artifact(
        self,
        name: str,
        artifact_object: Any = None,
        metadata: Mapping[Any, Any] | None = None,
        preview: Any = None,
        delete_after_upload: bool = False,
        auto_pickle: bool | None = None,
        wait_on_upload: bool = False,
        extension_name: str | None = None,
        serialization_function: Callable[[Any], bytes | bytearray] | None = None,
        sort_keys: bool = True,
    ) -> bool:
        """Store an artifact, as `Task.upload_artifact`."""
        return self._task.upload_artifact(
            name,
            artifact_object,
            metadata=metadata,
            preview=preview,
            delete_after_upload=delete_after_upload,
            auto_pickle=auto_pickle,
            wait_on_upload=wait_on_upload,
            extension_name=extension_name,
            serialization_function=serialization_function,
            sort_keys=sort_keys,
        )

    def register_artifact(
        self,
        name: str,
        artifact: Any,
        metadata: Mapping[Any, Any] | None = None,
        uniqueness_columns: bool | Sequence[str] = True,
    ) -> None:
        """Keep a pandas DataFrame in step with the server, as `Task.register_artifact`."""
        self._task.register_artifact(name, artifact, metadata, uniqueness_columns)

    def unregister_artifact(self, name: str) -> None:
        """Store a registered table as it is now, and leave it alone from then on."""
        self._task.unregister_artifact(name)

    @property
    def registered_artifacts(self) -> dict[str, Any]:
        """The registered tables by name; changing one changes what is stored."""
        return self._task.get_registered_artifacts()

    @property
    def summary(self) -> str:
        """What the registered tables hold: their first rows, shapes and distinct rows."""
        return self._task._get_tables().summary()

    def flush(self) -> None:
        """Wait for the uploads."""
        self._task.flush(wait_for_uploads=True)

    def stop(self, wait: bool = True) -> None:
        """Wait for the uploads, if `wait`."""
        if wait:
            self.flush()
