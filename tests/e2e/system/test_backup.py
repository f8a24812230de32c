"""Backups of a server under load, restored: everything of one moment, nothing half."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from control_plane.store import EmbeddedStore, Store, keys
from control_plane.store.embedded import running_url
from control_plane.store.segments.due import AT_ONCE
from tests import invariants
from tests.conftest import ApiFailure, RunningServer, running_server, start_server
from tests.redis_servers import needs_redis, single, until

pytestmark = pytest.mark.embedded


def command(*arguments: str, server: RunningServer | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    """`clearml-server ...`, in the environment of somebody who runs that server."""
    process = begun(*arguments, server=server, **env)
    out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def begun(*arguments: str, server: RunningServer | None = None, **env: str) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CLEARML_")}
    if server is not None:
        kept["CLEARML_RUNTIME_DIR"] = str(server.runtime_dir)
    return subprocess.Popen(
        [sys.executable, "-m", "control_plane.cli", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**kept, **env},
    )  # fmt: skip


def upload(server: RunningServer, name: str, content: bytes) -> None:
    head = f'--x\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n\r\n'
    body = head.encode() + content + b"\r\n--x--\r\n"
    headers = {"Authorization": f"Bearer {server.login()}", "Content-Type": "multipart/form-data; boundary=x"}
    request = urllib.request.Request(server.files, data=body, method="POST", headers=headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.status == 200


@contextlib.contextmanager
def writers(server: RunningServer, count: int = 3) -> Iterator[Callable[[], int]]:
    """People and agents who create, edit, enqueue, take, report, finish and delete; yields how much they did."""
    stop, done, failures = threading.Event(), [0] * count, list[Exception]()
    queue = server.call("queues.get_default")["id"]
    token = server.login()

    def write(number: int) -> None:
        chance, tasks = random.Random(number), list[str]()

        def call(endpoint: str, **body: Any) -> Any:
            return server.call(endpoint, body, token=token)

        while not stop.is_set():
            try:
                tasks.append(call("tasks.create", name=f"writer {number}", type="testing")["id"])
                task = chance.choice(tasks)
                what = chance.choice(["enqueue", "take", "report", "report", "edit", "dequeue", "reset", "delete"])
                if what == "take":
                    call("queues.get_next_task", queue=queue)
                elif what == "report":
                    event = {"type": "training_stats_scalar", "task": task, "metric": "loss", "variant": "v"}
                    event |= {"iter": done[number], "value": chance.random()}
                    call("events.add", **event)
                elif what == "edit":
                    call("tasks.edit", task=task, comment=str(done[number]), force=True)
                elif what == "enqueue":
                    call("tasks.enqueue", task=task, queue=queue)
                elif what == "delete":
                    tasks.remove(task)
                    call("tasks.delete", task=task, force=True)
                else:
                    call(f"tasks.{what}", task=task)
            except ApiFailure as failure:
                assert failure.code == 400, failure
                continue  # not in this status, and the like
            except Exception as failure:  # noqa: BLE001 - told at the end, by the test's own thread
                failures.append(failure)
                return
            done[number] += 1

    threads = [threading.Thread(target=write, args=(number,), name=f"writer {number}") for number in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield lambda: sum(done)
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    assert not failures, failures


@contextlib.contextmanager
def always_sealing(server: RunningServer) -> Iterator[None]:
    """Whatever waits to be sealed is due now."""
    stop, url = threading.Event(), running_url(server.data_dir / "store")
    assert url is not None

    def hurry() -> None:
        with redis.Redis.from_url(url) as client:
            while not stop.wait(0.02):
                waiting = client.zrange(keys.unsealed(), 0, -1)
                if waiting:
                    client.zadd(keys.unsealed(), dict.fromkeys(waiting, AT_ONCE), xx=True)

    thread = threading.Thread(target=hurry, name="always sealing")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)


def check(data_dir: Path) -> dict[str, int]:
    """Every invariant of a stopped server's data."""

    async def run() -> dict[str, int]:
        async with EmbeddedStore(data_dir / "store") as embedded:
            store = await Store.open(embedded.url)
            try:
                await store.open_segments(str(data_dir / "segments"))
                return await invariants.check(store)
            finally:
                await store.close()

    return asyncio.run(run())


