"""The store: one object through which everything else reads and writes."""

from __future__ import annotations

import asyncio
import copy
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from control_plane.store import documents, keys, layout, names
from control_plane.store.changes import Changes
from control_plane.store.connection import Connection
from control_plane.store.events import Events
from control_plane.store.layout import Path
from control_plane.store.leases import Leases
from control_plane.store.migrations import bring_up_to_date
from control_plane.store.model import Model
from control_plane.store.notes import Fence, Note, Notes
from control_plane.store.query import Query, field_of
from control_plane.store.queue_minutes import QueueMinutes
from control_plane.store.queues import Queues
from control_plane.store.segments.place import open_place
from control_plane.store.sessions import Sessions
from control_plane.store.tracking import Tracking
from control_plane.store.transaction import Transaction
from control_plane.store.worker_history import WorkerHistory
from control_plane.store.workers import Workers

SCROLL_KEPT_S = 600


@dataclass(frozen=True, slots=True)
class QueryResult:
    """One page of what a query found: `ids` of the page, `total` of all that match."""

    ids: list[str]
    total: int
    scroll_id: str | None = None


class Store:
    """Documents, queues and events over one Redis. Open one per process, on the loop that uses it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.persistence: dict[str, str] = {}
        """The server's own settings of what it may lose; {} where it does not tell."""
        self.queues = Queues(connection)
        self.queue_minutes = QueueMinutes(connection)
        self.leases = Leases(connection)
        self.events = Events(connection)
        self.workers = Workers(connection)
        self.worker_history = WorkerHistory(connection)
        self.sessions = Sessions(connection)
        self.notes = Notes(connection)
        self.changes = Changes(connection)
        self._note: Note | None = None
        self._fence: Fence | None = None
        self._names = names.KnownNames(connection)
        self._model = Model(connection)
        self.changes.listen(self._model.apply, self._model.forget)
        self._following: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, url: str, *, retry_s: float = 15.0, is_one_of_many: bool = False) -> Store:
        """Connect to a URL, in any of the forms that `topology` names.

        Args:
            retry_s: how long one request waits while Redis is away (restarting, failing over).
            is_one_of_many: hear only of what is waited for, instead of every change; nobody can observe all then.

        Raises StoreUnavailable if it is not there in that time, UnsafeServer if it evicts keys, StoreError if it holds
        a newer layout than this version knows or half a backup; then nothing was written.
        """
        store = cls(Connection(url, retry_s=retry_s))
        try:
            store.persistence = await store.connection.check_safe()
            await bring_up_to_date(store.connection)
            hears = Tracking(store.connection, store.changes) if is_one_of_many else store.changes
            store._following = asyncio.create_task(hears.follow(), name="change-stream")
        except BaseException:
            await store.close()
            raise
        return store

    def warm(self) -> None:
        """Begin to load what queries among very many documents need, so that the first need not wait; for servers."""
        self._model.warm()

    async def open_segments(self, url: str) -> None:
        """Seal events into a directory or an fsspec URL, and read what is sealed there; "" = all stay in memory.

        Raises OtherPlace, SegmentsUnavailable, ValueError; see `segments.place`.
        """
        files = await open_place(self.connection, url)
        if files is not None:
            self.events.seal_to(files)

    async def close(self) -> None:
        """Close every connection; waiting calls end."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        await self._model.close()
        await self.connection.close()

    async def ping(self) -> None:
        """Raises StoreUnavailable when Redis stays away."""
        await self.connection.run(lambda client: client.ping())

    # ---- documents

    async def memory(self) -> list[dict[str, Any]]:
        """What every node says of its memory (INFO's names and values)."""
        await self.ping()

        async def ask(_client: Any) -> list[dict[str, Any]]:
            return [await client.info("memory") for client in self.connection.clients]

        return await self.connection.run(ask)

    async def get(self, kind: str, id: str, parts: Sequence[Path] | None = None) -> dict[str, Any] | None:
        """One document, or None; see `get_many`."""
        return (await documents.get_many(self.connection, kind, [id], parts))[0]

    async def get_many(
        self, kind: str, ids: Sequence[str], parts: Sequence[Path] | None = None
    ) -> list[dict[str, Any] | None]:
        """The documents in the order of `ids`, None where there is none; one round trip a few hundred.

        Args:
            parts: the paths wanted ("status", "execution.queue", "hyperparams.Args"), None = everything.
        """
        return await documents.get_many(self.connection, kind, ids, parts)

    async def exists(self, kind: str, ids: Sequence[str]) -> list[bool]:
        """Which of these documents there are; one round trip."""
        if not ids:
            return []
        found = await self.connection.run(lambda client: client.smismember(keys.ids(kind), list(ids)))
        return [bool(answer) for answer in found]

    async def ids(self, kind: str) -> list[str]:
        """The ids of every document of a kind, unordered; for kinds that are few (users, credentials)."""
        found: Any = await self.connection.run(lambda client: client.smembers(keys.ids(kind)))
        return [id.decode() for id in found]

    async def id_by_name(self, kind: str, scope: str, name: str) -> str | None:
        """Who holds a unique name (see `Transaction.claim_name`)."""
        found: Any = await self.connection.run(lambda client: client.hget(keys.names(kind, scope), name))
        return None if found is None else found.decode()

    async def history(self, task: str) -> list[dict[str, Any]]:
        """What `Transaction.record` noted of a task, oldest first."""
        found: Any = await self.connection.run(lambda client: client.lrange(keys.history(task), 0, -1))
        return [layout.decode(entry) for entry in found]

    def transaction(self) -> Transaction:
        """Conditions and writes that will happen together, at `commit`."""
        return Transaction(self.connection, note=self._note, fence=self._fence)

    def for_call(self, note: Note | None, fence: Fence | None) -> Store:
        """This store for one call, whose transactions leave a note and happen only under its claim."""
        own = copy.copy(self)
        own._note, own._fence = note, fence
        return own

    # ---- queries

    async def query(self, kind: str, query: Query) -> QueryResult:
        """The page of ids that a query asks for; sees every write acknowledged before the call."""
        if query.kind != kind:
            raise ValueError(f"a query of {query.kind} asked of {kind}")
        if query.scroll_id is None:
            return QueryResult(*await self._model.page(query, query.start, query.start + query.size))
        return await self._scroll(query)

    async def query_all(self, kind: str, query: Query) -> list[str]:
        """Every id that matches, whatever page was asked for."""
        return (await self._model.page(query, 0, None))[0]

    async def values(self, kind: str, query: Query, paths: Sequence[str]) -> list[tuple[Any, ...]]:
        """`(id, value, ...)` of every document that matches, whatever page was asked for, without reading documents.

        Args:
            paths: fields of the kind that can be queried ("project", "status", "last_metrics.<m>.<v>.value"); None
                stands where a document has none. Raises InvalidQuery for others.
        """
        found, columns = await self._model.values(query, [field_of(kind, path) for path in paths])
        return list(zip(found, *columns, strict=True))

    async def names(self, kind: str, part: str, query: Query) -> dict[tuple[str, ...], str]:
        """The names that users gave in a part (hyperparams, last_metrics, metadata) of all documents that match.

        Each with the id of one document that has it: (section, name), or (metric hash, variant hash), or (key,).
        """
        stamps = await self._model.stamps(query, [field_of(kind, path) for path in names.STAMPS])
        return await self._names.of(kind, part, stamps)

    async def counts(self, kind: str, query: Query, paths: Sequence[str]) -> list[tuple[Any, ...]]:
        """`(value, ..., how many)` for each combination of values among what matches; as `values`, but counted here.

        A list of tags is one value. Cheap for any number of documents where the values are few (status, project).
        """
        return await self._model.counts(query, [field_of(kind, path) for path in paths])

    async def totals(
        self, kind: str, query: Query, by: Sequence[str], *, sums: Sequence[str] = (), greatest: Sequence[str] = ()
    ) -> list[tuple[Any, ...]]:
        """`(value of by, ..., how many, sum, ..., greatest, ...)` for each combination of values of `by`.

        Numbers and times count, other values do not; the greatest of times is a time, of nothing None.
        """
        named = [[field_of(kind, path) for path in paths] for paths in (by, sums, greatest)]
        return await self._model.totals(query, *named)

    async def _scroll(self, query: Query) -> QueryResult:
        """Go on where the scroll was left; an unknown or expired one starts anew under another id."""
        state = await self.get_scroll(query.scroll_id) if query.scroll_id else None
        scroll_id = query.scroll_id if state and query.scroll_id else secrets.token_hex(16)
        position = int(state["position"]) if state else 0
        if query.refresh_scroll and state:
            page, total = await self._model.page(query, 0, position)
        else:
            page, total = await self._model.page(query, position, position + query.size)
            position += len(page)
        await self.put_scroll(scroll_id, {"position": position}, SCROLL_KEPT_S)
        return QueryResult(page, total, scroll_id)

    async def get_scroll(self, id: str) -> dict[str, Any] | None:
        """The state of a paged read, None when it is unknown or expired."""
        raw: Any = await self.connection.run(lambda client: client.get(keys.scroll(id)))
        return None if raw is None else layout.decode(raw)

    async def put_scroll(self, id: str, state: dict[str, Any], kept_s: int) -> None:
        """Keep the state of a paged read for a while."""
        await self.connection.run(lambda client: client.set(keys.scroll(id), layout.encode(state), ex=kept_s))
