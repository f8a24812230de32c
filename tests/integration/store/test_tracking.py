"""A store that hears only of what is waited for: who waits is woken all the same, and nothing else costs anything."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest

from control_plane.store import EmbeddedStore, Store

LIMIT_S = 60


@pytest.fixture
async def quiet(embedded: EmbeddedStore, store: Store) -> AsyncIterator[Store]:
    del store  # it has filled the store
    opened = await Store.open(embedded.url, is_one_of_many=True)
    yield opened
    await opened.close()


async def enqueue(store: Store, queue: str, task: str) -> None:
    transaction = store.transaction()
    transaction.enqueue(queue, task)
    await transaction.commit()


async def put(store: Store, kind: str, id: str, name: str) -> None:
    transaction = store.transaction()
    (is_there,) = await store.exists(kind, [id])
    (transaction.set if is_there else transaction.create)(kind, id, {"name": name})
    await transaction.commit()


async def settled(store: Store) -> None:
    """Until the connection that tells is there: whoever waits by then is woken for it once."""
    with store.changes.waiting([("task", "none")]) as waiter:
        await waiter.wait()


async def test_a_waiter_is_woken_by_what_others_do_to_what_it_awaits(store: Store, quiet: Store) -> None:
    await put(store, "worker", "host:gpu0,1", "before")
    async with asyncio.timeout(LIMIT_S):
        awaited = [("queue", "q"), ("task", "t"), ("worker", "host:gpu0,1")]
        with quiet.changes.waiting(awaited) as waiter:
            for _ in range(2):  # the beginning wakes, too: whoever came first looks again
                await enqueue(store, "q", "t")
                while await quiet.queues.counts(["q"]) != [1]:
                    await waiter.wait()
                for kind, id in (("task", "t"), ("worker", "host:gpu0,1"), ("queue", "q")):
                    for name in ("one", "two"):
                        await put(store, kind, id, name)
                        while (await quiet.get(kind, id) or {}).get("name") != name:
                            await waiter.wait()
                transaction = store.transaction()
                transaction.dequeue("t")
                await transaction.commit()
                while await quiet.queues.counts(["q"]) != [0]:
                    await waiter.wait()


async def test_what_others_do_beside_it_is_not_heard(store: Store, quiet: Store) -> None:
    await settled(quiet)
    async with asyncio.timeout(LIMIT_S):
        with quiet.changes.waiting([("queue", "q"), ("task", "t")]) as waiter:
            await waiter.wait()  # it is told of them now
            telling = quiet.connection._blocking
            assert telling is not None
            heard: list[object] = []
            wire = telling._wire
            assert wire is not None
            told, wire.on_push = wire.on_push, heard.append
            for number in range(300):
                await put(store, "task", f"other{number % 7}", str(number))
                await enqueue(store, "other", f"x{number}")
            await telling.ask(("EXISTS", "x"))  # what the server had to say before has arrived
            assert heard == []
            wire.on_push = told
            await enqueue(store, "q", "t")
            while await quiet.queues.counts(["q"]) != [1]:
                await waiter.wait()
            found: dict[str, object] = await store.connection.run(lambda client: client.info("clients"))
            assert found["blocked_clients"] == 1  # the other store's


async def test_waiting_goes_on_after_the_store_was_killed(
    embedded: EmbeddedStore, store: Store, quiet: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("control_plane.store.tracking.LOOK_S", 3600.0)  # nothing wakes but what is told
    async with asyncio.timeout(LIMIT_S):
        for number in range(3):
            if number:
                assert embedded.pid is not None
                os.kill(embedded.pid, signal.SIGKILL)
                await enqueue(store, "other", f"x{number}")  # it is back
            with quiet.changes.waiting([("queue", f"q{number}")]) as waiter:
                await waiter.wait()  # it is told of the queue now
                await asyncio.sleep(0.5)  # a wake-up of the lost connection's successor has come, too, if there is one
                waiter._event.clear()
                await enqueue(store, f"q{number}", f"t{number}")
                await waiter.wait()
                assert await quiet.queues.counts([f"q{number}"]) == [1]


async def test_a_user_who_may_not_be_told_reads_every_change(embedded: EmbeddedStore, store: Store) -> None:
    rules = ("on", ">pw", "~*", "&*", "+@all", "-client|tracking")
    await store.connection.run(lambda client: client.execute_command("ACL SETUSER", "older", *rules))
    quiet = await Store.open(embedded.url.replace("unix://", "unix://older:pw@"), is_one_of_many=True)
    async with asyncio.timeout(LIMIT_S):
        with quiet.changes.waiting([("queue", "q")]) as waiter:
            for number in range(3):
                await enqueue(store, "q", f"t{number}")
                while await quiet.queues.counts(["q"]) != [number + 1]:
                    await waiter.wait()
    await quiet.close()


async def test_of_many_that_wait_for_a_queue_one_has_each_task_and_none_stays(
    embedded: EmbeddedStore, store: Store
) -> None:
    for number in range(40):
        await put(store, "task", f"t{number}", "queued")
    taken: list[str] = []
    done = asyncio.Event()

    async def serve(name: str) -> None:
        quiet = await Store.open(embedded.url, is_one_of_many=True)
        try:
            while True:
                with quiet.changes.waiting([("queue", "q")]) as waiter:
                    while not (claims := await quiet.queues.claim(["q"], worker=name, now_ms=0, lease_ms=1000)):
                        await waiter.wait()
                taken.extend(claim.task for claim in claims)
                done.set()
        finally:
            await quiet.close()

    async with asyncio.timeout(LIMIT_S):
        async with asyncio.TaskGroup() as group:
            servers = [group.create_task(serve(f"w{number}")) for number in range(6)]
            for number in range(40):
                await enqueue(store, "q", f"t{number}")
                while number % 3 and len(taken) <= number:  # now and then several at once
                    done.clear()
                    await done.wait()
            while len(taken) < 40:
                done.clear()
                await done.wait()
            for server in servers:
                server.cancel()
    assert sorted(taken) == sorted(f"t{number}" for number in range(40))
