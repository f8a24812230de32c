"""An answer that hands out tasks and cannot be written gives them back, whenever the caller went away."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from control_plane.schema.agents import WaitRequest
from control_plane.services import agents
from control_plane.services.access import Access
from control_plane.services.context import Context, Identity
from control_plane.settings import Settings
from control_plane.store import EmbeddedStore, Store

LIMIT_S = 60


@pytest.fixture
async def ctx() -> AsyncIterator[Context]:
    with tempfile.TemporaryDirectory(prefix="cl-") as folder:
        async with EmbeddedStore(Path(folder) / "store") as embedded:
            store = await Store.open(embedded.url)
            settings = Settings()
            access = Access(store, b"k" * 32, settings, lambda: datetime.now(UTC))
            yield Context(
                store=store, settings=settings, identity=Identity("u", settings.company), access=access, worker="host"
            )
            await store.close()


async def fill(store: Store, *tasks: str) -> None:
    transaction = store.transaction()
    if not (await store.exists("queue", ["q"]))[0]:
        transaction.create("queue", "q", {"name": "q"})
    for task in tasks:
        transaction.create("task", task, {"status": "queued"})
        transaction.enqueue("q", task)
    await transaction.commit()


async def waiting(store: Store) -> list[str]:
    return [entry.task for entry in (await store.queues.entries(["q"]))[0]]


async def test_an_undelivered_answer_returns_its_entries_in_their_order(ctx: Context) -> None:
    await fill(ctx.store, "t1", "t2", "t3")
    answer = await agents.wait(ctx, WaitRequest(worker="w", queues=["q"], slots=2))
    assert [entry.task for entry in answer.entries] == ["t1", "t2"]
    assert ctx.connection.has_compensations
    await ctx.connection.compensate()
    assert await waiting(ctx.store) == ["t1", "t2", "t3"]
    assert await ctx.store.leases.held("w") == {}
    assert await ctx.store.leases.until_ms(["t1", "t2"]) == {}
    assert ctx.counters["unanswered_entries"] == 2


async def test_an_answer_that_the_agent_acted_on_is_not_taken_back(ctx: Context) -> None:
    """The answer arrived although the server believes it did not: the started task stays started."""
    await fill(ctx.store, "t1")
    await agents.wait(ctx, WaitRequest(worker="w", queues=["q"]))
    transaction = ctx.store.transaction()
    transaction.set("task", "t1", {"status": "in_progress"})
    transaction.dequeue("t1")
    await transaction.commit()
    await ctx.connection.compensate()
    assert await waiting(ctx.store) == []


async def test_nothing_is_taken_for_a_caller_who_hung_up(ctx: Context) -> None:
    await fill(ctx.store)
    async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as group:
        call = group.create_task(agents.wait(ctx, WaitRequest(worker="w", queues=["q"])))
        await asyncio.sleep(0)
        ctx.connection.lose()
        await fill(ctx.store, "t1")
    assert call.result().entries == []
    assert await waiting(ctx.store) == ["t1"]


async def test_a_cancelled_wait_leaves_nobody_waiting(ctx: Context) -> None:
    await fill(ctx.store)
    for _ in range(20):
        call = asyncio.create_task(agents.wait(ctx, WaitRequest(worker="w", queues=["q"])))
        await asyncio.sleep(0.005)  # into the wait, or on the way to it: both have to be clean
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        assert call.cancelled()
    assert ctx.store.changes._waiters == {}
