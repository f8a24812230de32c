"""The same promises on every kind of server: the embedded one, Debian's Redis over TCP, TLS and a socket.

A short case of each thing that needs Lua, streams or blocking reads; the whole suite of this folder runs on the
embedded server.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from control_plane.store import EmbeddedStore, GuardFailed, Store
from control_plane.store.events import Part, Run
from control_plane.store.query import Query
from tests.conftest import running_server

REDIS = shutil.which("redis-server")
needs_redis = pytest.mark.skipif(REDIS is None, reason="no redis-server here, and it could not be installed")
PASSWORD = "sesame"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_certificate(folder: Path) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip


@contextmanager
def redis_server(folder: Path, kind: str) -> Iterator[str]:
    """Debian's redis-server with a password; yields its URL."""
    port = free_port()
    arguments = ["--requirepass", PASSWORD, "--appendonly", "yes", "--dir", str(folder), "--save", ""]
    if kind == "tls":
        make_certificate(folder)
        certificate = ["--tls-cert-file", "cert.pem", "--tls-key-file", "key.pem", "--tls-auth-clients", "no"]
        arguments += ["--port", "0", "--tls-port", str(port), "--tls-ca-cert-file", "cert.pem", *certificate]
        url = f"rediss://:{PASSWORD}@127.0.0.1:{port}/0?ssl_ca_certs={folder}/cert.pem"
    elif kind == "socket":
        arguments += ["--port", "0", "--unixsocket", str(folder / "redis.sock")]
        url = f"unix://:{PASSWORD}@{folder}/redis.sock"
    else:
        arguments += ["--port", str(port), "--bind", "127.0.0.1"]
        url = f"redis://:{PASSWORD}@127.0.0.1:{port}/0"
    process = subprocess.Popen([str(REDIS), *arguments], cwd=folder, stdout=subprocess.DEVNULL)
    try:
        yield url
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(
    params=["embedded", *(pytest.param(kind, marks=needs_redis) for kind in ("tcp", "tls", "socket"))]
)  # fmt: skip
async def any_store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    with tempfile.TemporaryDirectory(prefix="cl-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if request.param == "embedded":
            async with EmbeddedStore(folder / "store") as embedded:
                store = await Store.open(embedded.url)
                yield store
                await store.close()
            return
        with redis_server(folder, request.param) as url:
            store = await Store.open(url)
            yield store
            await store.close()


async def test_documents_queues_queries_and_events_work_on_every_server(any_store: Store) -> None:
    store = any_store
    made = store.transaction()
    made.create("queue", "q", {"name": "q"})
    made.claim_name("queue", "c", "q", "q")
    for name in ("first", "second"):
        made.create("task", name, {"name": name, "status": "queued", "hyperparams": {"Args": {"a.b": {"value": "1"}}}})
        made.enqueue("q", name)
    await made.commit()

    refused = store.transaction()
    refused.expect("task", "first", {"status": "created"})
    refused.set("task", "first", {"status": "failed"})
    with pytest.raises(GuardFailed) as failure:
        await refused.commit()
    assert failure.value.found == "queued"

    found = await store.query("task", Query.from_request("task", {"name": "^se", "page": 0, "page_size": 10}))
    assert found.ids == ["second"]

    now_ms = int(time.time() * 1000)
    (claim,) = await store.queues.claim(["q"], worker="w", now_ms=now_ms, lease_ms=1)
    assert (claim.task, claim.number) == ("first", 2)
    returned = await store.queues.return_expired(now_ms + 10)
    assert [(one.claim.task, one.outcome) for one in returned] == [("first", "returned")]

    run = Run("loss", "v", steps=[1, 2], times_ms=[now_ms, now_ms], values=[1.0, 0.5])
    part = Part("p", now_ms, b"2", {("loss", "v"): run})
    await store.events.append("first", part)
    assert (await store.events.append("first", part)).repeated == b"2"
    assert (await store.events.scalars("first"))[("loss", "v")].values == [1.0, 0.5]


async def test_a_waiter_is_woken_by_a_change_on_every_server(any_store: Store) -> None:
    store = any_store
    made = store.transaction()
    made.create("queue", "q", {"name": "q"})
    made.create("task", "t", {"name": "task", "status": "created"})
    await made.commit()
    with store.changes.waiting([("queue", "q")]) as waiter:
        enqueue = store.transaction()
        enqueue.enqueue("q", "t")
        await enqueue.commit()
        async with asyncio.timeout(60):
            await waiter.wait()


@needs_redis
def test_the_server_runs_over_a_given_redis_and_finds_its_data_again() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="cl-", ignore_cleanup_errors=True) as name,
        redis_server(Path(name), "tcp") as url,
        running_server("--redis", url) as server,
    ):
        task = server.call("tasks.create", {"name": "kept in redis", "type": "testing"})["id"]
        assert PASSWORD not in server.log
        server.kill()
        server.restart()
        assert server.call("tasks.get_by_id", {"task": task})["task"]["name"] == "kept in redis"
        assert not (server.data_dir / "store").exists()
