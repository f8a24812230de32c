"""Where segments lie: a directory, or any URL that fsspec knows (s3://, gs://, abfs://, memory:// ...).

    files = open_files("/var/lib/clearml/segments")          # or "s3://bucket/segments"
    await files.put(owner, generation, name, body)            # on disk when it returns
    body = await files.read(owner, generation, name, offset, length)

A file is written once, under its final name, whole; writing it again changes nothing. Blocking work is done in threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, unquote

from control_plane.store.errors import StoreError

SUFFIX = ".seg"
MARK = "store-id"
_FILE = re.compile(r"(\d+)-([0-9a-f]{32})\.seg")
_UNFINISHED = re.compile(r"\..+\.[0-9a-f]{8}")


class SegmentsUnavailable(StoreError):
    """The place of the segments cannot be read or written at the moment."""


class SegmentMissing(StoreError):
    """A segment that the index names is not there."""


@dataclass(frozen=True, slots=True)
class Found:
    """One file there is."""

    owner: str
    generation: int
    name: str
    size: int
    """In bytes."""
    written_at: float
    """Seconds since the epoch; 0 where the place does not tell."""


def open_files(url: str) -> SegmentFiles:
    """The place that a URL or a path names. Raises ValueError for a protocol that fsspec does not know."""
    if url.startswith("file://"):
        url = unquote(url.removeprefix("file://"))
    if "://" not in url:
        return _Directory(Path(url).expanduser())
    return _Remote(url)


class SegmentFiles(ABC):
    """Files by owner, generation and name."""

    is_near = False
    """Whether a file is read in less time than it takes to ask another thread for it."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def put(self, owner: str, generation: int, name: str, body: bytes) -> None:
        """Write a file; it survives a power cut when this returns. Raises SegmentsUnavailable."""
        try:
            await self._run(self._write, path_of(owner, generation, name), body)
        except SegmentMissing as error:  # what it should be written into
            raise SegmentsUnavailable(str(error)) from None

    async def read(self, owner: str, generation: int, name: str, offset: int, length: int) -> bytes:
        """Some bytes of a file; fewer at its end. Raises SegmentMissing, SegmentsUnavailable."""
        found: bytes = await self._run(self._read, path_of(owner, generation, name), offset, length)
        return found

    async def delete(self, owner: str, generation: int, name: str) -> None:
        """Remove a file; one that is not there is no error. Raises SegmentsUnavailable."""
        await self._run(self._delete, path_of(owner, generation, name))

    async def list(self, owner: str | None = None) -> list[Found]:
        """Every file, or an owner's. Raises SegmentsUnavailable."""
        folder = "" if owner is None else _folder(owner)
        return await self._run(lambda: list(self._list(folder)))  # type: ignore[no-any-return]

    async def remove_unfinished(self, before_s: float) -> None:
        """Remove what those who died while they wrote left before a time, s since the epoch."""
        await self._run(self._remove_unfinished, before_s)

    async def identify(self, wanted: str, *, is_new: bool) -> str:
        """The mark of the place; a new one is marked first, of another without a mark it is "".

        Raises SegmentsUnavailable.
        """
        found: str = await self._run(self._identify, wanted, is_new)
        return found

    def read_now(self, owner: str, generation: int, name: str, offset: int, length: int) -> bytes:
        """The same as `read`, in a thread of the caller's."""
        with self._translated():
            return self._read(path_of(owner, generation, name), offset, length)

    async def _run(self, function: Any, *args: Any) -> Any:
        with self._translated():
            return await asyncio.to_thread(function, *args)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise SegmentMissing(f"a segment is gone from {self.url}: {error}") from None
        except StoreError:
            raise
        except Exception as error:  # every library behind fsspec has errors of its own
            raise SegmentsUnavailable(f"{self.url}: {type(error).__name__}: {error}") from error

    def _identify(self, wanted: str, is_new: bool) -> str:
        try:
            return self._read(MARK, 0, 100).decode()
        except FileNotFoundError:
            if not is_new:
                return ""
        self._write(MARK, wanted.encode())
        return self._read(MARK, 0, 100).decode()

    @abstractmethod
    def _write(self, path: str, body: bytes) -> None: ...

    @abstractmethod
    def _read(self, path: str, offset: int, length: int) -> bytes: ...

    @abstractmethod
    def _delete(self, path: str) -> None: ...

    @abstractmethod
    def _remove_unfinished(self, before_s: float) -> None: ...

    @abstractmethod
    def _list(self, folder: str) -> Iterator[Found]: ...


