"""The store: one object through which everything else reads and writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from control_plane.store import documents, keys
from control_plane.store.connection import Connection
from control_plane.store.errors import StoreError
from control_plane.store.layout import Path
from control_plane.store.transaction import Transaction


class Store:
    """Documents, queues and events over one Redis. Open one per process, on the loop that uses it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.persistence: dict[str, str] = {}
        """The server's own settings of what it may lose; {} where it does not tell."""

    @classmethod
    async def open(cls, url: str, *, retry_s: float = 15.0) -> Store:
        """Connect to `redis://`, `rediss://` or `unix://`.

        Args:
            retry_s: how long one request waits while Redis is away (restarting, failing over).

        Raises StoreUnavailable if it is not there in that time, UnsafeServer if it evicts keys, StoreError if it holds
        a newer layout than this version knows.
        """
        store = cls(Connection(url, retry_s=retry_s))
        try:
            store.persistence = await store.connection.check_safe()
            await store._check_schema()
        except BaseException:
            await store.close()
            raise
        return store

    async def close(self) -> None:
        """Close every connection; waiting calls end."""
        await self.connection.close()

    async def ping(self) -> None:
        """Raises StoreUnavailable when Redis stays away."""
        await self.connection.run(lambda client: client.ping())

    # ---- documents

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

    async def id_by_name(self, kind: str, scope: str, name: str) -> str | None:
        """Who holds a unique name (see `Transaction.claim_name`)."""
        found = await self.connection.run(lambda client: client.hget(keys.names(kind, scope), name))
        return found.decode() if isinstance(found, bytes) else found

    def transaction(self) -> Transaction:
        """Conditions and writes that will happen together, at `commit`."""
        return Transaction(self.connection)

    async def _check_schema(self) -> None:
        async def claim(client: Any) -> bytes | None:
            await client.set(keys.schema_version(), keys.SCHEMA_VERSION, nx=True)
            found: bytes | None = await client.get(keys.schema_version())
            return found

        found = int(await self.connection.run(claim) or 0)
        if found != keys.SCHEMA_VERSION:
            raise StoreError(
                f"the data is of layout {found}, this version reads {keys.SCHEMA_VERSION}: use the one that wrote it"
            )
