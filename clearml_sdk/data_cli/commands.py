"""What each command does: a call of `Dataset`, told in words or as JSON."""

from __future__ import annotations

import contextlib
import os
import sys

from clearml_sdk.data_cli import current
from clearml_sdk.data_cli.tables import print_json, table
from clearml_sdk.datasets.dataset import Dataset
from clearml_sdk.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from typing import Any


@contextlib.contextmanager
def _told(given: argparse.Namespace, text: str = "") -> Iterator[dict[str, Any]]:
    """With `--json` what is yielded is printed at the end, and all other words go to standard error."""
    outcome: dict[str, Any] = {}
    if not given.json:
        if text:
            print(text)
        yield outcome
        return
    with contextlib.redirect_stdout(sys.stderr):
        yield outcome
    print_json(outcome)


def _dataset(given: argparse.Namespace) -> Dataset:
    return Dataset.get(dataset_id=current.chosen(given.id))


def _create(given: argparse.Namespace) -> Dataset:
    made = Dataset.create(
        dataset_name=given.name,
        dataset_project=given.project,
        dataset_tags=given.tags,
        parent_datasets=given.parents,
        dataset_version=given.version,
        output_uri=given.output_uri or given.storage,
    )
    current.write(made.id)
    print(f"New dataset created id={made.id}")
    return made


def create(given: argparse.Namespace) -> None:
    with _told(given, "Creating a new dataset:") as outcome:
        made = _create(given)
        outcome.update(id=made.id, project=made.project, name=made.name, version=made.version)


def add(given: argparse.Namespace) -> None:
    if not given.files and not given.links:
        raise UsageError("what is to be added? Give --files or --links")
    with _told(given) as outcome:
        found = _dataset(given)
        print(f"Adding files/folder/links to dataset id {found.id}")
        wildcard = given.wildcard or None
        count = 0
        for path in given.files or ():
            count += found.add_files(
                path,
                wildcard=wildcard,
                dataset_path=given.dataset_folder,
                recursive=not given.non_recursive,
                verbose=given.verbose,
                max_workers=given.max_workers,
            )
        for url in given.links or ():
            count += found.add_external_files(
                url,
                wildcard=wildcard,
                dataset_path=given.dataset_folder,
                recursive=not given.non_recursive,
                verbose=given.verbose,
                max_workers=given.max_workers,
            )
        print(f"{_files(count)} added")
        outcome.update(id=found.id, added=count)


def remove(given: argparse.Namespace) -> None:
    if not given.files:
        raise UsageError("what is to be removed? Give --files")
    with _told(given) as outcome:
        found = _dataset(given)
        print(f"Removing files/folder from dataset id {found.id}")
        count = sum(
            found.remove_files(pattern, recursive=not given.non_recursive, verbose=given.verbose)
            for pattern in given.files
        )
        print(f"{_files(count)} removed")
        outcome.update(id=found.id, removed=count)


def set_description(given: argparse.Namespace) -> None:
    with _told(given) as outcome:
        found = _dataset(given)
        found.set_description(given.description)
        print(f"Description of dataset id {found.id} is set")
        outcome.update(id=found.id, description=given.description)


def sync(given: argparse.Namespace) -> None:
    folder = os.path.abspath(os.path.expanduser(given.folder))
    if not os.path.isdir(folder):
        raise UsageError(f"there is no folder {folder}")  # before a version is made for it
    with _told(given) as outcome:
        found = _create(given) if given.name or given.parents else _dataset(given)
        print(f"Syncing dataset id {found.id} to local folder {given.folder}")
        removed, added, modified = found.sync_folder(
            given.folder, dataset_path=given.dataset_folder, verbose=given.verbose
        )
        print(f"Sync completed: {removed} files removed, {added} added, {modified} modified")
        outcome.update(id=found.id, removed=removed, added=added, modified=modified, closed=False)
        if given.skip_close:
            return
        _close(found, given)
        outcome["closed"] = True


def upload(given: argparse.Namespace) -> None:
    with _told(given) as outcome:
        found = _dataset(given)
        print(f"uploading local files to dataset id {found.id}")
        _upload(found, given)
        print("Dataset upload completed")
        outcome.update(id=found.id, chunks=found.get_num_chunks(include_parents=False))


def close(given: argparse.Namespace) -> None:
    with _told(given) as outcome:
        found = _dataset(given)
        print(f"Finalizing dataset id {found.id}")
        if given.disable_upload and found.is_dirty():
            raise UsageError(f"dataset {found.id} has files that are not uploaded, and --disable-upload is given")
        _close(found, given)
        outcome.update(id=found.id, closed=True)


def _upload(found: Dataset, given: argparse.Namespace) -> None:
    found.upload(
        verbose=given.verbose,
        output_url=given.storage or getattr(given, "output_uri", None),
        chunk_size=given.chunk_size,
        max_workers=getattr(given, "max_workers", None),
    )


def _close(found: Dataset, given: argparse.Namespace) -> None:
    if found.is_dirty():
        print(f"Pending uploads, starting dataset upload to {given.storage or found.get_default_storage()}")
        _upload(found, given)
    found.finalize(verbose=given.verbose)
    current.forget(found.id)
    print("Dataset closed and finalized")


def publish(given: argparse.Namespace) -> None:
    with _told(given, f"Publishing dataset id {given.id}") as outcome:
        outcome.update(id=given.id, published=Dataset.get(dataset_id=given.id).publish())
        print("Dataset published")


