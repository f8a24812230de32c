"""`Dataset`: versions of files, for scripts."""

from __future__ import annotations

from clearml_sdk.datasets import creating, lookup, removing
from clearml_sdk.datasets.contents import DatasetContents
from clearml_sdk.datasets.entries import FileEntry, LinkEntry
from clearml_sdk.datasets.storage import DatasetStorage
from clearml_sdk.datasets.stored import StoredDataset, is_chunk
from clearml_sdk.errors import ClearmlError, UsageError
from clearml_sdk.notices import warn_once
from clearml_sdk.session import Session
from clearml_sdk.task import Task
from clearml_sdk.task_types import TaskStatusEnum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any, Self

__all__ = ["Dataset", "FileEntry", "LinkEntry"]


class Dataset(DatasetContents, DatasetStorage):
    """One version of a dataset. `create` makes a new one, `get` finds one.

    A version holds what its parents hold but for what it changes, and stores only what it adds. It can be changed until
    it is finished (`finalize`), and used from then on.
    """

    # New versions, and those that are there.

    @classmethod
    def create(
        cls,
        dataset_name: str | None = None,
        dataset_project: str | None = None,
        dataset_tags: Sequence[str] | None = None,
        parent_datasets: Sequence[str | Dataset] | None = None,
        use_current_task: bool = False,
        dataset_version: str | None = None,
        output_uri: str | None = None,
        description: str | None = None,
    ) -> Self:
        """A new version, empty or with what its parents hold.

        Args:
            dataset_name, dataset_project: None: those of the last parent.
            parent_datasets: finished versions (or their ids); of a path in several the last one's file.
            use_current_task: make the task of this process the version, in place of a task of its own.
            dataset_version: None: the number after the highest there is, at first 1.0.0.
            output_uri: where files are stored; None: on the files server.

        Raises UsageError without a name and a project, and for a parent that is not finished.
        """
        parents = [cls._open(parent) for parent in parent_datasets or ()]
        wish = creating.DatasetWish(
            name=dataset_name,
            project=dataset_project,
            tags=dataset_tags,
            version=dataset_version,
            output_uri=output_uri,
            description=description,
        )
        current = Task.current_task() if use_current_task else None
        if use_current_task and current is None:
            raise UsageError("use_current_task: there is no current task, call Task.init() first")
        if current is not None:
            current._settle()
            return cls._of(creating.adopt(current._record.session, current.id, wish, parents))
        return cls._of(creating.create(Session.default(), wish, parents))

    @classmethod
    def get(
        cls,
        dataset_id: str | None = None,
        dataset_project: str | None = None,
        dataset_name: str | None = None,
        dataset_tags: Sequence[str] | None = None,
        only_completed: bool = False,
        only_published: bool = False,
        include_archived: bool = False,
        auto_create: bool = False,
        writable_copy: bool = False,
        dataset_version: str | None = None,
        alias: str | None = None,
        overridable: bool = False,
        shallow_search: bool = False,
        silence_alias_warnings: bool = False,
        **kwargs: Any,
    ) -> Self:
        """A version by its id, or the highest one of this project, name, version and tags.

        Args:
            auto_create: make a first version when there is none.
            writable_copy: a new version that stands on it.
            alias: record with the task of this process, under this name, that it uses the version.
            overridable: in a remote run, use the version that the task gives for the alias.

        Raises ValueError when there is none.
        """
        from clearml_sdk.datasets import consuming

        session = Session.default()
        chosen = consuming.override(alias, overridable=overridable) or dataset_id
        if chosen is None:
            found = lookup.one_version(
                session,
                project=dataset_project,
                name=dataset_name,
                version=dataset_version,
                tags=dataset_tags,
                only_completed=only_completed,
                only_published=only_published,
                include_archived=include_archived,
                shallow=shallow_search,
            )
            if found is None and auto_create:
                return cls.create(dataset_name, dataset_project, dataset_tags, dataset_version=dataset_version)
            if found is None:
                wanted = f"{dataset_name!r} version {dataset_version}" if dataset_version else f"{dataset_name!r}"
                raise UsageError(f"Could not find a dataset {wanted} in project {dataset_project!r}")
            chosen = str(found["id"])
        stored = StoredDataset.open(session, chosen)
        consuming.record_use(stored, alias)
        return cls.create(parent_datasets=[cls._of(stored)]) if writable_copy else cls._of(stored)

    @classmethod
    def list_datasets(
        cls,
        dataset_project: str | None = None,
        partial_name: str | None = None,
        tags: Sequence[str] | None = None,
        ids: Sequence[str] | None = None,
        only_completed: bool = True,
        recursive_project_search: bool = True,
        include_archived: bool = True,
    ) -> list[dict[str, Any]]:
        """`name`, `created`, `project`, `id`, `tags`, `version` and `status` of versions that match, oldest first."""
        from clearml_sdk.documents import time_of

        found = lookup.find_versions(
            Session.default(),
            project=dataset_project,
            partial_name=partial_name,
            tags=tags,
            ids=ids,
            only_completed=only_completed,
            include_archived=include_archived,
            recursive=recursive_project_search,
        )
        return [
            {
                "name": task["name"],
                "created": time_of(task.get("created")),
                "project": lookup.project_of(task),
                "id": task["id"],
                "tags": task.get("tags") or [],
                "version": lookup.version_of(task),
                "status": TaskStatusEnum(task["status"]),
            }
            for task in found
        ]

    # What is said about it.

    def set_metadata(self, metadata: Any, metadata_name: str = "metadata", ui_visible: bool = True) -> None:
        """Store something about the dataset: a DataFrame, an array, a dictionary, a text or a flag.

        ui_visible: show a DataFrame as a table too.
        """
        if not self._task.upload_artifact(metadata_name, metadata, wait_on_upload=True):
            raise ClearmlError(f"metadata {metadata_name!r} of dataset {self.id} was not stored")
        self._stored.record.forget()
        if ui_visible and hasattr(metadata, "columns"):
            self.get_logger().report_table(metadata_name, metadata_name, iteration=0, table_plot=metadata)

    def get_metadata(self, metadata_name: str = "metadata") -> Any:
        """What `set_metadata` stored; None, with a warning, when there is nothing of this name."""
        artifact = self._task.artifacts.get(metadata_name)
        if artifact is None or is_chunk(metadata_name):
            warn_once(f"metadata {self.id} {metadata_name}", f"dataset {self.id} has no metadata {metadata_name!r}")
            return None
        return artifact.get()

    # Whole datasets.

    @classmethod
    def squash(
        cls,
        dataset_name: str,
        dataset_ids: Sequence[str | Dataset] | None = None,
        dataset_project_name_pairs: Sequence[Any] | None = None,
        output_url: str | None = None,
        close_squashed_dataset: bool | None = True,
    ) -> Self:
        """A new dataset of the files of several versions, later ones over earlier ones, that stands on none of them.

        Args:
            dataset_project_name_pairs: (project, name) of each, where there are no `dataset_ids`.
            close_squashed_dataset: finish it; otherwise it can still be changed.
        """
        from clearml_sdk.datasets.squashing import merge

        if dataset_ids:
            sources = [cls._open(one) for one in dataset_ids]
        elif dataset_project_name_pairs:
            sources = [
                cls.get(dataset_project=pair[0], dataset_name=pair[1])._stored for pair in dataset_project_name_pairs
            ]
        else:
            raise UsageError("which versions are to be squashed? Give dataset_ids or dataset_project_name_pairs")
        creating.check_parents(sources)
        made = cls.create(dataset_name=dataset_name, dataset_project=sources[-1].project, output_uri=output_url)
        merge(sources, made._stored)
        made._stored.save()
        made.upload(preview=False)
        if close_squashed_dataset:
            made.finalize()
        return made

    @classmethod
    def rename(cls, new_dataset_name: str, dataset_project: str, dataset_name: str) -> None:
        """Give a dataset, with all its versions, another name."""
        from clearml_sdk.datasets import moving

        moving.rename(Session.default(), project=dataset_project, name=dataset_name, new_name=new_dataset_name)

    @classmethod
    def move_to_project(cls, new_dataset_project: str, dataset_project: str, dataset_name: str) -> None:
        """Bring a dataset, with all its versions, into another project."""
        from clearml_sdk.datasets import moving

        moving.move(Session.default(), project=dataset_project, name=dataset_name, new_project=new_dataset_project)

    @classmethod
    def delete(
        cls,
        dataset_id: str | None = None,
        dataset_project: str | None = None,
        dataset_name: str | None = None,
        force: bool = False,
        dataset_version: str | None = None,
        entire_dataset: bool = False,
        shallow_search: bool = False,
        delete_files: bool = True,
        delete_external_files: bool = False,
    ) -> None:
        """Delete a version (the highest that matches), or with `entire_dataset` all that match.

        Args:
            force: also a published one, one that others stand on, and several at once.
            delete_files: with what they have stored. delete_external_files: and with what they link to.

        Raises UsageError when there is none, and where `force` is needed.
        """
        session = Session.default()
        found = removing.chosen(
            session,
            dataset_id=dataset_id,
            project=dataset_project,
            name=dataset_name,
            version=dataset_version,
            entire=entire_dataset,
            force=force,
            shallow=shallow_search,
        )
        removing.delete_versions(
            session, found, force=force, with_files=delete_files, with_external=delete_external_files
        )

    # Without a server.

    @classmethod
    def set_offline(cls, offline_mode: bool = False) -> None:
        """Make new datasets in a folder of this machine, without any server; False: on the server again."""
        Task.set_offline(offline_mode)

    @classmethod
    def is_offline(cls) -> bool:
        """Whether new datasets are made in a folder."""
        return Task.is_offline()

    def get_offline_mode_folder(self) -> Path | None:
        """The folder of a dataset that was made offline; None for one of a server."""
        return self._task.get_offline_mode_folder()

    @classmethod
    def import_offline_session(cls, session_folder_zip: str, upload: bool = True, finalize: bool = False) -> str:
        """Bring a dataset that was made offline (its folder or its archive) to the server; returns its id there.

        Args:
            upload: store its files too; otherwise they are to be added again. finalize: finish it.
        """
        from clearml_sdk.datasets.carrying import import_dataset

        made = cls._of(import_dataset(Session.default(), str(session_folder_zip)))
        if upload:
            made.upload()
        if finalize:
            made.finalize(auto_upload=upload)
        return made.id
