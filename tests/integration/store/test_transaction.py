"""Transactions on a real server: conditions, writes, repeats and races."""

import asyncio

import pytest

from control_plane.store import AnyOf, GuardFailed, Store, keys
from control_plane.store.transaction import Transaction

NOTHING = {
    **{key: {} for key in ("execution", "script", "output", "models", "container")},
    **{key: {} for key in ("hyperparams", "configuration", "runtime", "last_metrics")},
    "tags": [],
    "system_tags": [],
}


async def create(store: Store, id: str = "t", kind: str = "task", **document: object) -> None:
    transaction = store.transaction()
    transaction.create(kind, id, document)
    await transaction.commit()


async def test_set_replaces_exactly_what_is_at_a_path(store: Store) -> None:
    await create(
        store,
        script={"diff": "d", "repository": "r"},
        hyperparams={"A": {"x": 1, "y": 2}, "B": {"z": 3}},
        status="created",
    )
    transaction = store.transaction()
    transaction.set(
        "task",
        "t",
        {"script": {"entry_point": "e"}, "hyperparams.A": {"y": 5}, ("runtime", "a.b"): None, "status": None},
    )
    await transaction.commit()
    assert await store.get("task", "t") == {
        **NOTHING,
        "id": "t",
        "script": {"entry_point": "e"},
        "hyperparams": {"A": {"y": 5}, "B": {"z": 3}},
        "runtime": {"a.b": None},
    }


async def test_unset_empties_containers_and_drops_values(store: Store) -> None:
    await create(store, name="n", runtime={"x": 1}, hyperparams={"A": {"x": 1}, "AB": {"y": 1}})
    transaction = store.transaction()
    transaction.unset("task", "t", ["name", "runtime", "hyperparams.A"])
    await transaction.commit()
    assert await store.get("task", "t") == {**NOTHING, "id": "t", "hyperparams": {"AB": {"y": 1}}}


async def test_a_document_of_many_fields_is_written_whole(store: Store) -> None:
    params = {f"p{i}": {"value": str(i)} for i in range(5000)}
    await create(store, hyperparams={"Args": params})
    found = await store.get("task", "t", ["hyperparams"])
    assert found is not None
    assert found["hyperparams"]["Args"] == params


@pytest.mark.parametrize(
    ("expected", "holds"),
    [
        ({"status": "created"}, True),
        ({"status": "queued"}, False),
        ({"status": AnyOf(("queued", "created"))}, True),
        ({"started": None}, True),
        ({"status": None}, False),
        ({"execution.queue": "q"}, False),
    ],
)
async def test_nothing_is_written_unless_every_condition_holds(store: Store, expected: dict, holds: bool) -> None:
    await create(store, status="created")
    transaction = store.transaction()
    transaction.set("task", "t", {"name": "written"})
    transaction.expect("task", "t", expected)
    if holds:
        await transaction.commit()
    else:
        with pytest.raises(GuardFailed) as caught:
            await transaction.commit()
        [(path, value)] = expected.items()
        assert (caught.value.guard.path, caught.value.guard.expected) == (path, value)
        assert caught.value.found == ("created" if path == "status" else None)
    document = await store.get("task", "t")
    assert document is not None
    assert ("name" in document) == holds


async def test_a_deleted_document_is_not_resurrected(store: Store) -> None:
    await create(store)
    transaction = store.transaction()
    transaction.delete("task", "t")
    await transaction.commit()
    late = store.transaction()
    late.set("task", "t", {"status": "failed"})
    with pytest.raises(GuardFailed) as caught:
        await late.commit()
    assert caught.value.guard.kind == "exists"
    assert await store.get("task", "t") is None
    assert await store.exists("task", ["t"]) == [False]
    client = store.connection.client
    assert [key async for key in client.scan_iter("*:d:task:*")] == []