def delete(given: argparse.Namespace) -> None:
    what = f"id {given.id}" if given.id else f"with project={given.project}, name={given.name}, version={given.version}"
    with _told(given, f"Deleting dataset {what}") as outcome:
        Dataset.delete(
            dataset_id=given.id,
            dataset_project=given.project,
            dataset_name=given.name,
            force=given.force,
            dataset_version=given.version,
            entire_dataset=given.entire_dataset,
        )
        if given.id:
            current.forget(given.id)
        print("Dataset(s) deleted")
        outcome.update(deleted=True)


def rename(given: argparse.Namespace) -> None:
    text = f"Renaming dataset with project={given.project}, name={given.name} to {given.new_name}"
    with _told(given, text) as outcome:
        Dataset.rename(given.new_name, given.project, given.name)
        print("Dataset(s) renamed")
        outcome.update(project=given.project, name=given.new_name)


def move(given: argparse.Namespace) -> None:
    text = f"Moving dataset with project={given.project}, name={given.name} to {given.new_project}"
    with _told(given, text) as outcome:
        Dataset.move_to_project(given.new_project, given.project, given.name)
        print("Dataset(s) moved")
        outcome.update(project=given.new_project, name=given.name)


def squash(given: argparse.Namespace) -> None:
    text = f"Squashing datasets ids={given.ids} into target dataset named {given.name!r}"
    with _told(given, text) as outcome:
        made = Dataset.squash(given.name, dataset_ids=given.ids, output_url=given.storage)
        print(f"Squashing completed, new dataset created id={made.id}")
        outcome.update(id=made.id, project=made.project, name=made.name, version=made.version)


def compare(given: argparse.Namespace) -> None:
    text = f"Comparing target dataset id {given.target} with source dataset id {given.source}"
    with _told(given, text) as outcome:
        target = Dataset.get(dataset_id=given.target)
        changes = {
            "removed": target.list_removed_files(given.source),
            "modified": target.list_modified_files(given.source),
            "added": target.list_added_files(given.source),
        }
        outcome.update(source=given.source, target=given.target, **changes)
        if given.verbose:
            for kind, paths in changes.items():
                print("\n".join([f"{kind.capitalize()} files:", *paths, ""]))
        counts = ", ".join(f"{len(paths)} files {kind}" for kind, paths in changes.items())
        print(f"Comparison summary: {counts}")


def search(given: argparse.Namespace) -> None:
    with _told(given, "Search datasets") as outcome:
        found = Dataset.list_datasets(
            dataset_project=given.project,
            partial_name=given.name,
            tags=given.tags,
            ids=given.ids,
            only_completed=not given.not_only_completed,
            recursive_project_search=not given.non_recursive_project_search,
        )
        outcome["datasets"] = found
        rows = [
            [d["project"], d["name"], d["version"], ", ".join(d["tags"]), f"{d['created']:%Y-%m-%d %H:%M:%S}", d["id"]]
            for d in found
        ]
        print(table(["project", "name", "version", "tags", "created", "id"], rows))


def list_files(given: argparse.Namespace) -> None:
    with _told(given) as outcome:
        if given.project or given.name:
            found = Dataset.get(dataset_project=given.project, dataset_name=given.name, dataset_version=given.version)
        else:
            found = _dataset(given)
        print(f"List dataset content: {found.id}")
        only = found.id if given.modified else None
        paths = sorted({p for one in given.filter or [None] for p in found.list_files(one, dataset_id=only)})
        facts: dict[str, tuple[int, str | None]] = {
            path: (one.size, one.hash) for path, one in found.file_entries_dict.items()
        }
        facts.update({path: (one.size, one.hash) for path, one in found.link_entries_dict.items()})
        rows = [(path, *facts[path]) for path in paths]
        print(table(["file name", "size", "hash"], rows, right=frozenset({"size"})))
        size = sum(row[1] or 0 for row in rows)
        print(f"Total {_files(len(rows))}, {size} bytes")
        outcome.update(
            id=found.id,
            files=[{"path": path, "size": size, "hash": digest} for path, size, digest in rows],
            total_size=size,
        )


def get(given: argparse.Namespace) -> None:
    if given.copy and given.link:
        raise UsageError("--copy makes files, --link a link: give one of them")
    with _told(given) as outcome:
        found = _dataset(given)
        print(f"Download dataset id {found.id}")
        parts = {"part": given.part, "num_parts": given.num_parts, "max_workers": given.max_workers}
        if given.copy:
            folder = found.get_mutable_local_copy(given.copy, overwrite=given.overwrite, **parts)
        else:
            folder = found.get_local_copy(**parts)
        if given.link:
            folder = _link(str(folder), given.link, overwrite=given.overwrite)
        print(f"Dataset local copy available for files at: {folder}")
        outcome.update(id=found.id, path=folder)


def _link(folder: str, path: str, *, overwrite: bool) -> str:
    place = os.path.abspath(os.path.expanduser(path))
    if os.path.islink(place) and (overwrite or os.readlink(place) == folder):
        os.unlink(place)
    if os.path.lexists(place):
        raise UsageError(f"{place} is there already: choose another place, or --overwrite to replace a link")
    os.makedirs(os.path.dirname(place), exist_ok=True)
    os.symlink(folder, place, target_is_directory=True)
    return place


def verify(given: argparse.Namespace) -> int:
    with _told(given) as outcome:
        found = _dataset(given)
        print(f"Verify dataset id {found.id}")
        wrong = found.verify_dataset_hash(given.folder, skip_hash=given.filesize, verbose=given.verbose)
        outcome.update(id=found.id, wrong=wrong)
        if wrong:
            print(f"{_files(len(wrong))} missing or different: {', '.join(wrong[:10])}{' ...' if wrong[10:] else ''}")
        else:
            print("Dataset verification completed successfully, no errors found.")
    return 1 if wrong else 0


def _files(count: int) -> str:
    return f"{count} file{'' if count == 1 else 's'}"
