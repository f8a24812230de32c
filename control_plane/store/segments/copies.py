"""Segments into a backup and out of it, from and to whatever place: a directory or an object store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from control_plane.store.archive import Writer, members
from control_plane.store.segments.files import MARK, SegmentFiles, parse_path, path_of
from control_plane.store.segments.place import OtherPlace

PREFIX = "segments/"
"""Names of members that are a place's files."""
PIECE_BYTES = 8 * 1024 * 1024

Told = Callable[[str, int], None]


async def save_files(files: SegmentFiles, into: Writer, told: Told) -> int:
    """Every file of a place, and its mark; returns how many segments. They have to be held meanwhile (`hold`)."""
    mark = await files.identify("", is_new=False)
    into.begin(PREFIX + MARK)
    into.write(mark.encode())
    into.end()
    found = await files.list()
    for count, one in enumerate(sorted(found, key=lambda one: (one.owner, one.generation, one.name)), 1):
        into.begin(PREFIX + path_of(one.owner, one.generation, one.name))
        at = 0
        while at < one.size:
            piece = await files.read(one.owner, one.generation, one.name, at, min(PIECE_BYTES, one.size - at))
            into.write(piece)
            at += len(piece)
        into.end()
        told("segments", count)
    return len(found)


async def is_taken(files: SegmentFiles) -> bool:
    """Whether a place holds anything of a store."""
    return bool(await files.identify("", is_new=False) or await files.list())


async def restore_files(files: SegmentFiles, path: Path, told: Told) -> int:
    """Put the segments of a backup into a place; returns how many. Dying within leaves a place that no store takes.

    Raises OtherPlace for one that is another store's.
    """
    mark, count, known = "", 0, await files.identify("", is_new=False)
    for name, content in members(path):
        if name == PREFIX + MARK:
            mark = content.read().decode()
            if known not in ("", mark):
                raise OtherPlace(f"in {files.url} lie the sealed events of another store: name an empty place")
        elif name.startswith(PREFIX) and (found := parse_path(name.removeprefix(PREFIX))) is not None:
            body = await asyncio.to_thread(content.read)
            await files.put(found.owner, found.generation, found.name, body)
            count += 1
            told("segments", count)
    if mark:
        await files.identify(mark, is_new=True)  # last: what carries it is whole
    return count
