"""Chunks: the zip archives in which a version stores its files. Planned the same way each time, so that an
interrupted upload finds again what it has stored already."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import time
import zipfile

from clearml_sdk.datasets.hashing import BLOCK_BYTES
from clearml_sdk.datasets.matching import check_inside
from clearml_sdk.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clearml_sdk.datasets.entries import FileEntry

WHOLE_BYTES = 1 << 20
"""A file up to this size is read at once."""
PREVIEW_LINES = 100
COMPRESSIONS = {
    "ZIP_STORED": zipfile.ZIP_STORED,
    "ZIP_DEFLATED": zipfile.ZIP_DEFLATED,
    "ZIP_BZIP2": zipfile.ZIP_BZIP2,
    "ZIP_LZMA": zipfile.ZIP_LZMA,
}
PACKED = (".zip", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".jpg", ".jpeg", ".png", ".webp", ".mp3", ".mp4", ".npz")
"""What is compressed already is only stored."""


class Chunk:
    """Files that are stored together. identity: the same for the same files with the same content."""

    def __init__(self, entries: Sequence[FileEntry]) -> None:
        self.entries = list(entries)
        digest = hashlib.sha256()
        for entry in self.entries:
            digest.update(f"{entry.hash} {entry.relative_path}\0".encode("utf-8", "surrogateescape"))
        self.identity = digest.hexdigest()[:16]
        self.size_bytes = sum(entry.size for entry in self.entries)


class ArchiveError(ValueError):
    """An archive that is not what a dataset stores; nothing of it is used."""


def plan(entries: Sequence[FileEntry], limit_bytes: int | None) -> list[Chunk]:
    """Files in order, as many a chunk as have `limit_bytes` together (a larger one alone); None: all in one."""
    chunks: list[Chunk] = []
    batch: list[FileEntry] = []
    size = 0
    for entry in sorted(entries, key=lambda one: one.relative_path):
        if batch and limit_bytes is not None and size + entry.size > limit_bytes:
            chunks.append(Chunk(batch))
            batch, size = [], 0
        batch.append(entry)
        size += entry.size
    return [*chunks, Chunk(batch)] if batch else chunks


def read_compression(given: str | int | None) -> int:
    """The method of `zipfile`, by its name, its number, or None for the usual one. Raises UsageError."""
    if given is None:
        return zipfile.ZIP_DEFLATED
    if isinstance(given, int) and given in COMPRESSIONS.values():
        return given
    name = str(given).upper()
    name = name if name.startswith("ZIP_") else f"ZIP_{name}"
    if name not in COMPRESSIONS:
        raise UsageError(f"compression {given!r} is not known: use one of {', '.join(COMPRESSIONS)}")
    return COMPRESSIONS[name]


def pack(chunk: Chunk, path: str, compression: int, *, progress: Callable[[int], object] | None = None) -> str:
    """Write the archive of a chunk; returns what is shown of its content.

    Raises UsageError when a file is gone or is no longer what was added: a dataset never holds what it does not say.
    """
    shown: list[str] = []
    with zipfile.ZipFile(path, "w", compression=compression, allowZip64=True) as archive:
        for entry in chunk.entries:
            _pack_file(archive, entry, compression)
            if len(shown) < PREVIEW_LINES:
                shown.append(f"{entry.relative_path} - {entry.size} bytes")
            if progress is not None:
                progress(1)
    left = len(chunk.entries) - len(shown)
    return "\n".join([*shown, *([f"... and {left} more"] if left else [])]) + "\n"


def _pack_file(archive: zipfile.ZipFile, entry: FileEntry, compression: int) -> None:
    source = entry.local_path
    if not source:
        raise UsageError(f"where is {entry.relative_path}? It was added on another machine: add it again here")
    try:
        file = open(source, "rb")  # noqa: SIM115  # closed by the `with` below
    except OSError as error:
        raise UsageError(f"{source} cannot be read any more ({error.strerror}): add or remove it") from error
    with file:
        facts = os.fstat(file.fileno())
        info = zipfile.ZipInfo(entry.relative_path, _zip_time(facts.st_mtime))
        info.external_attr = (stat.S_IMODE(facts.st_mode) | stat.S_IFREG) << 16
        info.compress_type = zipfile.ZIP_STORED if entry.relative_path.lower().endswith(PACKED) else compression
        if entry.size <= WHOLE_BYTES:
            content = file.read(WHOLE_BYTES + 1)
            digest = hashlib.sha256(content).hexdigest()
            if digest == entry.hash:
                archive.writestr(info, content)
        else:
            info.file_size = entry.size
            running = hashlib.sha256()
            with archive.open(info, "w") as target:
                while block := file.read(BLOCK_BYTES):
                    running.update(block)
                    target.write(block)
            digest = running.hexdigest()
    if digest != entry.hash:
        raise UsageError(f"{source} has changed since it was added to the dataset: add it again")


def _zip_time(seconds: float) -> tuple[int, int, int, int, int, int]:
    """Of what an archive can say: from 1980 to 2107."""
    found = time.localtime(min(max(seconds, 315_619_200.0), 4_354_732_800.0))
    return (found.tm_year, found.tm_mon, found.tm_mday, found.tm_hour, found.tm_min, found.tm_sec)


def extract(path: str, folder: str, *, only: frozenset[str] | None = None) -> list[str]:
    """Write the files of an archive into an empty folder; returns their paths in it.

    Links are written as what they are in the archive: plain files. Raises ArchiveError for an archive with a name that
    leads out of the folder, or that cannot be read; nothing outside is ever written.
    """
    written = []
    try:
        with zipfile.ZipFile(path) as archive:
            members = [one for one in archive.infolist() if not one.is_dir()]
            for member in members:
                check_inside(member.filename)
            made = {""}
            for member in members:
                name = member.filename
                if only is not None and name not in only:
                    continue
                parent = name.rpartition("/")[0]
                if parent not in made:
                    os.makedirs(os.path.join(folder, parent), exist_ok=True)
                    made.add(parent)
                target = os.path.join(folder, name)
                with archive.open(member) as source, open(target, "wb") as file:
                    if member.file_size <= WHOLE_BYTES:
                        file.write(source.read())
                    else:
                        shutil.copyfileobj(source, file, BLOCK_BYTES)
                    mode = member.external_attr >> 16 & 0o777
                    if mode & 0o111:
                        os.chmod(target, 0o644 | (mode & 0o111))
                written.append(name)
    except UsageError as error:
        raise ArchiveError(f"{os.path.basename(path)} is not used: {error}") from error
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise ArchiveError(f"{os.path.basename(path)} cannot be read: {error}") from error
    return written
