"""The files of a folder on this machine, as they are added to a dataset."""

from __future__ import annotations

import os

from clearml_sdk.datasets.hashing import LocalFile
from clearml_sdk.datasets.matching import wanted_names
from clearml_sdk.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def scan(
    path: str | os.PathLike[str],
    *,
    wildcard: str | Sequence[str] | None = None,
    base: str | os.PathLike[str] | None = None,
    recursive: bool = True,
) -> list[LocalFile]:
    """The file at `path`, or the files of the folder there (that match), in order.

    A link to a file counts as the file; a link to a folder, a broken one and what is no regular file do not count.

    base: the folder that relative paths are below; None: the folder itself, for a single file its own.

    Raises ValueError when there is nothing at `path`, or it is not below `base`.
    """
    start = os.path.abspath(os.path.expanduser(os.fspath(path)))
    if os.path.isfile(start):
        root = os.path.dirname(start)
        found = [LocalFile(start, os.path.basename(start), os.stat(start))]
    elif os.path.isdir(start):
        root = start
        wanted = wanted_names(wildcard)
        found = sorted(
            (file for file in _walk(start, "", recursive) if wanted(file.relative)), key=lambda file: file.relative
        )
    else:
        raise UsageError(f"there is no file or folder {start}")
    if base is not None:
        folder = os.path.abspath(os.path.expanduser(os.fspath(base)))
        below = os.path.relpath(root, folder).replace(os.sep, "/")
        if below.split("/")[0] == "..":
            raise UsageError(f"{start} is not below local_base_folder {folder}")
        for file in found:
            file.relative = file.relative if below == "." else f"{below}/{file.relative}"
    return found


def _walk(folder: str, prefix: str, recursive: bool) -> Iterator[LocalFile]:
    below = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                below.append(entry)
            elif entry.is_file():
                yield LocalFile(entry.path, prefix + entry.name, entry.stat())
    if recursive:
        for entry in below:
            yield from _walk(entry.path, f"{prefix}{entry.name}/", recursive)
