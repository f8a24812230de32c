"""Segments in an object store: a local S3 in a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import s3fs

from control_plane.store import Store
from control_plane.store.archive import members
from control_plane.store.events import Part, Run
from control_plane.store.segments import index
from control_plane.store.segments.files import SegmentMissing, SegmentsUnavailable
from tests.conftest import RunningServer, running_server, start_server
from tests.integration.events.reports import line, new_task, scalar, send
from tests.integration.segments.operating import command, refused

OWNER = "e" * 32
URL = "s3://bucket/some/prefix"


class S3:
    """A server that can be stopped; what it holds is lost then, so it is only stopped where nothing is."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while True:
            try:
                request = urllib.request.Request(f"{self.url}/bucket", method="PUT")
                with urllib.request.urlopen(request, timeout=5):
                    return
            except OSError:
                assert time.monotonic() < deadline, "the local S3 does not start"
                time.sleep(0.05)  # another process: there is no event to wait for

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(20)
            self.process = None


@pytest.fixture(scope="module")
def process() -> Iterator[S3]:
    running = S3()
    running.start()
    yield running
    running.stop()


@pytest.fixture
def s3(process: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    environment = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in {**environment, "AWS_ENDPOINT_URL": process.url}.items():
        monkeypatch.setenv(name, value)
    if process.process is None:
        process.start()
    yield process
    s3fs.S3FileSystem.clear_instance_cache()


async def report(store: Store, number: int) -> None:
    run = Run("loss", "v", "w", "", [number], [number], [number / 3])
    await store.events.append(OWNER, Part(f"part{number}", 1000, runs={("loss", "v"): run}))


async def steps(store: Store) -> list[int]:
    return (await store.events.scalars(OWNER))["loss", "v"].steps


async def test_segments_in_s3(store: Store, s3: S3) -> None:
    await store.open_segments(URL)
    sealer: Any = await store.events.sealer()
    for number in range(10):
        await report(store, number)
        await sealer.seal(OWNER)
    assert await steps(store) == list(range(10))
    assert len(await index.entries(store.connection, OWNER, 0)) < 8, "small ones were made one"
    files: Any = store.events._files
    assert {found.owner for found in await files.list()} == {OWNER}
    await files.put(OWNER, 0, "0" * 32, b"left by somebody who died")
    assert await sealer.remove_replaced(before_ms=4 * 10**12) == 8
    assert await sealer.sweep(now_s=4e9) == 1
    named = {entry.name for entry in (await index.entries(store.connection, OWNER, 0)).values()}
    assert {found.name for found in await files.list()} == named
    assert await steps(store) == list(range(10))
    # A second process finds the mark, and what is there.
    other = await Store.open(store.connection.url)
    await other.open_segments(URL)
    assert await steps(other) == list(range(10))
    await other.close()
    await store.events.reset(OWNER)
    assert await files.list() == []
    with pytest.raises(SegmentMissing):
        await files.read(OWNER, 0, "0" * 32, 0, 10)


async def test_while_s3_is_away_nothing_is_trimmed_and_events_come_in(store: Store, s3: S3) -> None:
    await store.open_segments(URL + "/away")
    sealer: Any = await store.events.sealer()
    await report(store, 0)
    s3.stop()
    with pytest.raises(SegmentsUnavailable):
        await sealer.seal(OWNER)
    await report(store, 1)
    assert await steps(store) == [0, 1]
    s3.start()
    assert await sealer.seal(OWNER) == 2
    await report(store, 2)
    assert await steps(store) == [0, 1, 2]


@pytest.mark.embedded
def test_a_server_seals_into_s3(s3: S3, tmp_path: Path) -> None:
    aws = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    with running_server("--segments", URL + "/server", env=aws) as server:
        task = new_task(server)
        send(server, *(scalar(task, step, step / 7) for step in range(500)))
        live = server.call("events.get_task_events", {"task": task, "event_type": "training_stats_scalar"})
        assert command(server, "compact")["sealed_events"] == 500
        found = server.call("events.get_task_events", {"task": task, "event_type": "training_stats_scalar"})
        assert found["events"] == live["events"]
        assert command(server, "size")["total"]["sealed"] > 0


def events(server: RunningServer, task: str) -> list[Any]:
    body = {"task": task, "batch_size": 10_000}
    points = server.call("events.get_task_events", {**body, "event_type": "training_stats_scalar"})["events"]
    return [points, server.call("events.get_task_log", body)["events"]]


def segments_of(folder: str) -> set[str]:
    found = s3fs.S3FileSystem(use_listings_cache=False).find(folder.removeprefix("s3://"))
    return {name.rpartition("/")[2] for name in found}


@pytest.mark.embedded
@pytest.mark.one_server
@pytest.mark.timeout(300)
def test_a_backup_takes_segments_out_of_object_storage_and_puts_them_there(s3: S3, tmp_path: Path) -> None:
    aws = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    file = tmp_path / "all.backup"
    with running_server("--segments", f"{URL}/one", env=aws) as server:
        task = new_task(server)
        send(server, *(scalar(task, step, step / 7) for step in range(300)), line(task, 1, "sealed"))
        assert command(server, "compact", **aws)["sealed_events"] == 301
        send(server, scalar(task, 5, -1.0), line(task, 2, "live"))
        before = events(server, task)
        without = command(server, "backup", str(tmp_path / "without.backup"), **aws)
        assert without["segments_elsewhere"] == f"{URL}/one"
        made = command(server, "backup", str(file), "--segments", **aws)
        assert made["segments_elsewhere"] == ""
        named = segments_of(f"{URL}/one")
        names = [name for name, _ in members(file) if name.startswith("segments/")]
        assert {name.rpartition("/")[2] for name in names} == named
        assert "there is data already" in refused(
            server, "restore", str(file), "--data-dir", str(tmp_path / "taken"), "--segments", f"{URL}/one", **aws
        )

    def restored(name: str, backup: Path, segments: str, *arguments: str) -> RunningServer:
        """A server on a backup, restored into a place."""
        where = ["--data-dir", str(tmp_path / name), *(["--segments", segments] if segments else [])]
        run = [sys.executable, "-m", "control_plane.cli", "restore", str(backup), *where]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CLEARML_")}
        subprocess.run(run, env=kept, check=True, timeout=120, stdout=subprocess.DEVNULL)
        return start_server(tmp_path / name, tmp_path / f"run-{name}", *arguments, env=aws)

    # Into a directory, and of that one back into object storage.
    local = restored("local", file, "")
    try:
        assert events(local, task) == before
        assert {path.name for path in (tmp_path / "local" / "segments").rglob("*") if path.is_file()} == named
        command(local, "backup", str(tmp_path / "local.backup"))
    finally:
        local.stop()
    away = restored("away", tmp_path / "local.backup", f"{URL}/two", "--segments", f"{URL}/two")
    try:
        assert events(away, task) == before
        assert segments_of(f"{URL}/two") == named
        send(away, scalar(task, 1000, 2.0))
        assert command(away, "compact", **aws)["sealed_events"] > 0
        found = command(away, "doctor", "--deep", **aws)
        assert not [one for one in found if one["level"] == "error"], found
    finally:
        away.stop()
