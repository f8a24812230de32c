"""Commands that share a connection: each answer and each failure reaches the one call that asked."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis.asyncio as aioredis
from redis import exceptions as redis_errors

from control_plane.store import EmbeddedStore, Store
from control_plane.store.batching import BatchedRedis

pytestmark = pytest.mark.embedded  # about one connection, with keys that a Cluster would spread


async def test_concurrent_commands_get_their_own_answers_in_few_writes(store: Store) -> None:
    client = store.connection.client
    await client.ping()
    before = client.round_trips
    await asyncio.gather(*(client.set(f"k{i}", i) for i in range(500)))
    answers = await asyncio.gather(*(client.get(f"k{i}") for i in range(500)))
    assert answers == [str(i).encode() for i in range(500)]
    assert client.round_trips - before <= 4


async def test_a_wrong_command_fails_alone(store: Store) -> None:
    client = store.connection.client
    await client.set("text", "x")
    answers = await asyncio.gather(
        client.get("text"), client.hget("text", "field"), client.get("text"), return_exceptions=True
    )
    assert isinstance(answers[1], redis_errors.ResponseError)
    assert [answers[0], answers[2]] == [b"x", b"x"]


async def test_a_cancelled_call_does_not_shift_the_answers_of_others(store: Store) -> None:
    client = store.connection.client
    await asyncio.gather(*(client.set(f"k{i}", i) for i in range(20)))
    calls = [asyncio.create_task(client.get(f"k{i}")) for i in range(20)]
    await asyncio.sleep(0)  # every call has asked
    for call in calls[::3]:
        call.cancel()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    for i, answer in enumerate(answers):
        assert isinstance(answer, asyncio.CancelledError) if i % 3 == 0 else answer == str(i).encode()


async def test_an_atomic_read_is_of_one_moment(store: Store) -> None:
    """Two keys are always written together; a read of both sees them equal."""
    client = store.connection.client
    other = aioredis.Redis.from_url(store.connection.url)

    async def write() -> None:
        for number in range(300):
            async with other.pipeline(transaction=True) as pipe:
                pipe.set("a", number).set("b", number)
                await pipe.execute()

    await client.mset({"a": -1, "b": -1})
    writing = asyncio.create_task(write())
    while not writing.done():
        first, second = await client.many([("GET", "a"), ("GET", "b")], atomic=True)
        assert first == second
    await writing
    await other.aclose()


async def test_the_error_of_one_of_many_is_raised_and_the_connection_stays(store: Store) -> None:
    client = store.connection.client
    await client.set("text", "x")
    for atomic in (True, False):
        with pytest.raises(redis_errors.ResponseError):
            await client.many([("GET", "text"), ("HGETALL", "text")], atomic=atomic)
    assert await client.many([("GET", "text"), ("GET", "none")]) == [b"x", None]


@pytest.mark.parametrize(
    "ids", [["a" * 32, "b" * 32, "c" * 32], ["a", "bb", "c" * 200], ["ä", "%", "\0"], ["%", "s", "\0"]]
)
async def test_one_field_of_many_hashes_is_read_of_each(store: Store, ids: list[str]) -> None:
    client = store.connection.client
    field = "a b\0ä%s"
    await client.hset(f"h:{ids[0]}:%s:x", mapping={field: "zero", "other": "-"})
    await client.hset(f"h:{ids[2]}:%s:x", mapping={field: b"\0\xff\r\n"})
    found = await client.field_of_each("h:%s:%s:x", [*ids, ids[0]], field)
    assert found == [b"zero", None, b"\0\xff\r\n", b"zero"]
    await client.set(f"h:{ids[1]}:%s:x", "no hash")
    with pytest.raises(redis_errors.ResponseError, match="WRONGTYPE"):
        await client.field_of_each("h:%s:%s:x", ids, field)
    assert await client.hget(f"h:{ids[0]}:%s:x", "other") == b"-"


async def test_every_unanswered_call_hears_of_a_lost_connection(store: Store) -> None:
    client = store.connection.client
    id = int(await client.execute_command("CLIENT ID"))
    killer = aioredis.Redis.from_url(store.connection.url)
    # The server is paused: the commands are sent, their answers never come.
    await killer.execute_command("CLIENT PAUSE", 10_000, "WRITE")
    calls = [asyncio.create_task(client.incr("n")) for _ in range(10)]
    await asyncio.sleep(0.05)  # they are on their way; nothing tells when the server has read them
    await killer.execute_command("CLIENT KILL", "ID", id)
    async with asyncio.timeout(60):
        answers = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(answer, redis_errors.ConnectionError) for answer in answers)
    await killer.execute_command("CLIENT UNPAUSE")
    assert await client.ping()
    await killer.aclose()


async def test_concurrent_commits_survive_cut_connections_exactly_once(store: Store) -> None:
    """Whatever happens to the connection, an increment that was asked once is there once."""
    transaction = store.transaction()
    transaction.create("task", "t", {"name": "t", "last_iteration": 0})
    await transaction.commit()
    killer = aioredis.Redis.from_url(store.connection.url)

    async def add() -> None:
        nonlocal committed
        transaction = store.transaction()
        transaction.increment("task", "t", "last_iteration", 1)
        await transaction.commit()
        committed += 1

    committed = cuts = 0

    async def cut() -> None:
        nonlocal cuts
        seen = 0
        while True:
            await asyncio.sleep(0.01)  # commits are on their way at any moment: one is as good as another
            if committed == seen:
                continue  # cut more often than a busy machine connects, none would ever get through
            seen = committed
            # Every connection but the killer's own: also those of the change stream.
            cuts += bool(await killer.execute_command("CLIENT KILL", "TYPE", "normal", "SKIPME", "yes"))

    cutting = asyncio.create_task(cut())
    asked = 0
    while cuts < 10:
        await asyncio.gather(*(add() for _ in range(30)))
        asked += 30
    cutting.cancel()
    await asyncio.gather(cutting, return_exceptions=True)
    document = await store.get("task", "t", ["last_iteration"])
    assert document is not None
    assert document["last_iteration"] == asked
    await killer.aclose()


@pytest.fixture
async def silent(short_tmp: Path) -> AsyncIterator[str]:
    """A server that greets and then says nothing more."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        greeting = True
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                if b"INCR" in data:
                    greeting = False
                if greeting:
                    # One answer a command; HELLO's map must be a map.
                    for command in data.split(b"*")[1:]:
                        writer.write(b"%1\r\n+proto\r\n:3\r\n" if b"HELLO" in command else b"+OK\r\n")
        writer.close()

    server = await asyncio.start_unix_server(serve, path=str(short_tmp / "s"))
    yield f"unix://{short_tmp}/s"
    server.close()


async def test_a_server_that_falls_silent_is_gone(silent: str) -> None:
    client = BatchedRedis(connection_pool=aioredis.ConnectionPool.from_url(silent), silence_s=0.2)
    async with asyncio.timeout(60):
        with pytest.raises(redis_errors.ConnectionError):
            await client.incr("n")
    await client.aclose()


async def test_a_store_that_restarts_is_found_again(embedded: EmbeddedStore, store: Store) -> None:
    await store.connection.client.set("k", "v")
    process = embedded._process
    assert process is not None
    process.kill()
    answers = await asyncio.gather(*(store.connection.run(lambda client: client.get("k")) for _ in range(50)))
    assert answers == [b"v"] * 50
