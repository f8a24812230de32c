"""The read model: every document's queried fields in memory, so that Redis needs no indexes.

It is built per field that queries name, from Redis, and may be thrown away at any time. It takes no writes of its own:
the change stream says which documents to read again, and that happens when the next query comes. A query first reads
the stream up to its present end, so it sees every write that was acknowledged before it, by whichever replica.

One query of a kind is evaluated at a time, and changes are taken in between: long ones in a thread, while the loop
goes on. A field that is named for the first time is read beside them; only who asked for it waits.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from control_plane.store import changes as change_stream
from control_plane.store import keys
from control_plane.store.changes import Change
from control_plane.store.connection import Connection
from control_plane.store.errors import StoreError
from control_plane.store.fields import OPERATORS, FieldRef
from control_plane.store.numeric import load_numpy
from control_plane.store.query import Query

if TYPE_CHECKING:
    from control_plane.store.kept import Kept
    from control_plane.store.table import Table

log = logging.getLogger(__name__)

T = TypeVar("T")

LARGE = 5_000
"""Documents of a kind that are worth loading before anybody asks."""


class Model:
    """The tables of every kind that was ever queried."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._position: int | None = None
        self._gaps = 0
        self._tables: dict[str, Kept] = {}
        self._warming: asyncio.Task[None] | None = None

    async def page(self, query: Query, start: int, stop: int | None) -> tuple[list[str], int]:
        """The ids in places `start` to `stop` (None: to the end) of what matches, and how many match in all.

        Reflects every write acknowledged before the call.
        """

        def find(table: Table) -> tuple[list[str], int]:
            found = table.find(query)
            return table.ids(table.ordered(found, query.order, start, stop)), len(found.rows)

        return await self._on(query, (), find)

    async def values(self, query: Query, refs: Sequence[FieldRef]) -> tuple[list[str], list[list[Any]]]:
        """The ids of all documents that match, in order, and the values of some fields of them, a list a field."""

        def find(table: Table) -> tuple[list[str], list[list[Any]]]:
            rows = table.ordered(table.find(query), query.order)
            return table.ids(rows), [table.columns[ref].values(rows) for ref in refs]

        return await self._on(query, refs, find)

    async def counts(self, query: Query, refs: Sequence[FieldRef]) -> list[tuple[Any, ...]]:
        """Each combination of values that some fields have in what matches, followed by how many have it."""
        return await self._on(query, refs, lambda table: table.counts(table.find(query), refs))

    async def totals(
        self, query: Query, by: Sequence[FieldRef], sums: Sequence[FieldRef], greatest: Sequence[FieldRef]
    ) -> list[tuple[Any, ...]]:
        """Numbers, sums and extremes for each combination of values of some fields; see `aggregates`."""

        def work(table: Table) -> list[tuple[Any, ...]]:
            from control_plane.store.aggregates import totals  # late, as numpy is

            return totals(table, table.find(query), by, sums, greatest)

        return await self._on(query, (*by, *sums, *greatest), work)

    async def stamps(self, query: Query, refs: Sequence[FieldRef]) -> list[tuple[Any, ...]]:
        """Ids, and numbers that change whenever some times do; see `aggregates`."""

        def work(table: Table) -> list[tuple[Any, ...]]:
            from control_plane.store.aggregates import stamps  # late, as numpy is

            return stamps(table, table.find(query), refs)

        return await self._on(query, refs, work)

    async def _on(self, query: Query, refs: Sequence[FieldRef], work: Callable[[Table], T]) -> T:
        await self._catch_up()
        kept = self._tables.get(query.kind)
        if kept is None:
            await load_numpy()
            from control_plane.store.kept import Kept

            kept = self._tables.setdefault(query.kind, Kept(self._connection, query.kind))
        return await kept.run(query.refs() | set(refs), work)

    def warm(self) -> None:
        """Begin to load what is large."""
        self._warming = asyncio.create_task(self._warm(), name="read-model-first")

    async def _warm(self) -> None:
        try:
            for kind in OPERATORS:
                size = await self._connection.run(lambda client, kind=kind: client.scard(keys.ids(kind)))  # type: ignore[misc]
                if size >= LARGE:
                    await self.page(Query(kind), 0, 0)
        except StoreError as error:
            log.warning("could not load the read model before it is needed: %s", error)

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
            table.forget()

    async def close(self) -> None:
        """End what still goes on."""
        if self._warming is not None:
            self._warming.cancel()
            await asyncio.gather(self._warming, return_exceptions=True)
        for table in self._tables.values():
            await table.close()

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
                        table.forget()
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
    last, answer = await client.many(
        [
            ("GET", keys.change_counter()),
            ("XREAD", "COUNT", change_stream.ENTRIES_A_READ, "STREAMS", keys.changes(), f"{position}-0"),
        ],
        atomic=True,
    )
    return int(last or 0), list(change_stream.parse(answer))
