"""A backup of a Cluster: its metadata are of one moment, its events seconds later, and a restore makes them agree."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from control_plane.store import EmbeddedStore, Store
from control_plane.store.archive import Writer, verify
from control_plane.store.backup import finish_directory, restore_directory, save
from control_plane.store.connection import Connection
from control_plane.store.events import SEQUENCE, Part, Run
from control_plane.store.series import last_metrics
from tests import invariants
from tests.redis_servers import cluster, needs_redis

pytestmark = needs_redis


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cl-", ignore_cleanup_errors=True) as name:
        yield Path(name)


async def report(store: Store, task: str, step: int) -> None:
    """What a server does with a reported value: events first, then the document's projection."""
    run = Run("loss", "v", steps=[step], times_ms=[step], values=[1.0 / (step + 1)])
    appended = await store.events.append(task, Part(secrets.token_hex(4), step, b"1", {("loss", "v"): run}))
    transaction = store.transaction()
    transaction.set("task", task, {**last_metrics(appended.changed), SEQUENCE: appended.sequence})
    await transaction.commit()


async def write(store: Store, stop: asyncio.Event) -> list[str]:
    tasks: list[str] = []
    while not stop.is_set():
        task = secrets.token_hex(16)
        transaction = store.transaction()
        transaction.create("task", task, {"name": "reports", "status": "queued"})
        transaction.enqueue("q", task)
        await transaction.commit()
        tasks.append(task)
        for step in range(4):
            await report(store, task, step)
    return tasks


async def test_a_backup_of_a_cluster_under_load_restores_into_one_store(folder: Path) -> None:
    def told(_what: str, _done: int) -> None:
        pass

    with cluster(folder / "cluster") as servers:
        for node in servers.nodes:
            with node.client() as client:
                client.config_set("repl-diskless-sync-delay", 0)
        store = await Store.open(servers.url)
        connection = Connection(servers.url)
        try:
            transaction = store.transaction()
            transaction.create("queue", "q", {"name": "q"})
            await transaction.commit()
            stop = asyncio.Event()
            async with asyncio.timeout(60), asyncio.TaskGroup() as group:
                writing = [group.create_task(write(store, stop)) for _ in range(4)]
                while not await store.ids("task"):  # noqa: ASYNC110 - what it waits for is in Redis
                    await asyncio.sleep(0.05)
                with Writer(folder / "backup") as into:
                    facts = await save(connection, into, told, embedded=False)
                    into.finish(facts)
                stop.set()
            written = sum(len(task.result()) for task in writing)
        finally:
            await connection.close()
            await store.close()
    assert len(facts["moments"]) == 3
    manifest = verify(folder / "backup")
    await restore_directory(folder / "store", folder / "backup", manifest, told)
    finish_directory(folder / "store")
    async with EmbeddedStore(folder / "store") as embedded:
        restored = await Store.open(embedded.url)
        try:
            looked = await invariants.check(restored)
        finally:
            await restored.close()
    assert 0 < looked["tasks"] <= written
    assert looked["points"] > 0
