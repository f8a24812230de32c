"""Data of other layouts: older is brought up to date once, newer is not touched."""

from __future__ import annotations

from typing import Any

import pytest

from control_plane.store import EmbeddedStore, Store, StoreError, keys
from control_plane.store.connection import Connection
from control_plane.store.migrations import bring_up_to_date


async def test_data_of_a_newer_layout_is_left_as_it_is(embedded: EmbeddedStore, store: Store) -> None:
    client = store.connection.client
    await client.set(keys.schema_version(), keys.SCHEMA_VERSION + 1)
    before = await written(client)
    with pytest.raises(StoreError, match=f"layout {keys.SCHEMA_VERSION + 1}"):
        await Store.open(embedded.url)
    assert await written(client) == before


async def test_a_restore_that_did_not_finish_is_refused(embedded: EmbeddedStore, store: Store) -> None:
    client = store.connection.client
    await client.set(keys.restoring(), "2026-01-01T00:00:00")
    before = await written(client)
    with pytest.raises(StoreError, match="did not finish"):
        await Store.open(embedded.url)
    assert await written(client) == before


async def written(client: Any) -> int:
    """Bytes that the store has written to its append-only file."""
    return int((await client.info("persistence"))["aof_current_size"])


async def test_older_data_is_brought_up_to_date_in_order_and_once(store: Store) -> None:
    connection = store.connection
    done: list[str] = []

    def migration(name: str, fails: bool = False) -> Any:
        async def migrate(found: Connection) -> None:
            assert found is connection
            done.append(name)
            if fails:
                raise ConnectionResetError("died half way")

        return migrate

    known = keys.SCHEMA_VERSION
    to_three = {known: migration("first"), known + 1: migration("second", fails=True)}
    with pytest.raises(ConnectionResetError):
        await bring_up_to_date(connection, known=known + 2, migrations=to_three)
    assert int(await connection.client.get(keys.schema_version())) == known + 1

    to_three[known + 1] = migration("second again")
    await bring_up_to_date(connection, known=known + 2, migrations=to_three)
    await bring_up_to_date(connection, known=known + 2, migrations=to_three)
    assert done == ["first", "second", "second again"]
    assert int(await connection.client.get(keys.schema_version())) == known + 2


async def test_data_too_old_to_migrate_is_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="cannot bring"):
        await bring_up_to_date(store.connection, known=keys.SCHEMA_VERSION + 1, migrations={})
