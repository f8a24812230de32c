"""Keys move: a node dies and its replica takes over, a Sentinel names another primary, a slot goes elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.crc import key_slot

from control_plane.store import GuardFailed, Store, StoreError, StoreUnavailable, keys
from control_plane.store.connection import METADATA_SLOT
from control_plane.store.events import Part, Run
from control_plane.store.query import Query
from tests.redis_servers import Node, Servers, cluster, needs_redis, sentinel, single, until

pytestmark = needs_redis
RECOVERY_S = 60.0


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cl-", ignore_cleanup_errors=True) as name:
        yield Path(name)


async def create(store: Store, id: str, **values: Any) -> None:
    transaction = store.transaction()
    transaction.create("task", id, {"name": id, "status": "created", **values})
    try:
        await transaction.commit()
    except GuardFailed:
        pass  # its first try was done, on a server that took it along


async def found(store: Store) -> list[str]:
    return sorted(await store.query_all("task", Query.from_request("task", {})))


def points(step: int) -> Part:
    return Part(f"p{step}", step, b"1", {("loss", "v"): Run("loss", "v", steps=[step], times_ms=[1], values=[1.0])})


def owner_of(servers: Servers, slot: int) -> Node:
    """The primary that holds a slot."""
    with servers.nodes[0].client() as client:
        for first, last, primary, *_ in client.execute_command("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return next(node for node in servers.nodes if node.port == primary[1])
    raise AssertionError(slot)


async def wake_after(store: Store, change: Any) -> None:
    """A waiter hears of a change that is made now."""
    with store.changes.waiting([("task", "woken")]) as waiter:
        await change
        async with asyncio.timeout(RECOVERY_S):
            await waiter.wait()


async def test_a_cluster_goes_on_when_the_node_with_the_metadata_dies(folder: Path) -> None:
    with cluster(folder, replicas=True) as servers:
        store = await Store.open(servers.url)
        other = await Store.open(servers.url)
        try:
            for number in range(20):
                await create(store, f"before{number}")
            assert len(await found(other)) == 20
            await asyncio.to_thread(owner_of(servers, METADATA_SLOT).kill)
            died = time.monotonic()
            await create(store, "after")
            assert time.monotonic() - died < RECOVERY_S
            # Both read the same, on the node that took over, whatever it had of the last writes.
            assert await found(store) == await found(other)
            assert "after" in await found(other)
            await wake_after(other, create(store, "woken"))
            assert "woken" in await found(other)
        finally:
            await store.close()
            await other.close()


async def test_a_cluster_without_that_node_says_so_in_time(folder: Path) -> None:
    with cluster(folder) as servers:
        store = await Store.open(servers.url, retry_s=1.0)
        try:
            await create(store, "one")
            node = owner_of(servers, METADATA_SLOT)
            await asyncio.to_thread(node.kill)
            started = time.monotonic()
            with pytest.raises(StoreError, match="did not answer"):
                await create(store, "two")
            assert time.monotonic() - started < 30
            await asyncio.to_thread(node.start)
            async with asyncio.timeout(RECOVERY_S):
                while True:
                    try:
                        await create(store, "two")
                        break
                    except StoreError:
                        continue  # waits by itself
            assert await found(store) == ["one", "two"]
        finally:
            await store.close()


async def test_events_follow_their_slot_to_another_node(folder: Path) -> None:
    with cluster(folder) as servers:
        store = await Store.open(servers.url)
        try:
            await store.events.append("task", points(1))
            slot = key_slot(keys.event_meta("task").encode())
            await asyncio.to_thread(move_slot, servers, slot)
            await store.events.append("task", points(2))
            assert (await store.events.append("task", points(1))).repeated == b"1"
            assert (await store.events.scalars("task"))[("loss", "v")].steps == [1, 2]
        finally:
            await store.close()


def move_slot(servers: Servers, slot: int) -> None:
    """Move a slot to another node, key by key, as `redis-cli --cluster reshard` does."""
    source = owner_of(servers, slot)
    target = next(node for node in servers.nodes if node is not source)
    with source.client() as old, target.client() as new:
        old_id, new_id = (client.execute_command("CLUSTER", "MYID") for client in (old, new))
        new.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", old_id)
        old.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", new_id)
        names = old.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 1000)
        assert names
        old.execute_command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *names)
        new.execute_command("CLUSTER", "SETSLOT", slot, "NODE", new_id)
        old.execute_command("CLUSTER", "SETSLOT", slot, "NODE", new_id)


@pytest.mark.parametrize("how", ["killed", pytest.param("demoted", marks=pytest.mark.full)])
async def test_sentinel_names_another_primary(folder: Path, how: str) -> None:
    with sentinel(folder) as servers:
        store = await Store.open(servers.url)
        other = await Store.open(servers.url)
        try:
            await create(store, "before")
            await store.events.append("task", points(1))
            assert await found(other) == ["before"]
            with servers.nodes[0].client() as primary:
                assert await asyncio.to_thread(primary.wait, 1, 5000) == 1  # the replica has everything
            if how == "killed":
                await asyncio.to_thread(servers.nodes[0].kill)
            else:
                await asyncio.to_thread(switch, servers)
            started = time.monotonic()
            await create(store, "after")
            assert time.monotonic() - started < RECOVERY_S
            assert await found(other) == ["after", "before"]
            await wake_after(other, create(store, "woken"))
            await store.events.append("task", points(2))
            assert (await other.events.scalars("task"))[("loss", "v")].steps == [1, 2]
        finally:
            await store.close()
            await other.close()


def switch(servers: Servers) -> None:
    """Let the Sentinel begin a failover; it takes a moment until it knows its replica well enough."""
    port = int(servers.url.rpartition("/")[0].rpartition(":")[2])

    def begun() -> bool:
        with contextlib.suppress(redis.ResponseError):  # NOGOODSLAVE
            return bool(client.execute_command("SENTINEL", "FAILOVER", "ours"))
        return False

    with redis.Redis(port=port) as client:
        until(begun, "the failover begins")
    with servers.nodes[0].client() as old:
        until(lambda: old.execute_command("ROLE")[0] == b"slave", "the old primary is a replica")


async def test_a_redis_without_memory_is_unavailable_until_it_has_some(folder: Path) -> None:
    with single(folder, "--maxmemory", "4mb") as servers:
        store = await Store.open(servers.url)
        try:
            with pytest.raises(StoreUnavailable, match="takes no writes"):
                for number in range(100):
                    await create(store, f"full{number}", comment="x" * 100_000)
            assert len(await found(store)) == len(await store.ids("task")) > 0
            with servers.nodes[0].client() as client:
                client.config_set("maxmemory", 0)
            await create(store, "room")
            assert "room" in await found(store)
        finally:
            await store.close()


async def test_a_primary_without_its_replicas_is_unavailable(folder: Path) -> None:
    with (
        single(folder, "--min-replicas-to-write", "1") as servers,
        pytest.raises(StoreUnavailable, match="takes no writes"),
    ):
        await Store.open(servers.url)
