"""Rounds of the watchdogs under clocks that jump, on a real store."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from control_plane.services import watchdog
from control_plane.services.access import Access
from control_plane.services.context import Context, Identity
from control_plane.services.lost import Signs
from control_plane.settings import Settings
from control_plane.store import EmbeddedStore, Store
from control_plane.store.leadership import Leadership


@dataclass
class Clock:
    """A clock that a test sets."""

    now: datetime = field(default_factory=lambda: datetime(2026, 1, 2, 12, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class Watched:
    """One leader and its store."""

    ctx: Context
    clock: Clock
    leadership: Leadership
    signs: Signs = field(default_factory=Signs)

    async def round(self) -> None:
        watch = await self.leadership.lead(60_000)
        assert watch is not None
        await watchdog.make_round(self.ctx, self.leadership, watch, self.signs)

    async def status(self, task: str) -> str:
        found = await self.ctx.store.get("task", task, ["status"])
        assert found is not None
        return str(found["status"])

    async def running(self, task: str) -> None:
        transaction = self.ctx.store.transaction()
        transaction.create("task", task, {"status": "in_progress", "last_update": self.ctx.now_iso})
        await transaction.commit()

    async def taken(self, task: str, *, holds_leases: bool) -> None:
        transaction = self.ctx.store.transaction()
        if not (await self.ctx.store.exists("queue", ["q"]))[0]:
            transaction.create("queue", "q", {"name": "q"})
        transaction.create("task", task, {"status": "queued", "last_update": self.ctx.now_iso})
        transaction.enqueue("q", task)
        await transaction.commit()
        await self.ctx.store.queues.claim(
            ["q"], worker="w", now_ms=self.ctx.now_ms, lease_ms=30_000, holds_leases=holds_leases
        )

    async def waiting(self) -> list[str]:
        return [entry.task for entry in (await self.ctx.store.queues.entries(["q"]))[0]]


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    with tempfile.TemporaryDirectory(prefix="cl-") as folder:
        async with EmbeddedStore(Path(folder) / "store", durability="process") as embedded:
            store = await Store.open(embedded.url)
            settings, clock = Settings(), Clock()
            access = Access(store, b"k" * 32, settings, clock)
            identity = Identity("u", settings.company, role="system")
            ctx = Context(store=store, settings=settings, identity=identity, access=access, clock=clock)
            found = Watched(ctx, clock, Leadership(store.connection))
            await found.round()
            yield found
            await store.close()


async def rounds(watched: Watched, seconds: float) -> None:
    """Rounds every 5 s, for so long by the clock."""
    for _ in range(int(seconds // 5)):
        watched.clock.move(5)
        await watched.round()


async def test_a_clock_set_forward_ends_nothing(watched: Watched) -> None:
    await watched.running("t")
    await watched.taken("u", holds_leases=False)
    watched.clock.move(86_400)
    await rounds(watched, 100)
    assert await watched.status("t") == "in_progress"
    assert await watched.waiting() == []
    await rounds(watched, 30)
    assert await watched.waiting() == ["u"]  # its full time after the jump


async def test_a_clock_set_back_keeps_nothing_for_longer_than_its_time(watched: Watched) -> None:
    await watched.taken("u", holds_leases=False)
    await watched.taken("v", holds_leases=True)
    watched.clock.move(-86_400)
    await rounds(watched, 130)
    assert sorted(await watched.waiting()) == ["u", "v"]


async def test_an_agent_lost_before_the_clock_was_set_back_is_noticed(watched: Watched) -> None:
    await watched.taken("v", holds_leases=True)
    transaction = watched.ctx.store.transaction()
    transaction.set("task", "v", {"status": "in_progress", "last_update": None})
    transaction.land("v")
    await transaction.commit()
    watched.clock.move(-86_400)
    await rounds(watched, 70)
    assert await watched.status("v") == "stopped"


async def test_a_script_that_reports_outlives_every_jump(watched: Watched) -> None:
    await watched.running("t")
    for jump in (7200, -7200, 30, -30, 86_400, -86_400):
        watched.clock.move(jump)
        for _ in range(4):
            transaction = watched.ctx.store.transaction()
            transaction.set("task", "t", {"last_update": watched.ctx.now_iso})
            await transaction.commit()
            await rounds(watched, 100)
        assert await watched.status("t") == "in_progress"


async def test_a_round_reads_only_the_tasks_that_are_silent(watched: Watched) -> None:
    await watched.running("silent")
    await rounds(watched, 7_100)
    for number in range(100):
        await watched.running(f"reports {number}")
    await rounds(watched, 5)  # the read model takes in what is new
    before = await commands(watched)
    await rounds(watched, 5)
    assert await commands(watched) - before < 50
    await rounds(watched, 100)
    assert await watched.status("silent") == "stopped"
    assert await watched.status("reports 0") == "in_progress"


async def commands(watched: Watched) -> int:
    """How many commands the store has answered."""
    found = await watched.ctx.store.connection.run(lambda client: client.info("stats"))
    return int(found["total_commands_processed"])
