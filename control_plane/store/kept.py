"""One kind's table, kept up with Redis: loaded when first asked for, extended by columns, refreshed by changes."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
import orjson

from control_plane.store import keys
from control_plane.store.connection import Connection
from control_plane.store.fields import OPERATORS, FieldRef, look_inside, resolve
from control_plane.store.table import ID, Table

T = TypeVar("T")

DOCUMENTS_A_READ = 500
"""Documents read between two turns of the loop."""
READS_AT_ONCE = 3
"""So that Redis works on the next documents while we take in the last."""
IDS_A_STEP = 2_000
FEW_FIELDS = 2
"""So many are read faster by a command a hash than by a script, which is for many."""
COLUMNS_KEPT = 200
"""Beside those that every table has; the ones not used for longest are forgotten."""
FEW_ROWS = 5_000
"""Above so many documents a query is worth a thread."""


class Kept:
    """One kind. Whoever learns of a change adds the id to `dirty`, of missed changes calls `forget`.

    What takes long (loading, filling a column) goes on when the request that began it is cancelled: the next one, which
    is often the same again, finds it done or half done.
    """

    def __init__(self, connection: Connection, kind: str) -> None:
        self.dirty: set[str] = set()
        self._is_current = False
        self._loading: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._connection = connection
        self._kind = kind
        common = [resolve(kind, path) for path in sorted(OPERATORS[kind].common)]
        self._common = [ref for ref in common if ref is not None]
        self._table = Table()
        self._lock = asyncio.Lock()
        """Held while the table is read or changed, but not while a column is filled that nobody uses yet."""
        self._extending = asyncio.Lock()
        self._refreshed: set[str] | None = None
        """What was read anew while columns are being filled."""

    async def run(self, refs: Iterable[FieldRef], work: Callable[[Table], T]) -> T:
        """What `work` finds in the table as it is now, with the columns that it needs."""
        wanted = set(refs)
        while True:
            async with self._lock:
                await self._refresh()
                if self._table.use(wanted):
                    return await _aside(work, self._table)
            await asyncio.shield(self._begin(self._extend(wanted)))

    def forget(self) -> None:
        """Load everything again before the next query."""
        self._is_current = False

    async def close(self) -> None:
        """End what still goes on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=f"read-model-{self._kind}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever still waits has it

    # ---- changes

    async def _refresh(self) -> None:
        while self._loading is not None or not self._is_current:
            if self._loading is None:
                self._loading = self._begin(self._load())
            await asyncio.shield(self._loading)
        # Once: what changes from now on was not acknowledged when the query came.
        changed, self.dirty = self.dirty, set()
        try:
            for ids in _pieces(list(changed)):
                await self._reload(ids)
        except BaseException:
            self.dirty |= changed
            raise

    async def _load(self) -> None:
        # First, so that a gap that is noticed while we read makes us start again.
        self._is_current = True
        self.dirty.clear()
        try:
            self._table = await self._loaded()
        except BaseException:
            self._is_current = False
            raise
        finally:
            self._loading = None

    async def _loaded(self) -> Table:
        """A new table of everything there is, with the columns of the last one."""
        refs = list(dict.fromkeys((*self._common, *self._table.columns)))
        ids = await self._all_ids()
        table = Table(len(ids))
        table.begin(refs)

        async def load(piece: Sequence[str]) -> None:
            _take(table, piece, await self._read(piece, [ID, *refs]))

        await _each(load, _pieces(ids))
        table.finish(refs)
        return table

    async def _reload(self, ids: Sequence[str]) -> None:
        table = self._table
        values = await self._read(ids, [ID, *table.columns, *table.unfinished])
        _take(table, ids, values)
        if self._refreshed is not None:
            self._refreshed.update(ids)

    async def _extend(self, wanted: set[FieldRef]) -> None:
        """Fill columns that were not asked for before."""
        async with self._extending:
            async with self._lock:
                table, refreshed = self._table, set[str]()
                missing = wanted - table.columns.keys()
                table.begin(missing)
                self._refreshed = refreshed

            async def fill(piece: Sequence[str]) -> None:
                values = await self._read(piece, missing - {ID})
                if ID in missing:
                    values[ID] = list(piece)
                # What was read anew since we began, or is gone, is right already.
                _fill(table, [id if id in table.rows and id not in refreshed else "" for id in piece], values)

            try:
                await _each(fill, _pieces(list(table.rows)))
                async with self._lock:
                    table.finish(missing)
                    table.forget_unused({*self._common, *wanted}, COLUMNS_KEPT)
            except BaseException:
                table.abandon(missing)
                raise
            finally:
                self._refreshed = None

    # ---- reading

    async def _all_ids(self) -> list[str]:
        found: dict[str, None] = {}
        cursor = 0
        while True:
            step: Any = await self._connection.run(
                lambda client, cursor=cursor: client.sscan(keys.ids(self._kind), cursor, count=IDS_A_STEP)  # type: ignore[misc]
            )
            cursor = int(step[0])
            found.update((id.decode(), None) for id in step[1])
            if cursor == 0:
                return list(found)

    async def _read(self, ids: Sequence[str], refs: Iterable[FieldRef]) -> dict[FieldRef, list[Any]]:
        """The values of some fields; None for what is not there. Without an `id` the document is gone."""
        parts: dict[str, dict[str, list[FieldRef]]] = {}
        for ref in dict.fromkeys(refs):
            parts.setdefault(ref.part, {}).setdefault(ref.field, []).append(ref)
        if not parts:
            await asyncio.sleep(0)
            return {}

        async def read(part: str) -> list[bytes]:
            fields = list(parts[part])
            if len(fields) > FEW_FIELDS:
                hashes = [keys.document(self._kind, id, part) for id in ids]
                return await self._connection.run(lambda _: self._connection.script("read_leaves", hashes, fields))
            key = keys.document(self._kind, "%s", part)
            found = [
                await self._connection.run(lambda client, field=field: client.field_of_each(key, ids, field))  # type: ignore[misc]
                for field in fields
            ]
            return [b"[%b]" % b",".join([leaf or b"null" for leaf in leaves]) for leaves in found]

        if not ids:
            return {ref: [] for names in parts.values() for named in names.values() for ref in named}
        values = {}
        for answer, names in zip(await asyncio.gather(*map(read, parts)), parts.values(), strict=True):
            for leaves, named in zip(answer, names.values(), strict=True):
                for ref in named:
                    values[ref] = decoded(leaves, ref.inside)
        return values