def test_a_backup_under_load_restores_to_one_moment(tmp_path: Path) -> None:
    path = tmp_path / "of-today.backup"
    with running_server(env={"CLEARML_SERVER_SEAL_PERIOD_S": "0.05"}) as server:
        user = server.call("auth.create_credentials", {"label": "mine"})["credentials"]
        upload(server, "p/t/kept.bin", b"kept")
        with writers(server) as done, always_sealing(server):
            until(lambda: done() > 150, "some writes")
            before = server.call("tasks.get_all", {"only_fields": ["id"], "name": "^writer"})["tasks"]
            started = done()
            made = command("backup", str(path), "--files", "--json", server=server)
            during = done() - started
            until(lambda: done() > started + during + 50, "more writes")
        assert made.returncode == 0, made.stderr
        assert path.stat().st_mode & 0o777 == 0o600
        assert during > 0, "nobody wrote while the backup was taken"
        taken = server.call("tasks.get_all", {"only_fields": ["id"]})["tasks"]
    assert len(before) > 0
    restored = tmp_path / "restored"
    filled = command("restore", str(path), "--data-dir", str(restored), "--json")
    assert filled.returncode == 0, filled.stderr
    assert json.loads(filled.stdout)["files_restored"] == 1
    looked = check(restored)
    assert looked["tasks"] > 50
    assert looked["points"] > 0
    assert list((restored / "segments").glob("*/*/*.seg")), "nothing was sealed"
    assert "are gone" not in command("doctor", "--deep", "--data-dir", str(restored)).stdout
    again = start_server(restored, tmp_path / "run")
    try:
        again.facts |= {"access_key": user["access_key"], "secret_key": user["secret_key"]}
        ids = {task["id"] for task in again.call("tasks.get_all", {"only_fields": ["id"]})["tasks"]}
        # What was there before and is there after the backup was there at its moment.
        assert {task["id"] for task in before} & {task["id"] for task in taken} <= ids
        headers = {"Authorization": f"Bearer {again.login()}"}
        with urllib.request.urlopen(
            urllib.request.Request(f"{again.files}/p/t/kept.bin", headers=headers), timeout=20
        ) as answer:
            assert answer.read() == b"kept"
        again.call("tasks.create", {"name": "goes on", "type": "testing"})
    finally:
        again.stop()


@needs_redis
def test_a_backup_of_the_embedded_store_goes_into_a_redis_and_back(tmp_path: Path) -> None:
    with running_server() as server, writers(server, 1) as done:
        until(lambda: done() > 60, "some writes")
        assert command("backup", str(tmp_path / "one"), server=server).returncode == 0
    with single(tmp_path / "redis", "--repl-diskless-sync-delay", "0") as redis:
        filled = command("restore", str(tmp_path / "one"), "--redis", redis.url, "--data-dir", str(tmp_path / "r"))
        assert filled.returncode == 0, filled.stderr
        assert f"CLEARML_SERVER_SEGMENTS set to {tmp_path / 'r' / 'segments'}" in filled.stdout.replace("\n", " ")
        refused = command("restore", str(tmp_path / "one"), "--redis", redis.url, "--data-dir", str(tmp_path / "r2"))
        assert refused.returncode == 1
        assert "not empty" in refused.stderr
        saving = ("backup", str(tmp_path / "two"), "--redis", redis.url, "--data-dir", str(tmp_path / "r"))
        assert "sealed events" in command(*saving).stderr
        assert not (tmp_path / "two").exists()
        saved = command(*saving, CLEARML_SERVER_SEGMENTS=str(tmp_path / "r" / "segments"))
        assert saved.returncode == 0, saved.stderr
    assert command("restore", str(tmp_path / "two"), "--data-dir", str(tmp_path / "back")).returncode == 0
    assert command("restore", str(tmp_path / "one"), "--data-dir", str(tmp_path / "direct")).returncode == 0
    looked = check(tmp_path / "direct")
    assert min(looked.values()) > 0
    assert check(tmp_path / "back") == looked


