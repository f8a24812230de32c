"""Whether files on this machine are those of a version."""

from __future__ import annotations

import os

from clearml_sdk.datasets.copies import CopyWish, local_copy
from clearml_sdk.datasets.hashing import LocalFile, hash_files
from clearml_sdk.datasets.progress import counting
from clearml_sdk.datasets.stored import StoredDataset
from clearml_sdk.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from clearml_sdk.datasets.entries import FileEntry


def verify(
    stored: StoredDataset,
    folder: str | None,
    *,
    sizes_only: bool = False,
    say: Callable[[str], object] | None = None,
) -> list[str]:
    """The paths of stored files that are missing in `folder` (None: the local copy) or have another content there.

    Every file is read again, whatever is remembered of it. sizes_only: their sizes are compared, no file is read.
    """
    base = os.path.abspath(os.path.expanduser(folder)) if folder else local_copy(stored, CopyWish())
    if not os.path.isdir(base):
        raise UsageError(f"there is no folder {base}")
    wrong: list[str] = []
    found: list[tuple[FileEntry, LocalFile]] = []
    tell = say or (lambda text: None)
    for entry in sorted(stored.state.files.values(), key=lambda one: one.relative_path):
        path = os.path.join(base, entry.relative_path)
        try:
            local = LocalFile(path, entry.relative_path, os.stat(path))
        except OSError as error:
            tell(f"Error: {entry.relative_path}: {error.strerror}")
            wrong.append(entry.relative_path)
            continue
        if local.size != entry.size:
            tell(f"Error: file size mismatch {entry.relative_path} expected {entry.size} found {local.size}")
            wrong.append(entry.relative_path)
        else:
            found.append((entry, local))
    if not sizes_only:
        with counting("verify", len(found), "files") as progress:
            hashes = hash_files([local for _, local in found], progress=progress, trusting=False)
        for (entry, _), digest in zip(found, hashes, strict=True):
            if digest != entry.hash:
                tell(f"Error: hash mismatch {entry.relative_path} expected {entry.hash} found {digest}")
                wrong.append(entry.relative_path)
    return sorted(wrong)