def decoded(leaves: bytes, inside: tuple[str, ...]) -> list[Any]:
    """The values at a place inside each leaf of a JSON array."""
    if len(inside) == 1:
        try:
            return [item and item.only for item in _items_with(inside[0]).decode(leaves)]
        except msgspec.MsgspecError:
            pass  # some leaf is no object
    found: list[Any] = orjson.loads(leaves)
    return [look_inside(value, inside) for value in found] if inside else found


@functools.lru_cache(256)
def _items_with(key: str) -> msgspec.json.Decoder[list[Any]]:
    """Reads one value of each object in a list, and passes over the others."""
    item = msgspec.defstruct("Item", [("only", Any, None)], rename={"only": key}, gc=False)
    return msgspec.json.Decoder(list[item | None])  # type: ignore[valid-type]  # made just now


def _take(table: Table, ids: Sequence[str], values: dict[FieldRef, list[Any]]) -> None:
    """Put documents as they are now into the table: new, changed or gone."""
    gone = {id for id, found in zip(ids, values.pop(ID), strict=True) if found is None}
    table.remove(gone)
    table.add([id for id in ids if id not in gone])
    _fill(table, [id if id not in gone else "" for id in ids], values)


def _fill(table: Table, ids: Sequence[str], values: Mapping[FieldRef, Sequence[Any]]) -> None:
    """Put the values of documents into the table; "" stands for one to leave out."""
    chosen = [position for position, id in enumerate(ids) if id]
    rows = [table.rows[ids[position]] for position in chosen]
    for ref, found in values.items():
        table.put(ref, rows, found if len(chosen) == len(found) else [found[position] for position in chosen])


def _pieces(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[first : first + DOCUMENTS_A_READ] for first in range(0, len(ids), DOCUMENTS_A_READ))


async def _each(work: Callable[[Sequence[str]], Awaitable[None]], pieces: Iterator[Sequence[str]]) -> None:
    """Do some work for every piece, a few at a time."""

    async def some() -> None:
        for piece in pieces:
            await work(piece)

    try:
        async with asyncio.TaskGroup() as group:
            for number in range(READS_AT_ONCE):
                group.create_task(some(), name=f"read-model-{number}")
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


async def _aside(work: Callable[[Table], T], table: Table) -> T:
    """Work on a table, in a thread where it takes long; returns only when nobody reads the table any more."""
    if len(table) <= FEW_ROWS:
        return work(table)
    job = asyncio.get_running_loop().run_in_executor(None, work, table)
    try:
        return await asyncio.shield(job)
    except asyncio.CancelledError:
        while not job.done():
            try:
                await asyncio.wait([job])
            except asyncio.CancelledError:
                continue  # cancelled again: the thread does not stop for it
        job.exception()
        raise