def test_data_is_never_overwritten_and_damage_is_found(own_server: RunningServer, tmp_path: Path) -> None:
    path = tmp_path / "backup"
    assert command("backup", str(path), server=own_server).returncode == 0
    assert "exists already" in command("backup", str(path), server=own_server).stderr
    taken = command("restore", str(path), "--data-dir", str(own_server.data_dir))
    assert taken.returncode == 1
    assert "there is data already" in taken.stderr
    content = path.read_bytes()
    for name, damaged in (
        ("cut", content[: len(content) // 2]),
        ("flipped", content[:600] + bytes([content[600] ^ 1]) + content[601:]),
        ("alien", b"no backup at all"),
        ("empty", b""),
    ):
        (tmp_path / name).write_bytes(damaged)
        refused = command("restore", str(tmp_path / name), "--data-dir", str(tmp_path / "new"))
        assert refused.returncode == 1, name
        assert "backup" in refused.stderr or "damaged" in refused.stderr
        assert not (tmp_path / "new").exists()


def test_a_killed_backup_leaves_no_half_file(own_server: RunningServer, tmp_path: Path) -> None:
    files = own_server.data_dir / "files" / "big"
    files.mkdir(parents=True)
    (files / "one").touch()
    os.truncate(files / "one", 1 << 30)  # takes a while to be saved, and no room
    process = begun("backup", str(tmp_path / "never"), "--files", server=own_server)
    until(lambda: list(tmp_path.glob(".never.*")), "the backup has begun")
    process.kill()
    process.communicate(timeout=20)
    assert not (tmp_path / "never").exists()
    made = command("backup", str(tmp_path / "never"), server=own_server)
    assert made.returncode == 0, made.stderr


def test_a_killed_restore_says_so_and_can_be_repeated(own_server: RunningServer, tmp_path: Path) -> None:
    task = own_server.call("tasks.create", {"name": "kept", "type": "testing"})["id"]
    path, restored = tmp_path / "backup", tmp_path / "restored"
    files = own_server.data_dir / "files" / "big"
    files.mkdir(parents=True)
    (files / "one").touch()
    os.truncate(files / "one", 64 << 20)  # takes a while to be restored
    assert command("backup", str(path), "--files", server=own_server).returncode == 0
    process = begun("restore", str(path), "--data-dir", str(restored))
    until((restored / "store" / "restoring").exists, "the restore has begun")
    process.kill()
    process.communicate(timeout=20)
    with pytest.raises(RuntimeError, match="did not finish"):
        start_server(restored, tmp_path / "run")
    (restored / "ready.json").unlink(missing_ok=True)
    assert command("restore", str(path), "--data-dir", str(restored)).returncode == 0
    again = start_server(restored, tmp_path / "run")
    try:
        assert again.call("tasks.get_by_id", {"task": task})["task"]["name"] == "kept"
    finally:
        again.stop()


def test_a_store_that_a_live_server_uses_is_reached_and_not_started_twice(own_server: RunningServer) -> None:
    """Neither the server nor the commands mind each other, whichever way the data directory is named."""
    pid = (own_server.data_dir / "store" / "pid").read_text()
    for arguments in ([], ["--data-dir", str(own_server.data_dir)]):
        started = time.monotonic()
        shown = command("size", "--json", *arguments, server=own_server if not arguments else None)
        assert shown.returncode == 0, shown.stderr
        assert time.monotonic() - started < 20
    assert (own_server.data_dir / "store" / "pid").read_text() == pid
    own_server.stop()
    assert command("size", "--json", "--data-dir", str(own_server.data_dir)).returncode == 0
    nothing = command("size", "--data-dir", str(own_server.data_dir / "elsewhere"))
    assert nothing.returncode == 1
    assert "holds no server's data" in nothing.stderr


def test_sealed_events_are_in_the_backup(own_server: RunningServer, tmp_path: Path) -> None:
    task = own_server.call("tasks.create", {"name": "sealed", "type": "testing"})["id"]
    for step in range(5):
        event = {"type": "training_stats_scalar", "task": task, "metric": "m", "variant": "v", "iter": step, "value": 1}
        own_server.call("events.add", event)

    async def seal() -> None:
        store = await Store.open(f"unix://{own_server.data_dir}/store/valkey.sock")
        try:
            await store.open_segments(str(own_server.data_dir / "segments"))
            sealer = await store.events.sealer()
            assert sealer is not None
            assert await sealer.seal(task) == 5
        finally:
            await store.close()

    asyncio.run(seal())
    assert command("backup", str(tmp_path / "backup"), server=own_server).returncode == 0
    sizes = json.loads(command("size", "--json", server=own_server).stdout)
    assert sizes["owners"][0]["sealed"] > 0
    filled = command("restore", str(tmp_path / "backup"), "--data-dir", str(tmp_path / "restored"))
    assert filled.returncode == 0, filled.stderr
    assert check(tmp_path / "restored") == {"tasks": 1, "points": 5}
