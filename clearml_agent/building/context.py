"""What `docker build` is sent: a tar of a Dockerfile and files, the same bytes for the same content."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

LEFT_OUT = frozenset({".git", "__pycache__"})
MADE_AT = 315532800
"""1980-01-01, the oldest time that every archive format knows."""


def context(dockerfile: str, files: Mapping[str, Path | bytes]) -> IO[bytes]:
    """An open, unnamed file with the gzipped tar. Blocking.

    Args:
        files: name in the context -> a file, a folder, or the content itself.
    """
    out = tempfile.TemporaryFile()  # noqa: SIM115 - the caller's, open
    with (
        gzip.GzipFile(fileobj=out, mode="wb", compresslevel=1, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name, source in sorted({"Dockerfile": dockerfile.encode(), **files}.items()):
            if isinstance(source, bytes):
                _add_bytes(tar, name, source)
            else:
                _add_path(tar, name, source)
    out.seek(0)
    return out


def _add_bytes(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    facts = tarfile.TarInfo(name)
    facts.size, facts.mtime, facts.mode = len(content), MADE_AT, 0o644
    tar.addfile(facts, io.BytesIO(content))


def _add_path(tar: tarfile.TarFile, name: str, source: Path) -> None:
    for path, inner in _walk(source, name):
        facts = tar.gettarinfo(path, inner)
        facts.uid = facts.gid = 0
        facts.uname = facts.gname = ""
        facts.mtime = MADE_AT
        facts.mode = 0o755 if facts.isdir() or facts.mode & 0o100 else 0o644
        if facts.isreg():
            with path.open("rb") as file:
                tar.addfile(facts, file)
        else:
            tar.addfile(facts)


def _walk(source: Path, name: str) -> Iterator[tuple[Path, str]]:
    if not (source.is_file() or source.is_dir() or source.is_symlink()):
        return  # a socket or the like
    yield source, name
    if source.is_dir() and not source.is_symlink():
        for entry in sorted(os.listdir(source)):
            if entry not in LEFT_OUT:
                yield from _walk(source / entry, f"{name}/{entry}")
