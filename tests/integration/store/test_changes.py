"""The change stream: who waits is woken, and nothing is missed."""

import asyncio
import contextlib
import os
import signal

from control_plane.store import EmbeddedStore, Query, Store, keys

LIMIT_S = 60


async def enqueue(store: Store, queue: str, task: str) -> None:
    transaction = store.transaction()
    transaction.enqueue(queue, task)
    await transaction.commit()


async def test_a_waiter_is_woken_by_another_process_writes(embedded: EmbeddedStore, store: Store) -> None:
    other = await Store.open(embedded.url)
    async with asyncio.timeout(LIMIT_S):
        with store.changes.waiting([("queue", "q")]) as waiter:
            await enqueue(other, "q", "t")
            await waiter.wait()
            while await store.queues.counts(["q"]) != [1]:
                await waiter.wait()
    await other.close()


async def test_a_waiter_sleeps_through_other_changes(store: Store) -> None:
    with (
        store.changes.waiting([("queue", "mine"), ("task", "t")]) as mine,
        store.changes.waiting([("queue", "other")]) as other,
    ):
        async with asyncio.timeout(LIMIT_S):
            # The stream's start wakes everybody once: who came first cannot know what happened before.
            await asyncio.sleep(0)
            await enqueue(store, "other", "x")
            await other.wait()
        try:
            async with asyncio.timeout(0.05):
                await mine.wait()  # at most the wake-up of the start
                await mine.wait()
            raise AssertionError("woken by what it does not wait for")
        except TimeoutError:
            pass


async def test_returned_entries_wake_whoever_waits_for_the_queue(store: Store) -> None:
    transaction = store.transaction()
    transaction.create("queue", "q", {"name": "q"})
    transaction.create("task", "t", {"status": "queued"})
    transaction.enqueue("q", "t")
    await transaction.commit()
    [claim] = await store.queues.claim(["q"], worker="w", now_ms=0, lease_ms=1000)
    async with asyncio.timeout(LIMIT_S):
        with store.changes.waiting([("queue", "q")]) as waiter:
            await store.queues.release(claim)
            while await store.queues.counts(["q"]) != [1]:
                await waiter.wait()


async def test_waiting_goes_on_after_the_store_was_killed(embedded: EmbeddedStore, store: Store) -> None:
    async with asyncio.timeout(LIMIT_S):
        with store.changes.waiting([("queue", "q")]) as waiter:
            await enqueue(store, "q", "before")
            await waiter.wait()
            assert embedded.pid is not None
            os.kill(embedded.pid, signal.SIGKILL)
            await enqueue(store, "q", "after")
            while (await store.queues.counts(["q"])) != [2]:
                await waiter.wait()
            # Woken by the stream itself again, not only by its loss.
            await waiter.wait()
            await enqueue(store, "q", "later")
            await waiter.wait()


async def test_the_stream_is_trimmed_and_its_numbers_have_no_gaps(store: Store) -> None:
    for number in range(5):
        await enqueue(store, "q", f"t{number}")
    client = store.connection.client
    entries = await client.xrange(keys.changes())
    assert [id for id, _ in entries] == [f"{number}-0".encode() for number in range(1, 6)]
    assert int(await client.get(keys.change_counter())) == 5


async def test_nobody_is_remembered_after_waiting(store: Store) -> None:
    for _ in range(50):
        with store.changes.waiting([("queue", "q"), ("task", "t")]):
            pass
    assert store.changes._waiters == {}


async def test_a_name_that_holds_separators_stops_nobody(store: Store) -> None:
    """Ids of users and workers are their own choice; the stream of changes must stay readable whatever they are."""
    await store.query("task", Query.from_request("task", {}))
    for number, id in enumerate(("a\0b", "\0", "c\x01d", "e\x01\x02f", "\x01")):
        with store.changes.waiting([("user", id)]) as waiter:
            transaction = store.transaction()
            transaction.create("user", id, {"name": str(number)})
            transaction.create("task", f"t{number}", {"name": "n"})
            await transaction.commit()
            async with asyncio.timeout(60):
                await waiter.wait()
        assert (await store.query("task", Query.from_request("task", {}))).total == number + 1


async def following(store: Store) -> None:
    """Wait until the stream is followed: its start wakes everybody once, whatever happened before."""
    with store.changes.waiting([("queue", "first")]) as waiter:
        while not waiter.taken:
            await enqueue(store, "first", "t")
            await waiter.wait()
        waiter.settle()


async def test_an_entry_wakes_one_waiter_and_the_next_when_that_one_leaves(store: Store) -> None:
    changes = store.changes
    async with asyncio.timeout(LIMIT_S):
        await following(store)
        with changes.waiting([("queue", "q")]) as first:
            with changes.waiting([("queue", "q")]) as second, changes.waiting([("queue", "q")]) as third:
                await enqueue(store, "q", "x")
                await first.wait()
                assert not second.turns
                changes.pass_on(first)  # it may not take what is there
                await second.wait()
                second.settle()  # it found nothing
                await enqueue(store, "q", "y")
                await first.wait()
                assert not second.turns | third.turns
                first.settle()
            assert not first.turns  # those who left had nothing to pass on


async def test_a_waiter_that_leaves_without_looking_wakes_another(store: Store) -> None:
    changes = store.changes
    async with asyncio.timeout(LIMIT_S):
        await following(store)
        with contextlib.ExitStack() as earlier:
            first = earlier.enter_context(changes.waiting([("queue", "q")]))
            with changes.waiting([("queue", "q")]) as second:
                await enqueue(store, "q", "x")
                await first.wait()
                assert not second.turns
                earlier.close()
                await second.wait()
