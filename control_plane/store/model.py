"""The read model: columns in memory over which queries run, so that Redis needs no indexes.

It is built per field that queries name, from Redis, and may be thrown away at any time. It takes no writes of its own:
the change stream says which documents to read again, and that happens when the next query comes. A query first reads
the stream up to its present end, so it sees every write that was acknowledged before it, by whichever replica.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from control_plane.store import changes as change_stream
from control_plane.store import keys, layout
from control_plane.store.changes import Change
from control_plane.store.connection import Connection
from control_plane.store.fields import FieldRef, look_inside
from control_plane.store.layout import CORE
from control_plane.store.query import Query, evaluate

DOCUMENTS_A_READ = 500
"""Documents read between two turns of the loop."""

_ID = FieldRef(CORE, "id")


class Model:
    """The columns of every kind that was ever queried."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._position: int | None = None
        self._gaps = 0
        self._tables: dict[str, _Table] = {}

    async def query(self, query: Query) -> list[str]:
        """The ids of all documents that match, in order; reflects every write acknowledged before the call."""
        return (await self.values(query, ()))[0]

    async def values(self, query: Query, refs: Sequence[FieldRef]) -> tuple[list[str], list[list[Any]]]:
        """The ids of all documents that match, in order, and the values of some fields of them, a list a field."""
        await self._catch_up()
        table = self._tables.get(query.kind)
        if table is None:
            table = self._tables[query.kind] = _Table(self._connection, query.kind)
        async with table.lock:
            await table.refresh(query.refs() | set(refs))
            found = evaluate(query, table.sorted_ids(), table.columns)
            return found, [list(map(table.columns[ref].get, found)) for ref in refs]

    def apply(self, number: int, changed: Iterable[Change]) -> None:
        """Take note of one entry of the change stream; entries may come twice, and from two readers."""
        if self._position is None or number <= self._position:
            return
        if number != self._position + 1:
            self.forget()
            return
        self._position = number
        for kind, id in changed:
            table = self._tables.get(kind)
            if table is not None:
                table.dirty.add(id)

    def forget(self) -> None:
        """Throw everything away: entries of the change stream were missed."""
        self._position = None
        self._gaps += 1
        for table in self._tables.values():
            table.is_loaded = False

    async def _catch_up(self) -> None:
        while True:
            position = self._position
            if position is None:
                gaps = self._gaps
                newest = await self._connection.run(change_stream.last_change)
                if gaps == self._gaps and self._position is None:
                    self._position = newest
                    # What was read before this position was known may miss what changed in between.
                    for table in self._tables.values():
                        table.is_loaded = False
                    return
                continue
            last, entries = await self._connection.run(lambda client, position=position: _read(client, position))  # type: ignore[misc]
            if last < position:
                self.forget()  # the store came back with fewer entries than we have seen
                continue
            for number, changed in entries:
                self.apply(number, changed)
            if self._position is not None and self._position >= last:
                return
            if not entries:
                self.forget()  # the entries we need were trimmed


async def _read(client: Any, position: int) -> tuple[int, list[tuple[int, list[Change]]]]:
    async with client.pipeline(transaction=True) as pipe:
        pipe.get(keys.change_counter())
        pipe.xread({keys.changes(): f"{position}-0"}, count=change_stream.ENTRIES_A_READ)
        last, answer = await pipe.execute()
    return int(last or 0), list(change_stream.parse(answer))


class _Table:
    """One kind: its ids and the columns built so far."""

    def __init__(self, connection: Connection, kind: str) -> None:
        self.lock = asyncio.Lock()
        self.columns: dict[FieldRef, dict[str, Any]] = {}
        self.dirty: set[str] = set()
        self.is_loaded = False
        self._connection = connection
        self._kind = kind
        self._sorted: list[str] | None = None

    def sorted_ids(self) -> list[str]:
        """Every id, sorted."""
        if self._sorted is None:
            self._sorted = sorted(self.columns[_ID])
        return self._sorted

    async def refresh(self, refs: Iterable[FieldRef]) -> None:
        """Read what changed, and the columns that are new."""
        while True:
            if not self.is_loaded:
                # First, so that a gap that is noticed while we read makes us start again.
                self.is_loaded = True
                self.dirty.clear()
                self.columns = {ref: {} for ref in {*self.columns, *refs, _ID}}
                self._sorted = None
                await self._load(await self._all_ids(), list(self.columns))
            elif missing := [ref for ref in refs if ref not in self.columns]:
                for ref in missing:
                    self.columns[ref] = {}
                try:
                    await self._load(list(self.columns[_ID]), missing)
                except BaseException:
                    for ref in missing:  # half a column would answer wrongly for ever
                        self.columns.pop(ref, None)
                    raise
            elif self.dirty:
                changed, self.dirty = self.dirty, set()
                try:
                    await self._load(list(changed), list(self.columns))
                except BaseException:
                    self.dirty |= changed
                    raise
            else:
                return

    async def _all_ids(self) -> list[str]:
        found: list[str] = []
        cursor = 0
        try:
            while True:
                step: Any = await self._connection.run(
                    lambda client, cursor=cursor: client.sscan(keys.ids(self._kind), cursor, count=1000)  # type: ignore[misc]
                )
                cursor, ids = int(step[0]), step[1]
                found += [id.decode() for id in ids]
                if cursor == 0:
                    return list(dict.fromkeys(found))
        except BaseException:
            self.is_loaded = False
            raise

    async def _load(self, ids: Sequence[str], refs: Sequence[FieldRef]) -> None:
        """Read these fields of these documents into the columns; values that are gone leave them."""
        by_part: dict[str, list[FieldRef]] = {}
        for ref in refs:
            by_part.setdefault(ref.part, []).append(ref)
        try:
            for first in range(0, len(ids), DOCUMENTS_A_READ):
                await self._load_some(ids[first : first + DOCUMENTS_A_READ], by_part)
        except BaseException:
            if _ID in refs:
                self.is_loaded = False
            raise

    async def _load_some(self, ids: Sequence[str], by_part: dict[str, list[FieldRef]]) -> None:
        async def fetch(client: Any) -> list[list[bytes | None]]:
            async with client.pipeline(transaction=False) as pipe:
                for id in ids:
                    for part, refs in by_part.items():
                        pipe.hmget(keys.document(self._kind, id, part), [ref.field for ref in refs])
                answers: list[list[bytes | None]] = await pipe.execute()
                return answers

        answers = iter(await self._connection.run(fetch))
        for id in ids:
            for refs in by_part.values():
                for ref, leaf in zip(refs, next(answers), strict=True):
                    self._put(ref, id, leaf)

    def _put(self, ref: FieldRef, id: str, leaf: bytes | None) -> None:
        column = self.columns[ref]
        value = None if leaf is None else layout.decode(leaf)
        if ref.inside and value is not None:
            value = look_inside(value, ref.inside)
        if ref is _ID and (id in column) != (value is not None):
            self._sorted = None
        if value is None:
            column.pop(id, None)
        else:
            column[id] = value
