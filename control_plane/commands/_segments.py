"""What `doctor` says of the segments."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any, Literal

from control_plane.commands._target import Target
from control_plane.store import Query, Store, keys
from control_plane.store.segments.checks import compare, damaged
from control_plane.store.segments.due import Due
from control_plane.store.segments.files import SegmentFiles, SegmentsUnavailable, open_files

LATE_MS = 15 * 60 * 1000
"""Who was due so long ago waits for a server that seals."""
LEFT_S = 2 * 3600.0
"""A file that nothing names for so long should have been swept."""
SHOWN = 5

Line = tuple[Literal["ok", "warning", "error"], str, str]
"""Level, about what, text."""


async def lines(target: Target, store: Store, *, deep: bool) -> AsyncIterator[Line]:
    """Place, mark, what waits, and whether index and files agree.

    Args:
        deep: read every byte of every file.
    """
    mark: Any = await store.connection.run(lambda client: client.get(keys.segments_mark()))
    url = target.settings.segments_url
    if not url:
        if mark is not None:
            yield "error", "segments", "events were sealed, and CLEARML_SERVER_SEGMENTS does not say where to"
        else:
            yield "warning", "segments", "all events stay in memory: CLEARML_SERVER_SEGMENTS names no place for them"
        return
    async for line in _waiting(store):
        yield line
    files = open_files(url)
    try:
        found = await files.identify("", is_new=False)
        if mark is None:
            yield "ok", "segments", f"none yet; they will lie in {files.url}"
            return
        if found != mark.decode():
            what = "are another store's" if found else "has no segments of this store"
            yield "error", "segments", f"what lies in {files.url} {what}: set CLEARML_SERVER_SEGMENTS"
            return
        async for line in _files(store, files, deep=deep):
            yield line
    except SegmentsUnavailable as error:
        yield "error", "segments", f"they cannot be reached, so sealed events cannot be read: {error}"


async def _waiting(store: Store) -> AsyncIterator[Line]:
    now_ms = int(time.time() * 1000)
    # What is large is due at once, and noted as of no time.
    waiting = await Due(store.connection).everyone()
    late = [due_ms for _, due_ms in waiting if 0 < due_ms < now_ms - LATE_MS]
    text = f"{len(waiting):,} tasks and models have events in memory"
    if late:
        minutes = (now_ms - min(late)) // 60_000
        text += f"; {len(late):,} should have been sealed, the first {minutes:,} min ago: no server seals"
    yield "warning" if late else "ok", "sealing", text


async def _files(store: Store, files: SegmentFiles, *, deep: bool) -> AsyncIterator[Line]:
    owners: list[str] = []
    for kind in ("task", "model"):
        rows = await store.values(kind, Query.from_request(kind, {"search_hidden": True}), ["name"])
        owners += [row[0] for row in rows]
    checked = await compare(store.connection, files, owners)
    size = sum(one.size for one in checked.named)
    yield "ok", "segments", f"{len(checked.named):,} files of {size:,} bytes in {files.url}"
    if checked.missing:
        shown = ", ".join(f"{owner} {name}" for owner, name in checked.missing[:SHOWN])
        yield "error", "segments", f"{len(checked.missing):,} files are gone, with their events: {shown}"
    old = [one for one in checked.unnamed if time.time() - one.written_at > LEFT_S]
    if old:
        yield (
            "warning",
            "segments",
            f"{len(old):,} files of {sum(one.size for one in old):,} bytes belong to nothing: `clearml-server compact` "
            "removes them",
        )
    if deep:
        wrong = await damaged(files, checked.named)
        if wrong:
            shown = ", ".join(f"{one.owner} {one.name}" for one in wrong[:SHOWN])
            yield "error", "segments", f"{len(wrong):,} files are damaged: {shown}"
        else:
            yield "ok", "segments", "every byte is as it was written"
