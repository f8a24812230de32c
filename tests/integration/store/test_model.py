"""The read model: every query sees what was acknowledged before it, whoever wrote it."""

import asyncio
import random
from typing import Any

import pytest

from control_plane.store import EmbeddedStore, Query, Store, StoreUnavailable, kept, keys

BODIES: list[dict[str, Any]] = [
    {"tags": ["a"]},
    {"tags": ["-a"], "order_by": ["-name"]},
    {"name": "1", "order_by": ["name"]},
    {"hyperparams.Args.lr.value": ["1", "2"]},
    {"runtime.progress": 3},
    {"order_by": ["-hyperparams.Args.lr.value", "name"]},
]


async def ids(store: Store, body: dict[str, Any]) -> list[str]:
    return (await store.query("task", Query.from_request("task", body))).ids


def random_task(chance: random.Random) -> dict[str, Any]:
    return {
        "name": f"n{chance.randrange(30)}",
        "tags": chance.sample(["a", "b", "c"], chance.randrange(3)),
        "created": f"2020-01-01T00:00:{chance.randrange(60):02}.000000+00:00",
        "hyperparams": {"Args": {"lr": {"value": str(chance.randrange(4))}}} if chance.random() < 0.7 else {},
        "runtime": {"progress": chance.randrange(5)},
    }


async def test_a_query_sees_every_write_of_every_replica_at_once(embedded: EmbeddedStore, store: Store) -> None:
    """Two processes' stores change tasks in turn; both, and a new one, always answer the same."""
    other = await Store.open(embedded.url)
    chance = random.Random(7)
    known: list[str] = []
    for step in range(150):
        writer, reader = (store, other) if step % 2 else (other, store)
        transaction = writer.transaction()
        if not known or chance.random() < 0.5:
            known.append(f"t{step}")
            transaction.create("task", known[-1], random_task(chance))
        elif chance.random() < 0.3:
            transaction.delete("task", known.pop(chance.randrange(len(known))))
        else:
            transaction.set("task", chance.choice(known), random_task(chance))
        await transaction.commit()
        body = chance.choice(BODIES)
        fresh = await Store.open(embedded.url)
        expected = await ids(fresh, body)
        await fresh.close()
        assert await ids(reader, body) == expected
        assert await ids(writer, body) == expected
    assert sorted(await ids(store, {})) == sorted(known)
    await other.close()


async def test_a_model_that_fell_behind_the_stream_rebuilds_itself(store: Store) -> None:
    transaction = store.transaction()
    transaction.create("task", "t0", {"name": "x", "created": "2020"})
    await transaction.commit()
    assert await ids(store, {}) == ["t0"]
    store._following.cancel()  # type: ignore[union-attr]
    await asyncio.gather(store._following, return_exceptions=True)  # type: ignore[arg-type]
    for number in range(1, 4):
        transaction = store.transaction()
        transaction.create("task", f"t{number}", {"name": "x", "created": "2020"})
        await transaction.commit()
    await store.connection.client.xtrim(keys.changes(), maxlen=1)
    assert await ids(store, {}) == ["t0", "t1", "t2", "t3"]
    await store.connection.client.xtrim(keys.changes(), maxlen=0)
    transaction = store.transaction()
    transaction.delete("task", "t1")
    await transaction.commit()
    await store.connection.client.xtrim(keys.changes(), maxlen=0)
    assert await ids(store, {}) == ["t0", "t2", "t3"]


async def test_a_store_that_lost_its_data_is_noticed(store: Store) -> None:
    transaction = store.transaction()
    transaction.create("task", "t", {"name": "x"})
    await transaction.commit()
    assert await ids(store, {}) == ["t"]
    await store.connection.client.flushall()
    assert await ids(store, {}) == []


async def test_queries_in_parallel_with_writes_are_never_torn(store: Store) -> None:
    """A query that runs while tasks come and go holds what was there before it, and never a half-read task."""
    done = asyncio.Event()

    async def write() -> None:
        for number in range(300):
            transaction = store.transaction()
            transaction.create("task", f"t{number:03}", {"name": "x", "tags": ["a"], "created": f"{number:03}"})
            await transaction.commit()
        done.set()

    async def read() -> None:
        seen = 0
        while not done.is_set():
            before = len(await store.ids("task"))
            found = await ids(store, {"tags": ["a"], "order_by": ["created"]})
            assert found == [f"t{number:03}" for number in range(len(found))]
            assert len(found) >= max(before, seen)
            seen = len(found)

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(write())
        for _ in range(4):
            group.create_task(read())


