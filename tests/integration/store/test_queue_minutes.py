"""What is noted about queues on a real server."""

from __future__ import annotations

from control_plane.store import Store, keys
from control_plane.store.queue_minutes import HOUR_S, HOURS_KEPT, Span

HOUR_MS = HOUR_S * 1000
NOW_MS = 490_000 * HOUR_MS
"""The beginning of an hour."""


async def put(store: Store, queue: str, *tasks: str, added_ms: int = NOW_MS) -> None:
    for task in tasks:
        transaction = store.transaction()
        transaction.create("task", task, {"status": "queued"})
        transaction.enqueue(queue, task, added_ms=added_ms)
        transaction._now_ms = added_ms
        await transaction.commit()


async def take(store: Store, now_ms: int, limit: int = 1) -> int:
    return len(await store.queues.claim(["q"], worker="w", now_ms=now_ms, lease_ms=1000, limit=limit))


async def test_every_change_and_every_wait_is_noted(store: Store) -> None:
    await put(store, "q", "a", "b", "c")
    assert await take(store, NOW_MS + 2000) == 1
    assert await take(store, NOW_MS + 61_000, limit=2) == 2
    minute = NOW_MS // 1000
    assert await store.queue_minutes.read("q") == [Span(minute, 3, 1, 2000), Span(minute + 60, 2, 2, 122_000)]
    assert await take(store, NOW_MS + 200_000) == 0
    assert len(await store.queue_minutes.read("q")) == 2


async def test_what_goes_on_waiting_is_seen_and_then_that_it_is_gone(store: Store) -> None:
    await put(store, "q", "a", added_ms=NOW_MS)
    await put(store, "q", "b", added_ms=NOW_MS + 10_000)
    await store.queue_minutes.look(["q", "empty"], NOW_MS + 70_000)
    assert await store.queue_minutes.read("empty") == []
    assert (await store.queue_minutes.read("q"))[1] == Span(NOW_MS // 1000 + 60, 2, age_ms=65_000)
    assert await take(store, NOW_MS + 70_000, limit=2) == 2
    for minutes in (2, 3, 4):
        await store.queue_minutes.look(["q"], NOW_MS + minutes * 60_000)
    known = await store.queue_minutes.read("q")
    assert [(span.at_s - NOW_MS // 1000, span.longest) for span in known] == [(0, 2), (60, 2), (120, 0)]


async def test_a_task_taken_out_by_hand_was_there(store: Store) -> None:
    await put(store, "q", "a")
    transaction = store.transaction()
    transaction._now_ms = NOW_MS + 60_000
    transaction.dequeue("a")
    await transaction.commit()
    assert [(span.longest, span.taken) for span in await store.queue_minutes.read("q")] == [(1, 0), (1, 0)]


async def test_old_minutes_become_hours_and_old_hours_are_forgotten(store: Store) -> None:
    await put(store, "q", "a", added_ms=NOW_MS)
    await put(store, "q", "b", added_ms=NOW_MS + 30 * 60_000)
    await take(store, NOW_MS + 31 * 60_000, limit=2)
    for _ in range(2):  # repeating it does no harm
        await store.queue_minutes.fold("q", NOW_MS + HOUR_MS)
    assert len(await store.queue_minutes.read("q")) == 3
    await store.queue_minutes.fold("q", NOW_MS + 25 * HOUR_MS)
    assert await store.queue_minutes.read("q") == [Span(NOW_MS // 1000, 2, 2, 32 * 60_000)]
    await store.queue_minutes.fold("q", NOW_MS + HOURS_KEPT * HOUR_MS)
    assert await store.queue_minutes.read("q") == []
    assert not await store.connection.client.exists(keys.queue_minutes("q"))


async def test_the_notes_go_with_the_queue(store: Store) -> None:
    await put(store, "q", "a")
    await take(store, NOW_MS)
    transaction = store.transaction()
    transaction.delete("queue", "q")
    await transaction.commit()
    assert await store.queue_minutes.read("q") == []
