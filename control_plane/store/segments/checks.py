"""Whether index and files agree, and whether files are what was written; for `doctor`. Reads only."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field

from control_plane.store.connection import Connection
from control_plane.store.segments import index
from control_plane.store.segments.files import Found, SegmentFiles, SegmentMissing
from control_plane.store.segments.index import Entry

OWNERS_A_READ = 100
PIECE_BYTES = 8 * 1024 * 1024


@dataclass
class Checked:
    """What was found."""

    named: list[Found] = field(default_factory=list)
    unnamed: list[Found] = field(default_factory=list)
    """Files that no index names: replaced a moment ago, or left by somebody who died."""
    missing: list[tuple[str, str]] = field(default_factory=list)
    """(owner, name) of segments without a file."""


async def compare(connection: Connection, files: SegmentFiles, owners: Sequence[str]) -> Checked:
    """Compare the files with the index of all owners there are. Raises SegmentsUnavailable."""
    # The index first and again at the end: what is sealed or made one meanwhile is neither missing nor unnamed.
    before = {key async for key in _named(connection, owners)}
    found = await files.list()
    by_key = {(one.owner, one.generation, one.name): one for one in found}
    after = {key async for key in _named(connection, owners)}
    checked = Checked()
    for key, one in by_key.items():
        (checked.named if key in before or key in after else checked.unnamed).append(one)
    checked.missing = sorted((owner, name) for owner, _, name in (before & after) - by_key.keys())
    return checked


async def damaged(files: SegmentFiles, some: Iterable[Found]) -> list[Found]:
    """Those whose bytes are not what their name is the hash of; every byte is read."""
    wrong = []
    for one in some:
        digest, at = hashlib.blake2b(digest_size=16), 0
        try:
            while piece := await files.read(one.owner, one.generation, one.name, at, PIECE_BYTES):
                await asyncio.to_thread(digest.update, piece)
                at += len(piece)
                if at >= one.size:
                    break
        except SegmentMissing:
            continue  # removed meanwhile
        if digest.hexdigest() != one.name:
            wrong.append(one)
    return wrong


async def _named(connection: Connection, owners: Sequence[str]) -> AsyncIterator[tuple[str, int, str]]:
    """(owner, generation, name) of every segment in the index."""

    async def read(owner: str) -> tuple[int, dict[int, Entry]]:
        generation = (await index.read_state(connection, owner)).generation
        return generation, await index.entries(connection, owner, generation)

    for first in range(0, len(owners), OWNERS_A_READ):
        some = owners[first : first + OWNERS_A_READ]
        for owner, (generation, entries) in zip(some, await asyncio.gather(*map(read, some)), strict=True):
            for entry in entries.values():
                yield owner, generation, entry.name