async def test_of_many_claims_on_a_name_one_wins_and_the_others_learn_who(store: Store) -> None:
    async def claim(number: int) -> str:
        transaction = store.transaction()
        transaction.claim_name("queue", "company", "default", f"q{number}")
        transaction.create("queue", f"q{number}", {"name": "default"})
        try:
            await transaction.commit()
        except GuardFailed as failed:
            return str(failed.found)
        return f"q{number}"

    owners = await asyncio.gather(*(claim(number) for number in range(20)))
    assert len(set(owners)) == 1
    assert await store.id_by_name("queue", "company", "default") == owners[0]
    assert len(await store.ids("queue")) == 1


async def test_a_released_name_is_free_and_anothers_is_not_released(store: Store) -> None:
    transaction = store.transaction()
    transaction.claim_name("queue", "c", "n", "a")
    await transaction.commit()
    wrong = store.transaction()
    wrong.release_name("queue", "c", "n", "b")
    with pytest.raises(GuardFailed):
        await wrong.commit()
    right = store.transaction()
    right.release_name("queue", "c", "n", "a")
    await right.commit()
    assert await store.id_by_name("queue", "c", "n") is None


async def test_a_task_moves_between_queues_whoever_moves_it(store: Store) -> None:
    await create(store)

    async def enqueue(queue: str) -> None:
        transaction = store.transaction()
        transaction.enqueue(queue, "t")
        await transaction.commit()

    for _ in range(10):
        await asyncio.gather(*(enqueue(f"q{number}") for number in range(5)))
        counts = await store.queues.counts([f"q{number}" for number in range(5)])
        assert sum(counts) == 1
        assert counts[int((await store.queues.queue_of("t") or "q9")[1:])] == 1


async def test_dequeue_tells_where_the_task_waited(store: Store) -> None:
    await create(store)
    transaction = store.transaction()
    transaction.enqueue("q", "t")
    assert (await transaction.commit()).dequeued == {"t": None}
    transaction = store.transaction()
    transaction.dequeue("t")
    assert (await transaction.commit()).dequeued == {"t": "q"}
    assert await store.queues.counts(["q"]) == [0]


async def test_a_commit_whose_answer_was_lost_is_not_done_twice(store: Store) -> None:
    await create(store, last_iteration=0)
    connection = store.connection
    real, lost = connection.script, 0

    async def losing(name, script_keys, args):
        nonlocal lost
        answer = await real(name, script_keys, args)
        if name == "commit" and lost < 3:
            lost += 1
            raise ConnectionError("the answer was lost")
        return answer

    connection.script = losing  # type: ignore[method-assign]
    transaction = store.transaction()
    transaction.increment("task", "t", "last_iteration", 5)
    done = await transaction.commit()
    assert lost == 3
    found = await store.get("task", "t", ["last_iteration"])
    assert found is not None
    assert found["last_iteration"] == 5
    assert done.change == int(await connection.client.get(keys.change_counter()))


async def test_older_claims_end_when_a_task_is_enqueued_or_fenced(store: Store) -> None:
    await create(store, status="queued")

    async def claim() -> int:
        transaction = store.transaction()
        transaction.enqueue("q", "t")
        await transaction.commit()
        [taken] = await store.queues.claim(["q"], worker="w", now_ms=0, lease_ms=1000)
        return taken.number

    async def holds(number: int) -> bool:
        transaction = store.transaction()
        transaction.expect_claim("t", number)
        transaction.set("task", "t", {"status_message": "written"})
        try:
            await transaction.commit()
        except GuardFailed as failed:
            assert failed.guard.kind == "claim"
            assert failed.found > number
            return False
        return True

    first = await claim()
    assert await holds(first)
    second = await claim()
    assert not await holds(first)
    assert await holds(second)
    fence = store.transaction()
    fence.fence("t")
    await fence.commit()
    assert not await holds(second)


async def test_a_transaction_is_used_with_its_own_clock(store: Store) -> None:
    await create(store)
    transaction = Transaction(store.connection, now_ms=1234)
    transaction.enqueue("q", "t")
    await transaction.commit()
    [[entry]] = await store.queues.entries(["q"])
    assert (entry.task, entry.added_ms) == ("t", 1234)
