"""Real Redis servers of each kind for tests: one node, a Cluster, a primary with replica and Sentinel.

with single(folder) as redis: redis.url
with cluster(folder, replicas=True) as nodes: nodes.url; nodes.nodes[0].kill()
with sentinel(folder) as watched: watched.url
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import redis

from control_plane.store import EmbeddedStore

REDIS = shutil.which("redis-server")
needs_redis = pytest.mark.skipif(REDIS is None, reason="no redis-server here, and it could not be installed")
START_LIMIT_S = 30.0
NODE_TIMEOUT_MS = 1500
SLOTS = 16_384


@dataclass
class Node:
    """One redis-server process."""

    port: int
    folder: Path
    arguments: list[str]
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.start()

    def start(self) -> None:
        """Start it, or start it again on its data, and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(REDIS), *self.arguments], cwd=self.folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        try:
            until(self._answers, f"redis-server on port {self.port}")
        except BaseException:
            self.process.kill()
            self.process.wait(20)
            raise

    def _answers(self) -> bool:
        assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
        with self.client() as client, contextlib.suppress(redis.ConnectionError):
            return bool(client.ping())
        return False

    def client(self) -> redis.Redis:
        """A client of this node alone."""
        return redis.Redis(port=self.port, socket_timeout=10)

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait(20)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(20)


@dataclass
class Servers:
    """Running servers and the URL that reaches them."""

    url: str
    nodes: list[Node]

    def flush(self) -> None:
        """Forget all data on every primary."""
        for node in self.nodes:
            with node.client() as client:
                if client.execute_command("ROLE")[0] == b"master":
                    client.flushall()


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, all different."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def until(holds: Callable[[], Any], what: str, *, limit_s: float = START_LIMIT_S) -> None:
    """Wait for another process, which tells nobody when it is ready."""
    deadline = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {limit_s:g} s"
        time.sleep(0.02)


@contextlib.contextmanager
def single(folder: Path, *options: str) -> Iterator[Servers]:
    """One redis-server with an append-only file."""
    with _nodes(folder, 1, *options) as nodes:
        yield Servers(f"redis://127.0.0.1:{nodes[0].port}", nodes)


@contextlib.contextmanager
def cluster(folder: Path, *, replicas: bool = False) -> Iterator[Servers]:
    """A Cluster of three primaries, each with a replica if asked (then nodes 3 to 5)."""
    count = 6 if replicas else 3
    buses = free_ports(count)
    with _nodes(
        folder,
        count,
        "--cluster-enabled",
        "yes",
        "--cluster-node-timeout",
        str(NODE_TIMEOUT_MS),
        "--appendfsync",
        "always",
        buses=buses,
    ) as nodes:
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(node.client()) for node in nodes]
            edges = [SLOTS * part // 3 for part in range(4)]
            for number, client in enumerate(clients):
                client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
                if number < 3:
                    client.execute_command("CLUSTER", "ADDSLOTSRANGE", edges[number], edges[number + 1] - 1)
            for client in clients[1:]:
                client.execute_command("CLUSTER", "MEET", "127.0.0.1", nodes[0].port, buses[0])
            until(lambda: all(_info(client, "known_nodes") == str(count) for client in clients), "the nodes meet")
            for number in range(3, count):
                primary = clients[number - 3].execute_command("CLUSTER", "MYID")
                until(lambda number=number, primary=primary: _knows(clients[number], primary), "a replica knows")
                clients[number].execute_command("CLUSTER", "REPLICATE", primary)
            until(lambda: all(_info(client, "state") == "ok" for client in clients), "the Cluster is whole")
            for client in clients[3:]:
                until(lambda client=client: client.info("replication")["master_link_status"] == "up", "replication")
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in nodes)
        yield Servers(f"redis+cluster://{hosts}", nodes)


def _info(client: redis.Redis, name: str) -> str:
    found = client.execute_command("CLUSTER INFO")
    return str(found[f"cluster_{name}"])


def _knows(client: redis.Redis, node: bytes | str) -> bool:
    return (node.decode() if isinstance(node, bytes) else node) in str(client.execute_command("CLUSTER NODES"))


@contextlib.contextmanager
def sentinel(folder: Path) -> Iterator[Servers]:
    """A primary (node 0), its replica (node 1) and one Sentinel, which alone decides here."""
    with _nodes(folder, 2) as (primary, replica):
        with replica.client() as client:
            client.execute_command("REPLICAOF", "127.0.0.1", primary.port)
            until(lambda: client.info("replication")["master_link_status"] == "up", "replication")
        (port,) = free_ports(1)
        watch = folder / "sentinel"
        watch.mkdir()
        (watch / "sentinel.conf").write_text(
            f"port {port}\nbind 127.0.0.1\nsentinel monitor ours 127.0.0.1 {primary.port} 1\n"
            "sentinel down-after-milliseconds ours 500\nsentinel failover-timeout ours 4000\n"
        )
        guard = Node(port, watch, ["sentinel.conf", "--sentinel"])
        try:
            with guard.client() as client:
                until(lambda: int(client.execute_command("SENTINEL", "MASTERS")[0][b"num-slaves"]), "the Sentinel sees")
            yield Servers(f"redis+sentinel://127.0.0.1:{port}/ours", [primary, replica])
        finally:
            guard.stop()


@contextlib.contextmanager
def _nodes(folder: Path, count: int, *options: str, buses: list[int] | None = None) -> Iterator[list[Node]]:
    nodes: list[Node] = []
    try:
        for number, port in enumerate(free_ports(count)):
            arguments = ["--port", str(port), "--bind", "127.0.0.1", "--appendonly", "yes", "--save", "", *options]
            if buses:
                arguments += ["--cluster-port", str(buses[number])]
            nodes.append(Node(port, folder / f"node{number}", arguments))
        yield nodes
    finally:
        for node in nodes:
            if node.process.poll() is None:
                node.process.kill()  # nobody needs what it holds
            node.process.wait(20)


class Pool:
    """Servers of the kind that CLEARML_TEST_STORE names (redis7, cluster), each lent empty to one user at a time."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._free: list[Servers] = []

    @contextlib.contextmanager
    def lent(self) -> Iterator[str | None]:
        """The URL of an empty store; None when tests run on the embedded one."""
        kind = os.environ.get("CLEARML_TEST_STORE", "")
        if not kind:
            yield None
            return
        assert REDIS, "CLEARML_TEST_STORE asks for a redis-server, and there is none here"
        servers = self._free.pop() if self._free else self._started(kind)
        try:
            yield servers.url
        finally:
            servers.flush()
            self._free.append(servers)

    def _started(self, kind: str) -> Servers:
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="cl-", ignore_cleanup_errors=True)))
        return self._stack.enter_context({"redis7": single, "cluster": cluster}[kind](folder))

    def close(self) -> None:
        """Stop them all."""
        self._stack.close()


POOL = Pool()
"""One a test session; `tests/conftest.py` closes it."""


@contextlib.asynccontextmanager
async def store_url(folder: Path) -> AsyncIterator[str]:
    """An empty store for a test that needs no server around it."""
    with POOL.lent() as lent:
        if lent is not None:
            yield lent
            return
        async with EmbeddedStore(folder) as embedded:
            yield embedded.url