async def test_calls_by_id_never_touch_the_model(store: Store) -> None:
    transaction = store.transaction()
    transaction.create("task", "t", {"name": "x"})
    await transaction.commit()
    await store.get("task", "t")
    await store.get_many("task", ["t"], ["name"])
    await store.exists("task", ["t"])
    assert store._model._tables == {}


async def test_scrolling_reads_everything_once_and_ends_empty(store: Store) -> None:
    transaction = store.transaction()
    for number in range(5):
        transaction.create("task", f"t{number}", {"name": f"n{number}", "created": "2020"})
    await transaction.commit()

    async def page(scroll_id: str | None, **extra: Any) -> Any:
        body = {"order_by": ["name"], "scroll_id": scroll_id, "size": 2, **extra}
        return await store.query("task", Query.from_request("task", body))

    first = await page(None)
    assert first.scroll_id
    pages = [first.ids, *[(await page(first.scroll_id)).ids for _ in range(3)]]
    assert pages == [["t0", "t1"], ["t2", "t3"], ["t4"], []]
    assert (await page(first.scroll_id, refresh_scroll=True)).ids == [f"t{number}" for number in range(5)]
    unknown = await page("f" * 32)
    assert unknown.ids == ["t0", "t1"]
    assert unknown.scroll_id != "f" * 32


async def test_a_column_filled_while_documents_change_misses_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Queries that name new fields, beside changes of those fields: at the end everything is as it was written."""
    monkeypatch.setattr(kept, "DOCUMENTS_A_READ", 20)
    chance = random.Random(3)
    known: dict[str, dict[str, Any]] = {}

    async def write(id: str) -> None:
        parameters = {f"p{number}": {"value": str(chance.randrange(100))} for number in range(6)}
        transaction = store.transaction()
        if id not in known:
            transaction.create("task", id, {"name": id, "hyperparams": {"Args": parameters}})
        elif chance.random() < 0.2:
            transaction.delete("task", id)
            parameters = {}
        else:
            transaction.set("task", id, {("hyperparams", "Args"): parameters})
        await transaction.commit()
        known[id] = parameters
        if not parameters:
            del known[id]

    for number in range(400):
        await write(f"t{number:03}")
    for number in range(6):
        field = f"hyperparams.Args.p{number}.value"
        query = Query.from_request("task", {"order_by": [field]})
        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            filling = group.create_task(store.query("task", query))
            while not filling.done():
                await write(f"t{chance.randrange(420):03}")
                await store.query("task", Query.from_request("task", {"name": "1"}))
        expected = {id: parameters[f"p{number}"]["value"] for id, parameters in known.items()}
        assert dict(await store.values("task", query, [field])) == expected


async def until_loading(store: Store) -> None:
    while not any(table._loading for table in store._model._tables.values()):  # noqa: ASYNC110 - some turns later
        await asyncio.sleep(0)


async def test_loading_goes_on_when_its_request_is_cancelled(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "DOCUMENTS_A_READ", 2)
    for number in range(40):
        transaction = store.transaction()
        transaction.create("task", f"t{number:02}", {"name": "x", "created": f"{number:02}"})
        await transaction.commit()
    impatient = asyncio.create_task(ids(store, {}))
    await until_loading(store)
    loading = store._model._tables["task"]._loading
    assert loading is not None
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    assert not loading.done()
    assert await ids(store, {}) == [f"t{number:02}" for number in range(40)]
    assert loading.done() and not loading.cancelled()


async def test_a_store_that_is_closed_while_it_loads_leaves_nothing_behind(embedded: EmbeddedStore) -> None:
    store = await Store.open(embedded.url)
    for number in range(20):
        transaction = store.transaction()
        transaction.create("task", f"t{number:02}", {"name": "x"})
        await transaction.commit()
    impatient = asyncio.create_task(ids(store, {}))
    await until_loading(store)
    await store.close()
    with pytest.raises((asyncio.CancelledError, StoreUnavailable)):
        await impatient
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("read-model")]


async def test_what_is_large_is_loaded_before_anybody_asks(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("control_plane.store.model.LARGE", 3)
    for number in range(3):
        transaction = store.transaction()
        transaction.create("task", f"t{number}", {"name": "x"})
        await transaction.commit()
    store.warm()
    warming = store._model._warming
    assert warming is not None
    await warming
    assert list(store._model._tables) == ["task"]
    assert await ids(store, {}) == ["t0", "t1", "t2"]
