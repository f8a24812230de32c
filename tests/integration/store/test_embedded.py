"""The embedded server: private, supervised, stopped with us, and nothing acknowledged is lost with it."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from control_plane.store import DataDirInUse, EmbeddedStore, EmbeddedStoreError, Store
from control_plane.store.embedded import _answers

LIMIT_S = 60


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def create(store: Store, id: str) -> None:
    transaction = store.transaction()
    transaction.create("task", id, {"name": id})
    await transaction.commit()


async def test_only_its_owner_can_reach_it(embedded: EmbeddedStore, store: Store) -> None:
    socket = Path(embedded.url.removeprefix("unix://"))
    assert stat.S_IMODE(socket.stat().st_mode) == 0o700
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    assert await store.connection.client.config_get("port") == {"port": "0"}
    assert store.persistence["appendfsync"] == "always"


async def test_it_is_in_a_session_of_its_own_and_ends_with_us(short_tmp: Path) -> None:
    async with EmbeddedStore(short_tmp / "store") as embedded:
        pid = embedded.pid
        assert pid is not None
        assert os.getsid(pid) != os.getsid(0), "Ctrl-C would reach it before the server"
    assert not is_alive(pid)


async def test_acknowledged_writes_survive_kill_9_and_it_comes_back(embedded: EmbeddedStore, store: Store) -> None:
    """Writers go on while the store is killed again and again; their calls wait, none fails, none is done twice."""
    acknowledged: list[str] = []
    done = asyncio.Event()

    async def write(writer: int) -> None:
        number = 0
        while not done.is_set():
            id = f"w{writer}n{number}"
            await create(store, id)
            acknowledged.append(id)
            number += 1

    async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as group:
        for writer in range(4):
            group.create_task(write(writer))
        for kills in range(1, 6):
            while len(acknowledged) < 40 * kills or embedded.pid is None:  # noqa: ASYNC110 - writers run in between
                await asyncio.sleep(0)
            os.kill(embedded.pid, signal.SIGKILL)
            before = len(acknowledged)
            while embedded.restarts < kills or len(acknowledged) == before:  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.001)
        done.set()
    assert embedded.restarts == 5
    assert all(await store.exists("task", acknowledged))
    assert None not in await store.get_many("task", acknowledged, ["name"])


async def test_everything_is_there_after_a_stop(short_tmp: Path) -> None:
    for round in range(3):
        async with EmbeddedStore(short_tmp / "store") as embedded:
            store = await Store.open(embedded.url)
            assert len(await store.ids("task")) == round
            await create(store, f"t{round}")
            await store.close()


async def test_a_path_too_long_for_a_socket_is_no_obstacle(short_tmp: Path) -> None:
    directory = short_tmp / ("long" * 30) / "store"
    async with EmbeddedStore(directory) as embedded:
        socket = Path(embedded.url.removeprefix("unix://"))
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
        store = await Store.open(embedded.url)
        await create(store, "t")
        await store.close()
    assert not socket.parent.exists()


async def test_a_second_server_on_the_same_data_is_refused(embedded: EmbeddedStore, store: Store) -> None:
    with pytest.raises(DataDirInUse, match="another server runs on"):
        await EmbeddedStore(embedded.directory).__aenter__()
    await store.ping()


async def test_what_a_killed_server_left_running_is_replaced_without_loss(short_tmp: Path) -> None:
    directory = short_tmp / "store"
    program = f"""
import asyncio
from pathlib import Path
from control_plane.store import EmbeddedStore, Store

async def main():
    async with EmbeddedStore(Path({str(directory)!r})) as embedded:
        store = await Store.open(embedded.url)
        transaction = store.transaction()
        transaction.create("task", "t", {{"name": "kept"}})
        await transaction.commit()
        print(embedded.pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""
    with subprocess.Popen(  # noqa: ASYNC220 - nothing else runs on this loop meanwhile
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        orphan = int(server.stdout.readline())
        server.kill()
    assert is_alive(orphan)
    async with EmbeddedStore(directory) as embedded:
        assert not is_alive(orphan)
        assert embedded.pid != orphan
        store = await Store.open(embedded.url)
        found = await store.get("task", "t", ["name"])
        await store.close()
    assert found == {"id": "t", "name": "kept"}


async def test_a_foreign_process_with_the_noted_pid_is_left_alone(short_tmp: Path) -> None:
    directory = short_tmp / "store"
    directory.mkdir()
    (directory / "pid").write_text(f"{os.getpid()}\n")
    async with EmbeddedStore(directory) as embedded:
        assert embedded.pid != os.getpid()


async def test_damaged_data_is_an_error_that_says_so(short_tmp: Path) -> None:
    directory = short_tmp / "store"
    (directory / "appendonlydir").mkdir(parents=True)
    (directory / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")
    with pytest.raises(EmbeddedStoreError, match="ended with 1"):
        await EmbeddedStore(directory).__aenter__()
    # The lock is free again.
    (directory / "appendonlydir" / "appendonly.aof.manifest").unlink()
    async with EmbeddedStore(directory):
        pass


async def test_process_durability_does_not_wait_for_the_disk(short_tmp: Path) -> None:
    async with EmbeddedStore(short_tmp / "store", durability="process") as embedded:
        store = await Store.open(embedded.url)
        assert store.persistence["appendfsync"] == "no"
        await create(store, "t")
        assert embedded.pid is not None
        os.kill(embedded.pid, signal.SIGKILL)
        assert await store.exists("task", ["t"]) == [True]
        await store.close()


async def test_a_store_that_dies_before_it_answers_is_waited_for_no_longer(short_tmp: Path) -> None:
    """Whoever waits for the answer of a store is called off when it ends: that has to take no farewell."""
    listening = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        listening.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_unix_server(silent, str(short_tmp / "s")):
        answers = asyncio.create_task(_answers(short_tmp / "s"))
        await listening.wait()
        answers.cancel()
        done, _ = await asyncio.wait({answers}, timeout=20)
        assert done == {answers} and answers.cancelled()
