"""The one place where a store's segments lie, known to the store by a mark that both carry."""

from __future__ import annotations

import secrets
from typing import Any

from control_plane.store import keys
from control_plane.store.connection import Connection
from control_plane.store.errors import StoreError
from control_plane.store.segments.files import SegmentFiles, open_files


class OtherPlace(StoreError):
    """The segments of this store lie somewhere else."""


async def open_place(connection: Connection, url: str) -> SegmentFiles | None:
    """The files of this store's segments.

    Args:
        url: a directory or an fsspec URL; empty: the store keeps all events in memory, and there is no place.

    Raises OtherPlace when the store's segments lie elsewhere, SegmentsUnavailable when the place cannot be reached,
    ValueError for an unknown protocol.
    """
    known: Any = await connection.run(lambda client: client.get(keys.segments_mark()))
    if not url:
        if known is not None:
            raise OtherPlace("this store has sealed events: say where they lie with --segments")
        return None
    files = open_files(url)
    # The mark in the place comes first: dying here leaves a place that the next start makes the store's.
    mark = await files.identify(known.decode() if known else secrets.token_hex(16), is_new=known is None)
    if known is None:
        await connection.run(lambda client: client.set(keys.segments_mark(), mark, nx=True))
        known = await connection.run(lambda client: client.get(keys.segments_mark()))
    if known.decode() != mark:
        raise OtherPlace(f"the segments of this store do not lie in {files.url}: say where with --segments")
    return files
