"""The file of a backup: a tar whose members may be written before their size is known, and whose manifest comes last.

with Writer(path) as archive:                 # nothing under `path` until the end: a killed backup leaves no half file
    archive.begin("store/0.rdb"); archive.write(piece); archive.end()
    archive.finish({...})
manifest = verify(path)                       # every member there and whole
for name, file in members(path): ...
"""

from __future__ import annotations

import hashlib
import os
import secrets
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import orjson

from control_plane.store.embedded import sync_folder
from control_plane.store.errors import StoreError

FORMAT = 1
MANIFEST = "backup.json"
CHUNK_BYTES = 1 << 20
_BLOCK = tarfile.BLOCKSIZE


class DamagedBackup(StoreError):
    """The file is no backup, or not all of one."""


class Writer:
    """Writes one archive; complete and durable at `finish`, or not there at all."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
        self._written: dict[str, dict[str, Any]] = {}
        self._file: IO[bytes]
        self._member: tarfile.TarInfo
        self._header_at = 0
        self._digest = hashlib.sha256()

    def __enter__(self) -> Writer:
        if self._path.exists():
            raise FileExistsError(f"{self._path} exists already")
        # Private: it holds hashed secrets, and those of the administrator.
        descriptor = os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file = os.fdopen(descriptor, "wb")
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.close()
        self._temporary.unlink(missing_ok=True)

    def begin(self, name: str) -> None:
        """Start a member; `write` and `end` follow."""
        self._member = tarfile.TarInfo(name)
        self._member.mode, self._member.mtime = 0o600, int(time.time())
        self._digest = hashlib.sha256()
        self._header_at = self._file.tell()
        self._file.write(self._header())

    def write(self, piece: bytes) -> None:
        """More of the member."""
        self._file.write(piece)
        self._digest.update(piece)
        self._member.size += len(piece)

    def end(self) -> None:
        """The member is complete."""
        self._file.write(bytes(-self._member.size % _BLOCK))
        end = self._file.tell()
        self._file.seek(self._header_at)
        self._file.write(self._header())
        self._file.seek(end)
        self._written[self._member.name] = {"bytes": self._member.size, "sha256": self._digest.hexdigest()}

    def add(self, name: str, source: IO[bytes]) -> None:
        """A member with the content of a file."""
        self.begin(name)
        while piece := source.read(CHUNK_BYTES):
            self.write(piece)
        self.end()

    def finish(self, manifest: Mapping[str, Any]) -> None:
        """Write the manifest and give the file its name."""
        members = dict(self._written)
        self.begin(MANIFEST)
        self.write(orjson.dumps({"format": FORMAT, **manifest, "members": members}, option=orjson.OPT_INDENT_2))
        self.end()
        self._file.write(bytes(2 * _BLOCK))
        self._file.flush()
        os.fsync(self._file.fileno())
        # Not over a file that came into being meanwhile.
        os.link(self._temporary, self._path)
        sync_folder(self._path.parent)

    def _header(self) -> bytes:
        return self._member.tobuf(tarfile.GNU_FORMAT)


def members(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Name and content of each member, in order. Raises DamagedBackup where the file ends too early."""
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                content = archive.extractfile(member)
                if content is not None:
                    yield member.name, content
    except (tarfile.TarError, EOFError) as error:
        raise DamagedBackup(f"{path} is no backup, or only part of one: {error}") from None


def verify(path: Path, told: Callable[[int], None] = lambda _: None) -> dict[str, Any]:
    """Read everything once; the manifest, when all that it names is there and whole.

    Args:
        told: called with the number of bytes that were read so far.
    """
    found: dict[str, dict[str, Any]] = {}
    manifest: dict[str, Any] | None = None
    read = 0
    try:
        for name, content in members(path):
            if name == MANIFEST:
                manifest = orjson.loads(content.read())
                continue
            digest, size = hashlib.sha256(), 0
            while piece := content.read(CHUNK_BYTES):
                digest.update(piece)
                size += len(piece)
                told(read + size)
            read += size
            found[name] = {"bytes": size, "sha256": digest.hexdigest()}
    except (tarfile.TarError, EOFError, orjson.JSONDecodeError) as error:
        raise DamagedBackup(f"{path} is only part of a backup, or damaged: {error}") from None
    if manifest is None:
        raise DamagedBackup(f"{path} is no backup, or only part of one: its manifest is missing")
    if manifest["format"] > FORMAT:
        raise DamagedBackup(f"{path} is of format {manifest['format']}, this version reads {FORMAT}")
    wrong = sorted(name for name, facts in manifest["members"].items() if found.get(name) != facts)
    if wrong:
        raise DamagedBackup(f"{path} is damaged: {', '.join(wrong)}")
    return manifest
