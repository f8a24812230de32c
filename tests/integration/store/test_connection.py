"""Reaching Redis: waiting while it is away, refusing what is no database."""

import time
from pathlib import Path

import pytest

from control_plane.store import EmbeddedStore, Store, StoreError, StoreUnavailable, UnsafeServer, keys


async def test_a_server_that_stays_away_is_unavailable_in_bounded_time(short_tmp: Path) -> None:
    started = time.monotonic()
    with pytest.raises(StoreUnavailable, match="did not answer"):
        await Store.open(f"unix://{short_tmp}/nobody.sock", retry_s=0.3)
    assert time.monotonic() - started < 30


async def test_a_server_that_evicts_keys_is_refused(embedded: EmbeddedStore, store: Store) -> None:
    await store.connection.client.config_set("maxmemory-policy", "allkeys-lru")
    with pytest.raises(UnsafeServer, match="noeviction"):
        await Store.open(embedded.url)


async def test_data_of_another_layout_is_refused(embedded: EmbeddedStore, store: Store) -> None:
    await store.connection.client.set(keys.schema_version(), 99)
    with pytest.raises(StoreError, match="layout 99"):
        await Store.open(embedded.url)


async def test_a_lost_script_is_loaded_again(store: Store) -> None:
    await store.queues.claim(["q"], worker="w", now_ms=0, lease_ms=1)
    await store.connection.client.script_flush()
    assert await store.queues.claim(["q"], worker="w", now_ms=0, lease_ms=1) == []


async def test_nothing_is_left_open_after_many_rounds(embedded: EmbeddedStore) -> None:
    descriptors = Path("/proc/self/fd")
    for round in range(20):
        store = await Store.open(embedded.url)
        await store.ping()
        await store.close()
        if round == 2:
            before = len(list(descriptors.iterdir()))
    assert len(list(descriptors.iterdir())) <= before
