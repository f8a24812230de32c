"""`Task`: its artifacts - stored once, registered to be kept in step, deleted."""

from __future__ import annotations

from clearml_sdk import reporters
from clearml_sdk.facade.base import TaskBase
from clearml_sdk.notices import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from clearml_sdk.artifacts.registered import RegisteredTables
    from clearml_sdk.artifacts.uploads import ArtifactUploads


class TaskArtifacts(TaskBase):
    """Artifacts of a task."""

    @property
    def artifacts(self) -> Mapping[str, Any]:
        """The task's artifacts by name, read-only."""
        from types import MappingProxyType

        from clearml_sdk.artifacts.artifact import artifacts_of

        self._settle()
        self._wait_for_uploads(None)
        self._record.read_fields("execution")
        return MappingProxyType(artifacts_of(self._record.session, self._record.document))

    def upload_artifact(
        self,
        name: str,
        artifact_object: Any,
        metadata: Any = None,
        delete_after_upload: bool = False,
        auto_pickle: bool | None = None,
        preview: Any = None,
        wait_on_upload: bool = False,
        extension_name: str | None = None,
        serialization_function: Callable[[Any], bytes | bytearray] | None = None,
        retries: int = 0,
        sort_keys: bool = True,
    ) -> bool:
        """Store an object or a file with the task under `name`, in the background unless `wait_on_upload`.

        Returns whether it was accepted, or with `wait_on_upload` whether it was uploaded. Raises ValueError for an
        object that cannot be stored.
        """
        self._check_open()
        return self._get_uploads().upload(
            name,
            artifact_object,
            metadata=metadata,
            delete_after_upload=delete_after_upload,
            auto_pickle=auto_pickle,
            preview=preview,
            wait=wait_on_upload,
            extension=extension_name,
            serialize=serialization_function,
            retries=retries,
            sort_keys=sort_keys,
        )

    def delete_artifacts(
        self,
        artifact_names: Sequence[str],
        raise_on_errors: bool = True,
        delete_from_storage: bool = True,
        silent_on_errors: bool = False,
    ) -> bool:
        """Delete artifacts by their names, and by default the files of those that this task made.

        Args:
            raise_on_errors: KeyError for an unknown name, ArtifactUriDeleteError for a file that cannot be deleted.
            silent_on_errors: where nothing is raised, print nothing either.

        Returns whether everything named is gone.
        """
        from clearml_sdk.artifacts.deleting import delete_artifacts

        self._settle()
        self._wait_for_uploads(None)
        names = [artifact_names] if isinstance(artifact_names, str) else list(artifact_names)
        problems = delete_artifacts(self._record, names, with_files=delete_from_storage)
        if problems and raise_on_errors:
            raise problems[0]
        for problem in () if silent_on_errors else problems:
            say(f"Task: deleting artifacts of {self.id}: {problem}")
        return not problems

    def set_artifacts(self, artifacts_list: Sequence[Any] | None = None) -> list[Any] | None:
        """Replace the whole list of artifacts (`execution.artifacts` entries, or `Artifact`s), and return it.

        None leaves the list as it is. Files are neither stored nor deleted.
        """
        from clearml_sdk.documents import Document

        self._settle()
        self._wait_for_uploads(None)
        if artifacts_list is not None:
            self._record.edit(execution={"artifacts": [_entry(artifact) for artifact in artifacts_list]})
            self._record.forget()
        return [Document(entry) for entry in self._record.get("execution.artifacts") or []]

    def register_artifact(
        self, name: str, artifact: Any, metadata: Any = None, uniqueness_columns: bool | Sequence[str] = True
    ) -> None:
        """Store a pandas DataFrame under `name`, and store it again whenever it has changed, until the task ends.

        uniqueness_columns: what its preview counts distinct rows by; True: all columns. Raises ValueError for another
        type.
        """
        self._check_open()
        self._get_tables().add(name, artifact, metadata, uniqueness_columns)

    def unregister_artifact(self, name: str) -> None:
        """Store a registered table as it is now, and leave it alone from then on."""
        tables: RegisteredTables | None = self.__dict__.get("_tables")
        if tables is not None:
            tables.remove(name)

    def get_registered_artifacts(self) -> dict[str, Any]:
        """The registered tables by name; changing one changes what is stored."""
        tables: RegisteredTables | None = self.__dict__.get("_tables")
        return tables.tables() if tables is not None else {}

    def _get_tables(self) -> RegisteredTables:
        from clearml_sdk.artifacts.encoding import AuditTable
        from clearml_sdk.artifacts.registered import RegisteredTables

        def store(name: str, table: Any, metadata: Any, preview: str, wait: bool) -> bool:
            return self._get_uploads().upload(name, AuditTable(table), metadata=metadata, preview=preview, wait=wait)

        found: RegisteredTables | None = self.__dict__.get("_tables")
        if found is None:
            found = self.__dict__["_tables"] = RegisteredTables(store)
        return found

    def _get_uploads(self) -> ArtifactUploads:
        from clearml_sdk.artifacts.uploads import ArtifactUploads

        found: ArtifactUploads | None = self.__dict__.get("_uploads")
        if found is None:
            config = self._record.session.config
            auto_pickle = config is None or config.flag("sdk.development.artifacts.auto_pickle", True)
            record = self._record
            found = self.__dict__["_uploads"] = ArtifactUploads(
                record,
                auto_pickle=auto_pickle,
                journal=lambda: reporters.reporter_of(record.session, record.id).spool_folder(),
            )
        return found


def _entry(artifact: Any) -> dict[str, Any]:
    """An artifact as its task lists it."""
    if isinstance(artifact, dict):
        return artifact
    return dict(artifact.to_dict() if hasattr(artifact, "to_dict") else artifact._entry)