class _Directory(SegmentFiles):
    """A local directory: written beside, flushed, renamed, and the directory flushed too."""

    is_near = True

    def __init__(self, root: Path) -> None:
        super().__init__(str(root))
        self._root = root

    def _write(self, path: str, body: bytes) -> None:
        target = self._root / path
        beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        try:
            with _opened(beside) as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            beside.rename(target)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        for folder in (target.parent, *target.parent.parents):
            handle = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
            if folder == self._root:
                break

    def _read(self, path: str, offset: int, length: int) -> bytes:
        handle = os.open(self._root / path, os.O_RDONLY)
        try:
            if offset < 0:
                offset = max(0, os.fstat(handle).st_size + offset)
            return os.pread(handle, length, offset)
        finally:
            os.close(handle)

    def _delete(self, path: str) -> None:
        target = self._root / path
        target.unlink(missing_ok=True)
        for folder in list(target.parents)[:2]:
            try:
                folder.rmdir()
            except OSError:
                return  # not empty, or gone already

    def _list(self, folder: str) -> Iterator[Found]:
        for above, _, names in os.walk(self._root / folder):
            for name in names:
                try:
                    status = os.stat(os.path.join(above, name))
                except FileNotFoundError:
                    continue  # deleted meanwhile
                if found := _found(f"{Path(above).name}/{name}", status.st_size, status.st_mtime):
                    yield found

    def _remove_unfinished(self, before_s: float) -> None:
        for above, _, names in os.walk(self._root):
            for name in names:
                path = Path(above, name)
                with contextlib.suppress(FileNotFoundError):  # finished meanwhile
                    if _UNFINISHED.fullmatch(name) and path.stat().st_mtime < before_s:
                        path.unlink()


class _Remote(SegmentFiles):
    """Whatever fsspec reaches; an object store makes a whole object visible at once."""

    def __init__(self, url: str) -> None:
        super().__init__(re.sub(r"//[^/@]*@", "//", url))  # without a password in it, for messages
        import fsspec

        try:
            self._fs, root = fsspec.core.url_to_fs(url)
        except ImportError as error:
            raise ValueError(f"{url}: {error}") from None
        self._root = root.rstrip("/")

    def _write(self, path: str, body: bytes) -> None:
        target = f"{self._root}/{path}"
        try:
            self._fs.pipe_file(target, body)  # object stores have no folders
        except FileNotFoundError:
            self._fs.makedirs(target.rpartition("/")[0], exist_ok=True)
            self._fs.pipe_file(target, body)

    def _read(self, path: str, offset: int, length: int) -> bytes:
        target = f"{self._root}/{path}"
        if offset < 0:
            offset = max(0, int(self._fs.size(target)) + offset)
        found: bytes = self._fs.cat_file(target, start=offset, end=offset + length)
        return found

    def _delete(self, path: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._fs.rm_file(f"{self._root}/{path}")

    def _remove_unfinished(self, before_s: float) -> None:
        """Object stores show nothing before it is whole."""

    def _list(self, folder: str) -> Iterator[Found]:
        self._fs.invalidate_cache()
        try:
            names = self._fs.find(f"{self._root}/{folder}".rstrip("/"), detail=True)
        except FileNotFoundError:
            return
        for path, facts in names.items():
            written = facts.get("LastModified") or facts.get("created") or facts.get("mtime") or 0
            seconds = written.timestamp() if hasattr(written, "timestamp") else float(written)
            if found := _found("/".join(path.split("/")[-2:]), int(facts.get("size") or 0), seconds):
                yield found


def _opened(path: Path) -> IO[bytes]:
    """A new file, in a folder that is made where it is not there or was removed, empty, at this moment."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            return path.open("xb")


def _folder(owner: str) -> str:
    safe = quote(owner, safe="").replace(".", "%2E")
    return f"{hashlib.blake2b(owner.encode(), digest_size=1).hexdigest()}/{safe}"


def path_of(owner: str, generation: int, name: str) -> str:
    """Where a segment lies within its place."""
    return f"{_folder(owner)}/{generation}-{name}{SUFFIX}"


def parse_path(path: str) -> Found | None:
    """Which segment lies at a path within a place; None for a file that is none."""
    return _found("/".join(path.split("/")[-2:]), 0, 0.0)


def _found(path: str, size: int, written_at: float) -> Found | None:
    """What a path of ours says; None for a file that is not a segment."""
    owner, _, file = path.rpartition("/")
    match = _FILE.fullmatch(file)
    return Found(unquote(owner), int(match[1]), match[2], size, written_at) if match else None
