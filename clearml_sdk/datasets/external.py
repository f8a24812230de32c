"""Files that stay where they are: links to them by URL."""

from __future__ import annotations

import os

from clearml_sdk.datasets.entries import LinkEntry
from clearml_sdk.datasets.hashing import in_threads
from clearml_sdk.datasets.matching import check_inside, folder_prefix, wanted_names
from clearml_sdk.datasets.stored import StoredDataset
from clearml_sdk.errors import UsageError
from clearml_sdk.notices import warn_once
from clearml_sdk.session import Session
from clearml_sdk.storage import cache, transfer, urls
from clearml_sdk.storage.errors import StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Say = Callable[[str], object]

TAG = "external files"
"""A version with links is marked with it."""


class Found:
    """A file at a URL. relative: its path in the dataset; size: None when nobody says."""

    def __init__(self, url: str, relative: str, size: int | None) -> None:
        self.url, self.relative, self.size = url, relative, size


def add_external_files(
    stored: StoredDataset,
    sources: Sequence[str],
    *,
    wildcard: str | Sequence[str] | None = None,
    dataset_paths: Sequence[str | None] = (None,),
    recursive: bool = True,
    workers: int | None = None,
    read_hash: bool = False,
    say: Say | None = None,
) -> int:
    """Add links to the files at URLs, folders with all that is in them; returns how many are new.

    dataset_paths: one for each source, or one for all. read_hash: read the files, to know their content.

    A source where nothing is found is a warning.
    """
    stored.check_open()
    if len(dataset_paths) == 1:
        dataset_paths = list(dataset_paths) * len(sources)
    if len(dataset_paths) != len(sources):
        raise UsageError(f"there are {len(sources)} source_url and {len(dataset_paths)} dataset_path: one for each")
    count = 0
    for source, dataset_path in zip(sources, dataset_paths, strict=True):
        try:
            found = find(stored.session, source, folder_prefix(dataset_path), wildcard, recursive=recursive)
        except StorageError as error:
            warn_once(f"external {source}", f"nothing is added of {source}: {error}")
            continue
        hashes = list(in_threads(lambda one: _hash(stored.session, one), found, workers)) if read_hash else None
        for position, one in enumerate(found):
            digest = hashes[position] if hashes is not None else None
            count += _put(stored, one, digest, say)
    if count:
        tags = stored.record.get("tags") or []
        if TAG not in tags:
            stored.record.edit(tags=[*tags, TAG])
    return count


def find(
    session: Session, source: str, prefix: str, wildcard: str | Sequence[str] | None, *, recursive: bool
) -> list[Found]:
    """The files that a URL means: one, or those of a folder (that match). Raises StorageError when there are none."""
    url = _as_url(source)
    size = _size(session, url)
    if size is not None:
        return [Found(url, check_inside(prefix + urls.file_name(url)), size if size >= 0 else None)]
    wanted = wanted_names(wildcard)
    base = url.rstrip("/")
    found = [
        Found(f"{base}/{relative}", check_inside(prefix + relative), length)
        for relative, length in transfer.listing(base)
        if wanted(relative) and (recursive or "/" not in relative)
    ]
    if not found:
        raise StorageError(url, "there is no file")
    return found


def fetch(session: Session, link: LinkEntry, path: str) -> None:
    """Copy a linked file to `path`. Raises StorageError, ValueError when it is not the file that was linked."""
    digest = transfer.download(session, link.link, path)
    if link.hash and digest != link.hash:
        os.unlink(path)
        raise ValueError(f"{link.link} has changed since it was added to the dataset")


def _put(stored: StoredDataset, one: Found, digest: str | None, say: Say | None) -> int:
    state = stored.state
    present = state.links.get(one.relative)
    if present is not None and present.link == one.url and present.size == one.size and present.hash == digest:
        return 0
    is_new = one.relative not in state.links and one.relative not in state.files
    state.put(LinkEntry(one.url, one.relative, stored.id, one.size, digest))  # type: ignore[arg-type]  # None: unknown
    if say is not None:
        say(f"{'Add' if is_new else 'Modify'} external file {one.url}")
    return int(is_new)


def _as_url(source: str) -> str:
    """The URL as it is recorded: of a path of this machine a `file://` one."""
    if urls.is_url(source):
        return source
    return f"file://{os.path.abspath(os.path.expanduser(source))}"


def _size(session: Session, url: str) -> int | None:
    if urls.scheme_of(url) == "file" and os.path.isdir(urls.local_path(url)):
        return None
    try:
        return transfer.size(session, url)
    except StorageError:
        if urls.scheme_of(url) in ("http", "https"):
            raise
        return None  # a prefix of object storage is no file


def _hash(session: Session, one: Found) -> str:
    return transfer.sha256(cache.local_copy(session, one.url, context="global"))
