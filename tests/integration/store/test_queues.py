"""Queues on a real server: order, claims, flights and leases."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from control_plane.store import EmbeddedStore, Store, keys
from control_plane.store.notes import Note

QUEUES = ["a", "b"]


async def put(store: Store, queue: str, *tasks: str, status: str = "queued", position: str = "tail") -> None:
    for task in tasks:
        transaction = store.transaction()
        if not (await store.exists("task", [task]))[0]:
            transaction.create("task", task, {"status": status})
        transaction.enqueue(queue, task, position)  # type: ignore[arg-type]
        await transaction.commit()


async def make_queues(store: Store, *names: str) -> None:
    transaction = store.transaction()
    for name in names:
        transaction.create("queue", name, {"name": name})
    await transaction.commit()


async def waiting(store: Store, queue: str) -> list[str]:
    return [entry.task for entry in (await store.queues.entries([queue]))[0]]


@contextmanager
def running_store() -> Iterator[tuple[asyncio.Runner, Store]]:
    """A store for tests that are not coroutines themselves: hypothesis drives them."""
    with tempfile.TemporaryDirectory(prefix="cl-") as folder, asyncio.Runner() as runner:
        embedded = runner.run(EmbeddedStore(Path(folder) / "store", durability="process").__aenter__())
        store = runner.run(Store.open(embedded.url))
        try:
            yield runner, store
        finally:
            runner.run(store.close())
            runner.run(embedded.__aexit__())


def test_queues_behave_like_sorted_lists() -> None:
    """Any sequence of calls leaves the queues as the same calls leave plain lists."""
    with running_store() as (runner, store):

        class Machine(RuleBasedStateMachine):
            @initialize()
            def start(self) -> None:
                runner.run(store.connection.client.flushall())
                runner.run(make_queues(store, *QUEUES))
                self.lists: dict[str, list[str]] = {name: [] for name in QUEUES}
                self.flying: dict[str, tuple[str, object]] = {}
                self.made = 0

            def check(self) -> None:
                for name, expected in self.lists.items():
                    assert runner.run(waiting(store, name)) == expected
                assert runner.run(store.queues.counts(QUEUES)) == [len(self.lists[name]) for name in QUEUES]

            def remove(self, task: str) -> None:
                for tasks in self.lists.values():
                    if task in tasks:
                        tasks.remove(task)
                self.flying.pop(task, None)

            @rule(queue=st.sampled_from(QUEUES), at_head=st.booleans())
            def enqueue_new(self, queue: str, at_head: bool) -> None:
                self.made += 1
                self.enqueue(queue, f"t{self.made}", at_head)

            @precondition(lambda self: self.made > 0)
            @rule(queue=st.sampled_from(QUEUES), number=st.integers(0, 10**6), at_head=st.booleans())
            def enqueue_again(self, queue: str, number: int, at_head: bool) -> None:
                self.enqueue(queue, f"t{number % self.made + 1}", at_head)

            def enqueue(self, queue: str, task: str, at_head: bool) -> None:
                runner.run(put(store, queue, task, position="head" if at_head else "tail"))
                self.remove(task)
                self.lists[queue].insert(0 if at_head else len(self.lists[queue]), task)
                self.check()

            @precondition(lambda self: self.made > 0)
            @rule(number=st.integers(0, 10**6))
            def dequeue(self, number: int) -> None:
                task = f"t{number % self.made + 1}"
                transaction = store.transaction()
                transaction.dequeue(task)
                runner.run(transaction.commit())
                self.remove(task)
                self.check()

            @rule(limit=st.integers(1, 3))
            def claim(self, limit: int) -> None:
                taken = runner.run(store.queues.claim(QUEUES, worker="w", now_ms=0, lease_ms=1000, limit=limit))
                merged = [(task, name) for name in QUEUES for task in self.lists[name]]
                assert [(claim.task, claim.queue) for claim in taken] == merged[:limit]
                for claim in taken:
                    self.lists[claim.queue].remove(claim.task)
                    self.flying[claim.task] = (claim.queue, claim)
                self.check()

            @precondition(lambda self: self.flying)
            @rule(data=st.data())
            def release(self, data: st.DataObject) -> None:
                task = data.draw(st.sampled_from(sorted(self.flying)))
                queue, claim = self.flying.pop(task)
                assert runner.run(store.queues.release(claim)).outcome == "returned"  # type: ignore[arg-type]
                self.lists[queue].insert(0, task)
                self.check()

            @precondition(lambda self: any(self.lists.values()))
            @rule(data=st.data(), by=st.integers(-4, 4), to=st.none() | st.integers(0, 5))
            def move(self, data: st.DataObject, by: int, to: int | None) -> None:
                queue = data.draw(st.sampled_from([name for name in QUEUES if self.lists[name]]))
                tasks = self.lists[queue]
                task = data.draw(st.sampled_from(tasks))
                target = to if to is not None else tasks.index(task) + by
                target = max(0, min(len(tasks) - 1, target))
                tasks.remove(task)
                tasks.insert(target, task)
                assert runner.run(store.queues.move(queue, task, by=by, to=to)) == target
                self.check()

        run_state_machine_as_test(  # type: ignore[no-untyped-call]
            Machine,
            settings=settings(
                max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
            ),
        )


async def test_a_hundred_moves_to_one_place_keep_the_order(store: Store) -> None:
    """Halving the gap between two neighbours ends after some fifty moves; the queue is numbered afresh then."""
    tasks = [f"t{number}" for number in range(5)]
    await put(store, "q", *tasks)
    for _ in range(100):
        tasks.insert(1, tasks.pop())
        assert await store.queues.move("q", tasks[1], to=1) == 1
        assert await waiting(store, "q") == tasks


async def test_moving_what_does_not_wait_here_says_so(store: Store) -> None:
    assert await store.queues.move("q", "nobody", to=0) is None


async def test_no_entry_is_taken_twice_by_many_claimants(store: Store) -> None:
    tasks = [f"t{number}" for number in range(200)]
    await put(store, "q", *tasks)

    async def work(worker: str) -> list[str]:
        taken = []
        while claims := await store.queues.claim(["q"], worker=worker, now_ms=0, lease_ms=1000):
            taken += [claim.task for claim in claims]
        return taken

    async with asyncio.timeout(20):
        shares = await asyncio.gather(*(work(f"w{number}") for number in range(16)))
    assert sorted(task for share in shares for task in share) == sorted(tasks)


async def test_fair_order_takes_from_one_queue_after_the_other(store: Store) -> None:
    await put(store, "a", "a1", "a2", "a3")
    await put(store, "b", "b1")
    await put(store, "c", "c1", "c2")

    async def take(limit: int = 1) -> list[str]:
        taken = await store.queues.claim(
            ["a", "b", "c"], worker="w", now_ms=0, lease_ms=1000, order="fair", limit=limit
        )
        return [claim.task for claim in taken]

    assert [await take() for _ in range(3)] == [["a1"], ["b1"], ["c1"]]
    assert await take(5) == ["a2", "c2", "a3"]


async def test_priority_order_empties_the_first_queue_first(store: Store) -> None:
    await put(store, "b", "b1")
    await put(store, "a", "a1", "a2")
    taken = await store.queues.claim(["a", "b"], worker="w", now_ms=0, lease_ms=1000, limit=9)
    assert [claim.task for claim in taken] == ["a1", "a2", "b1"]


async def test_a_claim_tells_the_status_that_the_task_has(store: Store) -> None:
    await put(store, "q", "t1")
    await put(store, "q", "t2", status="stopped")
    await put(store, "q", "t3")
    await store.connection.run(lambda client: client.delete(keys.document("task", "t3")))
    taken = await store.queues.claim(["q"], worker="w", now_ms=0, lease_ms=1000, limit=3)
    assert [(claim.task, claim.status) for claim in taken] == [("t1", "queued"), ("t2", "stopped"), ("t3", None)]


async def test_a_call_whose_answer_arrived_takes_another_task_its_own_lost_try_the_same(
    store: Store,
) -> None:
    await put(store, "q", "t1", "t2", "t3", "t4")
    note = Note("call", 1000, by="server")

    async def take(note: Note, now_ms: int) -> list[str]:
        taken = await store.queues.claim(["q"], worker="w", now_ms=now_ms, lease_ms=1000, note=note)
        return [claim.task for claim in taken]

    assert await take(note, 1) == ["t1"]
    assert await take(note, 2) == ["t1"], "a repeat gets the same"
    over = replace(note, is_over=True)
    assert await take(over, 3) == ["t2"]
    assert await take(over, 3) == ["t2"], "the connection to the store broke, and the same try was made once more"
    another = Note("call", 1000, by="server", is_over=True)
    assert await take(another, 3) == ["t3"], "an equal call of the same millisecond is another call"
    assert await take(note, 4) == ["t3"], "what came before is forgotten"
    assert await take(over, 5) == ["t4"]
    assert await take(over, 6) == []


async def test_expired_lease_returns_the_task_to_the_head(store: Store) -> None:
    await make_queues(store, "q")
    await put(store, "q", "t1", "t2")
    [claim] = await store.queues.claim(["q"], worker="w", now_ms=1000, lease_ms=500)
    assert await store.queues.return_expired(1499) == []
    [returned] = await store.queues.return_expired(1500)
    assert (returned.claim, returned.outcome) == (claim, "returned")
    assert await waiting(store, "q") == ["t1", "t2"]
    [again] = await store.queues.claim(["q"], worker="v", now_ms=2000, lease_ms=500)
    assert (again.task, again.number, again.added_ms) == ("t1", claim.number + 1, claim.added_ms)


@pytest.mark.parametrize(
    ("status", "outcome"), [("in_progress", "started"), ("stopped", "started"), ("created", "returned")]
)
async def test_only_a_task_that_still_waits_returns(store: Store, status: str, outcome: str) -> None:
    await make_queues(store, "q")
    await put(store, "q", "t")
    [claim] = await store.queues.claim(["q"], worker="w", now_ms=0, lease_ms=1)
    transaction = store.transaction()
    transaction.set("task", "t", {"status": status})
    await transaction.commit()
    assert (await store.queues.release(claim)).outcome == outcome
    assert await store.queues.flights(["t"]) == {}
    assert await waiting(store, "q") == (["t"] if outcome == "returned" else [])


async def test_a_flight_whose_queue_was_deleted_is_reported(store: Store) -> None:
    await make_queues(store, "q")
    await put(store, "q", "t")
    await store.queues.claim(["q"], worker="w", now_ms=0, lease_ms=1)
    transaction = store.transaction()
    transaction.delete("queue", "q")
    await transaction.commit()
    [returned] = await store.queues.return_expired(10)
    assert (returned.claim.task, returned.outcome) == ("t", "no queue")


async def test_an_older_claim_cannot_release_a_newer_one(store: Store) -> None:
    await make_queues(store, "q")
    await put(store, "q", "t")
    [old] = await store.queues.claim(["q"], worker="w", now_ms=0, lease_ms=1)
    await store.queues.return_expired(10)
    [new] = await store.queues.claim(["q"], worker="v", now_ms=20, lease_ms=1000)
    assert (await store.queues.release(old)).outcome == "gone"
    assert await store.queues.release_claim("t", old.number) is None
    assert await store.queues.flights(["t"]) == {"t": new}


async def test_time_without_a_server_counts_for_nobody(store: Store) -> None:
    await make_queues(store, "q")
    await put(store, "q", "t")
    await store.queues.claim(["q"], worker="w", now_ms=0, lease_ms=100)
    await store.queues.extend_all(10_000)
    assert await store.queues.return_expired(9_999) == []
    assert len(await store.queues.return_expired(10_000)) == 1


async def test_renewing_keeps_flight_and_lease_and_tells_what_is_lost(store: Store) -> None:
    await make_queues(store, "q")
    await put(store, "q", "t", "u")
    first, second = await store.queues.claim(["q"], worker="w", now_ms=0, lease_ms=100, limit=2, holds_leases=True)
    assert await store.leases.until_ms(["t", "u"]) == {"t": 100, "u": 100}
    lost = await store.leases.renew("w", {"t": first.number, "u": second.number - 1, "x": 1}, now_ms=50, lease_ms=100)
    assert lost == {"u": second.number, "x": None}
    assert [r.claim.task for r in await store.queues.return_expired(149)] == ["u"]
    assert await store.leases.held("w") == {"t": (first.number, 50)}
    assert (await store.leases.until_ms(["t"]))["t"] == 150
    await put(store, "q", "t")
    assert await store.leases.until_ms(["t"]) == {}, "a task that was queued again has no lease from before"
