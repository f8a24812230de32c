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
from control_plane.store.events import Part, Run
from control_plane.store.segments import index
from control_plane.store.segments.files import SegmentMissing, SegmentsUnavailable

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
        deadline = time.monotonic() + 30
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
    from tests.conftest import running_server
    from tests.integration.events.reports import new_task, scalar, send
    from tests.integration.segments.operating import command

    aws = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    with running_server("--segments", URL + "/server", env=aws) as server:
        task = new_task(server)
        send(server, *(scalar(task, step, step / 7) for step in range(500)))
        live = server.call("events.get_task_events", {"task": task, "event_type": "training_stats_scalar"})
        assert command(server, "compact")["sealed_events"] == 500
        found = server.call("events.get_task_events", {"task": task, "event_type": "training_stats_scalar"})
        assert found["events"] == live["events"]
        assert command(server, "size")["total"]["sealed"] > 0
