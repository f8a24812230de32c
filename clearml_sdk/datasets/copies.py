"""Local copies of a version: chunks are fetched and opened once, and shared by all versions that hold their files."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import threading
import time

from clearml_sdk.datasets import chunks, external
from clearml_sdk.datasets.hashing import default_workers, in_threads
from clearml_sdk.datasets.matching import check_all_inside, selector
from clearml_sdk.datasets.progress import counting
from clearml_sdk.datasets.stored import CACHE_CONTEXT, FINAL_STATUSES, StoredDataset
from clearml_sdk.errors import UsageError
from clearml_sdk.journal import locking
from clearml_sdk.storage import cache, transfer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from clearml_sdk.datasets.entries import FileEntry, LinkEntry


_copying = threading.RLock()
"""The locks on files keep processes apart, not threads."""


class CopyWish:
    """Which files of a version, and how.

    part, num_parts: the part of that number (from 0) out of so many, each with some of the chunks.
    files: paths, folders, wildcards; None: all. soft_links: link to the shared files instead of sharing their content.
    """

    def __init__(
        self,
        *,
        part: int | None = None,
        num_parts: int | None = None,
        files: Sequence[str] | None = None,
        soft_links: bool = False,
        workers: int | None = None,
    ) -> None:
        self.part, self.num_parts, self.files = part, num_parts, list(files) if files else None
        self.soft_links, self.workers = soft_links, workers


def local_copy(stored: StoredDataset, wish: CopyWish) -> str:
    """The folder of a copy that is only to be read, in the cache. Raises UsageError, StorageError, ArchiveError."""
    files, links, suffix = choose(stored, wish)
    base = os.path.join(cache.cache_folder(), CACHE_CONTEXT)
    os.makedirs(base, exist_ok=True)
    folder = os.path.join(base, f"ds_{stored.id}{suffix}")
    with _copying, locking.waiting(f"{folder}.part.lock"):
        if not _is_whole(folder, files, links):
            partial = f"{folder}.part"
            shutil.rmtree(partial, ignore_errors=True)
            os.makedirs(partial)
            _build(stored, partial, files, links, wish)
            shutil.rmtree(folder, ignore_errors=True)
            os.replace(partial, folder)
        os.utime(folder)
    cache.prune(CACHE_CONTEXT)
    return folder


def mutable_copy(stored: StoredDataset, target: str, wish: CopyWish, *, overwrite: bool) -> str:
    """Write the files into `target`, for its owner to change. Raises as `local_copy`.

    overwrite: what is in the folder goes first; otherwise UsageError when anything is.
    """
    folder = os.path.abspath(os.path.expanduser(target))
    if os.path.isdir(folder) and os.listdir(folder):
        if not overwrite:
            raise UsageError(
                f"{folder} is not empty: choose another folder, or overwrite=True to replace what it holds"
            )
    elif os.path.exists(folder) and not os.path.isdir(folder):
        raise UsageError(f"{folder} is a file")
    source = local_copy(stored, wish)
    if overwrite and os.path.isdir(folder):
        shutil.rmtree(folder)
    shutil.copytree(source, folder, dirs_exist_ok=True)
    return folder


def choose(stored: StoredDataset, wish: CopyWish) -> tuple[list[FileEntry], list[LinkEntry], str]:
    """(files, links, what their folder's name ends in). Raises UsageError for an unfinished version or a bad part."""
    status = stored.status()
    if status not in FINAL_STATUSES:
        raise UsageError(f"dataset {stored.id} is {status}: it has a local copy once it is finished, see finalize()")
    state = stored.state
    check_all_inside(state.paths())
    files, links, suffix = list(state.files.values()), list(state.links.values()), ""
    if wish.part is not None:
        every = state.chunk_names()
        parts = wish.num_parts or max(len(every), 1)
        if not 0 <= wish.part < parts:
            raise UsageError(f"part {wish.part} of {parts} is none: parts count from 0")
        mine = set(part_of(every, wish.part, parts))
        files = [entry for entry in files if (entry.parent_dataset_id, entry.artifact_name) in mine]
        links = links[wish.part :: parts]
        suffix += f"_{wish.part}_{parts}"
    if wish.files is not None:
        tests = [selector(pattern) for pattern in wish.files]
        files = [entry for entry in files if any(test(entry.relative_path) for test in tests)]
        links = [entry for entry in links if any(test(entry.relative_path) for test in tests)]
        suffix += f"_{hashlib.md5(chr(0).join(sorted(wish.files)).encode()).hexdigest()[:8]}"
    return files, links, suffix + ("_soft" if wish.soft_links else "")


def part_of(every: Sequence[tuple[str, str]], part: int, parts: int) -> list[tuple[str, str]]:
    """The chunks of one part: a run of neighbours, as many as each other, the first parts one more."""
    size, more = divmod(len(every), parts)
    start = part * size + min(part, more)
    return list(every[start : start + size + (1 if part < more else 0)])


def _is_whole(folder: str, files: Sequence[FileEntry], links: Sequence[LinkEntry]) -> bool:
    """Whether the copy is there, each file in its size: somebody may have written to it."""
    if not os.path.isdir(folder):
        return False
    sizes = [(one.relative_path, one.size) for one in files] + [(one.relative_path, one.size) for one in links]
    for path, size in sizes:
        try:
            if size is not None and os.stat(os.path.join(folder, path)).st_size != size:
                return False
        except OSError:
            return False
    return True


def _build(
    stored: StoredDataset, folder: str, files: Sequence[FileEntry], links: Sequence[LinkEntry], wish: CopyWish
) -> None:
    groups: dict[tuple[str, str], list[FileEntry]] = {}
    for entry in files:
        groups.setdefault((entry.parent_dataset_id, str(entry.artifact_name)), []).append(entry)
    for parent in {parent for parent, _ in groups} - {stored.id}:
        stored.parent(parent)  # read once, before there are threads

    def bring(group: tuple[str, str]) -> list[FileEntry]:
        shared = _opened_chunk(stored if group[0] == stored.id else stored.parent(group[0]), group[1])
        _share(shared, folder, groups[group], soft=wish.soft_links)
        return groups[group]

    def fetch(link: LinkEntry) -> None:
        path = os.path.join(folder, link.relative_path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        external.fetch(stored.session, link, path)

    workers = wish.workers or default_workers()
    with counting("copy", len(files) + len(links), "files") as progress:
        for done in in_threads(bring, sorted(groups), workers):
            if progress is not None:
                progress(len(done))
        for _ in in_threads(fetch, links, workers):
            if progress is not None:
                progress(1)


def _opened_chunk(owner: StoredDataset, name: str) -> str:
    """The folder with the files of a chunk, fetched and opened when it is not there. Its content is what was stored."""
    item = owner.data_artifacts().get(name)
    if item is None:
        raise UsageError(f"dataset {owner.id} has lost its chunk {name!r}: it cannot be copied")
    identity = str(item.get("hash") or hashlib.md5(str(item.get("uri")).encode()).hexdigest())[:24]
    folder = os.path.join(cache.cache_folder(), CACHE_CONTEXT, f"chunk_{identity}")
    with locking.waiting(f"{folder}.part.lock"):
        if os.path.isdir(folder):
            os.utime(folder)
            return folder
        partial, archive = f"{folder}.part", f"{folder}.zip.part"
        shutil.rmtree(partial, ignore_errors=True)
        os.makedirs(partial)
        found = transfer.download(owner.session, str(item["uri"]), archive)
        try:
            if item.get("hash") and found != item["hash"]:
                raise chunks.ArchiveError(f"{item['uri']} is not what dataset {owner.id} has stored: its hash differs")
            chunks.extract(archive, partial)
        finally:
            os.unlink(archive)
        os.replace(partial, folder)
        os.utime(folder, (time.time(), time.time()))
    return folder


def _share(shared: str, folder: str, entries: Sequence[FileEntry], *, soft: bool) -> None:
    """Put the files into the folder: as links, or as one content under two names, or as copies where neither can be."""
    made = set()
    for entry in entries:
        source, target = os.path.join(shared, entry.relative_path), os.path.join(folder, entry.relative_path)
        parent = os.path.dirname(target)
        if parent not in made:
            os.makedirs(parent, exist_ok=True)
            made.add(parent)
        try:
            size = os.stat(source).st_size
        except FileNotFoundError:
            size = None
        if size != entry.size:
            _discard(shared)
            raise chunks.ArchiveError(
                f"{entry.relative_path} in the cache is not what the dataset holds ({size} bytes, not {entry.size}): "
                "the cached chunk is removed, ask for the copy again"
            )
        if soft:
            os.symlink(source, target)
            continue
        try:
            os.link(source, target)
        except OSError:
            shutil.copy2(source, target)  # another file system, or one without hard links


def _discard(folder: str) -> None:
    """Remove a chunk that somebody wrote to. It is renamed first: half of it must not be taken for all."""
    gone = f"{folder}.{os.getpid()}.part"
    with contextlib.suppress(OSError):
        os.replace(folder, gone)
        shutil.rmtree(gone, ignore_errors=True)
