"""Changing what a version holds: files added, removed, and brought in step with a folder."""

from __future__ import annotations

import os

from clearml_sdk.datasets.entries import FileEntry
from clearml_sdk.datasets.hashing import hash_files
from clearml_sdk.datasets.matching import check_all_inside, folder_prefix, selector
from clearml_sdk.datasets.progress import counting
from clearml_sdk.datasets.scanning import scan
from clearml_sdk.datasets.stored import StoredDataset
from clearml_sdk.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clearml_sdk.datasets.hashing import LocalFile

    Say = Callable[[str], object]


class SyncCounts:
    """What bringing a dataset in step with a folder did to its files."""

    def __init__(self, removed: int, added: int, modified: int) -> None:
        self.removed, self.added, self.modified = removed, added, modified


def add_files(
    stored: StoredDataset,
    path: str | os.PathLike[str],
    *,
    wildcard: str | Sequence[str] | None = None,
    base: str | os.PathLike[str] | None = None,
    dataset_path: str | None = None,
    recursive: bool = True,
    workers: int | None = None,
    say: Say | None = None,
) -> int:
    """Add a file or a folder; returns how many paths this version has that those it stands on have not.

    What is there already, or in a version that this one stands on, with the same content, is not stored again.
    """
    stored.check_open()
    found = scan(path, wildcard=wildcard, base=base, recursive=recursive)
    inherited = _inherited(stored)
    entries = _entries(stored, found, folder_prefix(dataset_path), workers)
    count = 0
    for entry in entries:
        change = _put(stored, entry, inherited)
        if entry.relative_path not in inherited:
            count += 1
        if change and say is not None:
            say(f"{change} {entry.relative_path}")
    return count


def remove_files(stored: StoredDataset, pattern: str | None, *, recursive: bool = True, say: Say | None = None) -> int:
    """Remove what `pattern` means: a path, a folder, wildcards, or the URL of a link; None: all.

    Returns how many.
    """
    stored.check_open()
    if pattern == "":
        return 0
    meant = selector(pattern, recursive=recursive)
    state = stored.state
    gone = [path for path in state.files if meant(path)]
    gone += [path for path, link in state.links.items() if meant(path) or link.link == pattern]
    for path in gone:
        state.files.pop(path, None)
        state.links.pop(path, None)
        if say is not None:
            say(f"Remove {path}")
    return len(gone)


def sync_folder(
    stored: StoredDataset,
    folder: str | os.PathLike[str],
    *,
    dataset_path: str | None = None,
    workers: int | None = None,
    say: Say | None = None,
) -> SyncCounts:
    """Have the dataset (or what is under `dataset_path`) hold just what the folder holds."""
    stored.check_open()
    local = os.path.abspath(os.path.expanduser(os.fspath(folder)))
    if not os.path.isdir(local):
        raise UsageError(f"there is no folder {local}")
    prefix = folder_prefix(dataset_path)
    before = stored.state.fingerprints()
    entries = _entries(stored, scan(local), prefix, workers)
    inherited = _inherited(stored)
    added = modified = 0
    for entry in entries:
        path = entry.relative_path
        is_new = path not in before
        change = _put(stored, entry, inherited)
        added += is_new
        modified += bool(change) and not is_new
        if change and say is not None:
            say(f"{change} {path}")
    kept = {entry.relative_path for entry in entries}
    gone = [path for path in stored.state.paths() if path.startswith(prefix) and path not in kept]
    for path in gone:
        stored.state.files.pop(path, None)
        stored.state.links.pop(path, None)
        if say is not None:
            say(f"Remove {path}")
    return SyncCounts(len(gone), added, modified)


def _inherited(stored: StoredDataset) -> dict[str, FileEntry]:
    """The stored files of the versions that this one directly stands on, by path."""
    found: dict[str, FileEntry] = {}
    for parent in stored.state.parents:
        found.update(stored.parent(parent).state.files)
    return found


def _entries(stored: StoredDataset, files: list[LocalFile], prefix: str, workers: int | None) -> list[FileEntry]:
    check_all_inside(prefix + file.relative for file in files)
    with counting("hash", len(files), "files") as progress:
        hashes = hash_files(files, workers=workers, progress=progress)
    return [
        FileEntry(prefix + file.relative, digest, stored.id, file.size, None, file.path)
        for file, digest in zip(files, hashes, strict=True)
    ]


def _put(stored: StoredDataset, entry: FileEntry, inherited: dict[str, FileEntry]) -> str:
    """Take a file in; what has changed: "Add", "Modify", or nothing."""
    state, path = stored.state, entry.relative_path
    present = state.files.get(path)
    known = next((one for one in (present, inherited.get(path)) if one is not None and _same(one, entry)), None)
    if known is None:
        state.put(entry)
    elif known.parent_dataset_id == stored.id and not known.artifact_name:
        known.local_path = entry.local_path  # the file to upload may lie elsewhere now
    elif known is not present:
        state.put(known)
    if known is not None and known is present:
        return ""
    return "Modify" if present is not None else "Add"


def _same(one: FileEntry, other: FileEntry) -> bool:
    return one.hash == other.hash and one.size == other.size
