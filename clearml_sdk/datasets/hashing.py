"""Hashes of many files: in threads, and only of those that changed since they were last read."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from clearml_sdk.notices import warn_once
from clearml_sdk.storage import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    Progress = Callable[[int], object]

Given = TypeVar("Given")
Got = TypeVar("Got")

BLOCK_BYTES = 4 << 20
SHARE = 256
"""Files that a thread takes at a time."""
SETTLED_NS = 2_000_000_000
"""A file changed within this time is hashed again: it may change once more without its time showing it."""
KEPT = 2_000_000


class LocalFile:
    """A file on this machine. path: absolute; relative: with `/`, below what is added; facts: by which it is known."""

    __slots__ = ("facts", "path", "relative", "size")

    def __init__(self, path: str, relative: str, found: os.stat_result) -> None:
        self.path, self.relative, self.size = path, relative, found.st_size
        self.facts = f"{found.st_size}:{found.st_mtime_ns}:{found.st_ctime_ns}:{found.st_ino}"


def sha256_of(path: str) -> str:
    """The hash of a file's content. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0))
    try:
        digest = hashlib.sha256()
        while block := os.read(descriptor, BLOCK_BYTES):
            digest.update(block)
            if len(block) < BLOCK_BYTES:
                break  # the end, for a regular file
        return digest.hexdigest()
    finally:
        os.close(descriptor)


def hash_files(
    files: Sequence[LocalFile], *, workers: int | None = None, progress: Progress | None = None, trusting: bool = True
) -> list[str]:
    """The sha256 of each file, in their order. Raises OSError.

    trusting: take the hash of a file that is as it was when it was last read, by size, times and inode.
    """
    known = _Known.open() if trusting else None
    hashes: list[str] = [""] * len(files)
    if known is not None:
        before = known.read(files)
        for index, file in enumerate(files):
            facts, digest = before.get(file.path, ("", ""))
            if facts == file.facts:
                hashes[index] = digest
    left = [index for index, digest in enumerate(hashes) if not digest]
    if progress is not None and len(left) < len(files):
        progress(len(files) - len(left))
    shares = [left[start : start + SHARE] for start in range(0, len(left), SHARE)]

    def work(share: list[int]) -> None:
        for index in share:
            hashes[index] = sha256_of(files[index].path)
        if progress is not None:
            progress(len(share))

    for _ in in_threads(work, shares, workers):
        pass
    if known is not None:
        known.write((files[index], hashes[index]) for index in left)
        known.close()
    return hashes


def in_threads(work: Callable[[Given], Got], items: Iterable[Given], workers: int | None = None) -> Iterator[Got]:
    """The results of `work`, in the order of `items`; what one raises is raised, and what has not begun is dropped."""
    with ThreadPoolExecutor(max_workers=workers or default_workers(), thread_name_prefix="clearml-dataset") as pool:
        jobs = [pool.submit(work, item) for item in items]
        try:
            for job in jobs:
                yield job.result()
        finally:
            for job in jobs:
                job.cancel()


def default_workers() -> int:
    """As many threads as this process may use processors."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Known:
    """What files held when they were last read; a loss of it costs time only."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    def open(cls) -> _Known | None:
        """None where it cannot be kept."""
        folder = os.path.join(cache.cache_folder(), "hashes")
        path = os.path.join(folder, "files.sqlite3")
        try:
            os.makedirs(folder, exist_ok=True)
            connection = sqlite3.connect(path, timeout=10, isolation_level=None)
            connection.execute("pragma synchronous = off")
            connection.execute(
                "create table if not exists files (path text primary key, facts text, hash text) without rowid"
            )
        except (sqlite3.Error, OSError) as error:
            warn_once("hashes", f"hashes of files are not remembered ({error}): remove {path} when it is broken")
            with contextlib.suppress(OSError):
                os.unlink(path)
            return None
        return cls(connection)

    def read(self, files: Sequence[LocalFile]) -> dict[str, tuple[str, str]]:
        """(facts, hash) by path, of the files' folders."""
        if not files:
            return {}
        base = os.path.commonpath([file.path for file in files]) if len(files) > 1 else files[0].path
        rows = self._run(
            "select path, facts, hash from files where path >= ? and path < ?", (base, base + "\U0010ffff")
        )
        return {path: (facts, digest) for path, facts, digest in rows}

    def write(self, found: Iterable[tuple[LocalFile, str]]) -> None:
        now = time.time_ns()
        rows = [(f.path, f.facts, digest) for f, digest in found if now - _changed_ns(f) > SETTLED_NS]
        rows = [row for row in rows if row[0].isprintable()]
        if not rows:
            return
        self._run("begin immediate", ())
        try:
            self._connection.executemany("insert or replace into files values (?, ?, ?)", rows)
            ((count,),) = self._connection.execute("select count(*) from files").fetchall()
            if count > KEPT:
                self._connection.execute("delete from files")
            self._connection.execute("commit")
        except sqlite3.Error as error:
            warn_once("hashes", f"hashes of files are not remembered: {error}")
            self._run("rollback", ())

    def close(self) -> None:
        self._connection.close()

    def _run(self, statement: str, values: tuple[str, ...]) -> list[tuple[str, str, str]]:
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            warn_once("hashes", f"hashes of files are not remembered: {error}")
            return []


def _changed_ns(file: LocalFile) -> int:
    _, modified, changed, _ = file.facts.split(":")
    return max(int(modified), int(changed))
