"""A server whose clock is set back believes nobody for longer than it would have."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from control_plane.schema.workers import StatusReportRequest
from control_plane.services import workers
from control_plane.services.access import Access
from control_plane.services.context import Context, Identity
from control_plane.services.errors import ApiError
from control_plane.settings import Settings
from control_plane.store import EmbeddedStore, Store


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    with tempfile.TemporaryDirectory(prefix="cl-") as folder:
        async with EmbeddedStore(Path(folder) / "store", durability="process") as embedded:
            opened = await Store.open(embedded.url)
            yield opened
            await opened.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def access(store: Store, clock: Clock) -> Access:
    return Access(store, b"k" * 32, Settings(), clock)


async def user(store: Store) -> None:
    transaction = store.transaction()
    transaction.create("user", "u", {"name": "u", "role": "user"})
    await transaction.commit()


async def test_a_revocation_elsewhere_is_seen_after_the_clock_was_set_back(
    store: Store, access: Access, clock: Clock
) -> None:
    await user(store)
    token = access.mint(Identity("u", Settings().company, role="user"))
    assert (await access.by_token(token)).user == "u"
    clock.now -= timedelta(hours=1)
    transaction = store.transaction()
    transaction.set("user", "u", {"_epoch": 1})  # as another replica ends sessions: this process is not told
    await transaction.commit()
    with pytest.raises(ApiError, match="sessions were ended"):
        await access.by_token(token)


async def test_the_last_use_of_a_key_is_noted_after_the_clock_was_set_back(access: Access, clock: Clock) -> None:
    access.uses._written["K"] = clock.now.timestamp()
    access.uses.note("K", clock.now.timestamp() - 10, "")
    assert not access.uses._waiting
    access.uses.note("K", clock.now.timestamp() - 3600, "")
    assert access.uses._waiting


async def test_reports_of_workers_are_kept_after_the_clock_was_set_back(
    store: Store, access: Access, clock: Clock
) -> None:
    ctx = Context(
        store=store,
        settings=Settings(),
        identity=Identity("u", Settings().company, role="agent"),
        access=access,
        clock=clock,
    )
    kept: list[int] = []
    for moved_s in (0, 0, -3600, 0):
        clock.now += timedelta(seconds=moved_s)
        report = StatusReportRequest(worker="w", timestamp=ctx.now_ms, machine_stats={"cpu_usage": [1.0]})
        await workers.status_report(ctx, report)
        kept.append((await store.workers.get(workers.key(ctx, "w"), ctx.now_ms) or {})["measured_ms"])
    assert kept[0] == kept[1] > kept[2] == kept[3]
