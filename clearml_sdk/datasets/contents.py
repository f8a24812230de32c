"""`Dataset`: the files of a version - listed, added, removed, compared."""

from __future__ import annotations

import os

from clearml_sdk.datasets import adding, external, recipe
from clearml_sdk.datasets.base import DatasetBase
from clearml_sdk.datasets.state import ancestry
from clearml_sdk.notices import announce

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from clearml_sdk.datasets.entries import FileEntry, LinkEntry
    from clearml_sdk.datasets.state import Changes


class DatasetContents(DatasetBase):
    """What a version holds."""

    @property
    def file_entries(self) -> list[FileEntry]:
        """The stored files."""
        return list(self._stored.state.files.values())

    @property
    def file_entries_dict(self) -> Mapping[str, FileEntry]:
        """The stored files by path."""
        return dict(self._stored.state.files)

    @property
    def link_entries(self) -> list[LinkEntry]:
        """The linked files."""
        return list(self._stored.state.links.values())

    @property
    def link_entries_dict(self) -> Mapping[str, LinkEntry]:
        """The linked files by path."""
        return dict(self._stored.state.links)

    def list_files(
        self, dataset_path: str | None = None, recursive: bool = True, dataset_id: str | None = None
    ) -> list[str]:
        """The paths of all files (that `dataset_path` means), in order.

        Args:
            dataset_path: a path, a folder, or wildcards; without `recursive` a `*` does not stand for a slash.
            dataset_id: only what this version brought.
        """
        from clearml_sdk.datasets.matching import selector

        meant = selector(dataset_path, recursive=recursive)
        entries = self._stored.state.entries()
        return sorted(
            entry.relative_path
            for entry in entries
            if meant(entry.relative_path) and dataset_id in (None, entry.parent_dataset_id)
        )

    def list_added_files(self, dataset_id: str | None = None) -> list[str]:
        """Paths that this version has and `dataset_id` (None: what it stands on) has not."""
        return self._changes(dataset_id).added

    def list_modified_files(self, dataset_id: str | None = None) -> list[str]:
        """Paths whose content is another than in `dataset_id` (None: what it stands on)."""
        return self._changes(dataset_id).modified

    def list_removed_files(self, dataset_id: str | None = None) -> list[str]:
        """Paths that `dataset_id` (None: what it stands on) has and this version has not."""
        return self._changes(dataset_id).removed

    def get_dependency_graph(self) -> dict[str, list[str]]:
        """The parents of each version that this one stands on, itself included."""
        return {version: list(parents) for version, parents in self._stored.state.graph.items()}

    def get_num_chunks(self, include_parents: bool = True) -> int:
        """How many archives it is stored in."""
        state, stored = self._stored.state, self._stored
        if not include_parents:
            return len(stored.data_artifacts())
        return len(stored.data_artifacts()) + sum(
            state.chunks[one] if one in state.chunks else len(stored.parent(one).data_artifacts())
            for one in ancestry(state.graph, self.id)
            if one != self.id
        )

    # Changing what it holds.

    def add_files(
        self,
        path: str | Path,
        wildcard: str | Sequence[str] | None = None,
        local_base_folder: str | None = None,
        dataset_path: str | None = None,
        recursive: bool = True,
        verbose: bool = False,
        max_workers: int | None = None,
    ) -> int:
        """Add a file, or the files of a folder; returns how many are new.

        Args:
            wildcard: one or several, for the names of files in a folder.
            local_base_folder: paths in the dataset are below this folder; None: below the folder that is added.
            dataset_path: the folder in the dataset; None: its root.
            verbose: print each.
        """
        count = adding.add_files(
            self._stored,
            path,
            wildcard=wildcard,
            base=local_base_folder,
            dataset_path=dataset_path,
            recursive=recursive,
            workers=max_workers,
            say=announce if verbose else None,
        )
        self._keep(
            "add_files",
            path=os.path.abspath(os.path.expanduser(path)),
            wildcard=wildcard,
            local_base_folder=local_base_folder,
            dataset_path=dataset_path,
            recursive=recursive,
        )
        return count

    def add_external_files(
        self,
        source_url: str | Sequence[str],
        wildcard: str | Sequence[str] | None = None,
        dataset_path: str | Sequence[str] | None = None,
        recursive: bool = True,
        verbose: bool = False,
        max_workers: int | None = None,
        read_hash: bool = False,
    ) -> int:
        """Link to files that stay where they are (`file://`, `http(s)://`, `s3://`, `gs://`, `azure://`); how many.

        Args:
            source_url: files or folders. A folder cannot be listed over http.
            dataset_path: the folder in the dataset, or one for each source.
            read_hash: read the files, so that it shows when one changes.
        """
        sources = [source_url] if isinstance(source_url, str) else list(source_url)
        paths = [dataset_path] if dataset_path is None or isinstance(dataset_path, str) else list(dataset_path)
        count = external.add_external_files(
            self._stored,
            sources,
            wildcard=wildcard,
            dataset_paths=paths,
            recursive=recursive,
            workers=max_workers,
            read_hash=read_hash,
            say=announce if verbose else None,
        )
        self._keep(
            "add_external_files",
            source_url=source_url,
            wildcard=wildcard,
            dataset_path=dataset_path,
            recursive=recursive,
        )
        return count

    def remove_files(self, dataset_path: str | None = None, recursive: bool = True, verbose: bool = False) -> int:
        """Remove what `dataset_path` means: a path, a folder, wildcards, or a link's URL; None: all. How many."""
        count = adding.remove_files(self._stored, dataset_path, recursive=recursive, say=announce if verbose else None)
        self._keep("remove_files", dataset_path=dataset_path, recursive=recursive)
        return count

    def sync_folder(
        self, local_path: str | Path, dataset_path: str | Path | None = None, verbose: bool = False
    ) -> tuple[int, int, int]:
        """Have the dataset (or its folder `dataset_path`) hold just what a folder holds: (removed, added, modified)."""
        counts = adding.sync_folder(
            self._stored,
            local_path,
            dataset_path=os.fspath(dataset_path) if dataset_path is not None else None,
            say=announce if verbose else None,
        )
        self._keep("sync_folder", local_path=os.path.abspath(os.path.expanduser(local_path)), dataset_path=dataset_path)
        return counts.removed, counts.added, counts.modified

    def update_changed_files(
        self,
        num_files_added: int | None = None,
        num_files_modified: int | None = None,
        num_files_removed: int | None = None,
    ) -> None:
        """Add to the counts of changes that lists of datasets show."""
        given = {"add": num_files_added, "modify": num_files_modified, "remove": num_files_removed}
        record = self._stored.record
        before = record.read_fields("runtime").get("runtime") or {}
        update = {f"ds_change_{k}": int(before.get(f"ds_change_{k}") or 0) + n for k, n in given.items() if n}
        if update:
            record.change("runtime", update)

    def _changes(self, dataset_id: str | None) -> Changes:
        if dataset_id is None:
            return self._stored.changes()
        return self._stored.state.changes_since([self._stored.parent(dataset_id).state])

    def _keep(self, method: str, **given: Any) -> None:
        """Store the state after a change, with the call that made it."""
        self._stored.save()
        recipe.append(self._stored.record, method, **given)
