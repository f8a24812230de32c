"""A server, and the two ways in which an agent works with it: over HTTP, and on the Redis that the server keeps."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from tests.conftest import RunningServer, running_server
from tests.redis_servers import Servers, needs_redis, single

TRANSPORTS = ["http", pytest.param("redis", marks=needs_redis)]


@dataclass
class Installation:
    """variables: what tells an agent its way; kill_store: kill -9 of the store, False where none runs just now.

    redis: the store, where it is a Redis of its own.
    """

    server: RunningServer
    kill_store: Callable[[], bool]
    variables: dict[str, str] = field(default_factory=dict)
    redis: Servers | None = None


@contextlib.contextmanager
def installation(transport: str, folder: Path, env: dict[str, str] | None = None) -> Iterator[Installation]:
    """A server of one test's own; env: variables of the server."""
    if transport == "http":
        with running_server(env=env) as server:
            yield Installation(server, lambda: _kill_embedded(server))
        return
    users = folder / "users.acl"
    users.touch()
    options = ("--aclfile", str(users), "--appendfsync", "always")
    with single(folder / "redis", *options) as redis, running_server("--redis", redis.url, env=env) as server:
        variables = {"CLEARML_AGENT_REDIS_URL": _agents_url(redis)}
        yield Installation(server, lambda: _kill_given(redis), variables, redis)


def _agents_url(redis: Servers) -> str:
    """The URL of the Redis for a user of the kind that the server prints for agents."""
    command = [sys.executable, "-m", "clearml_sdk.cli", "clearml-server", "redis-acl", "--json"]
    made = json.loads(subprocess.run(command, capture_output=True, timeout=60, check=True).stdout)
    with redis.nodes[0].client() as client:
        client.execute_command("ACL", "SETUSER", made["user"], *made["rules"])
        client.execute_command("ACL", "SAVE")
    return redis.url.replace("redis://", f"redis://{made['user']}:{made['password']}@")


def _kill_embedded(server: RunningServer) -> bool:
    """The server starts it again."""
    for process in psutil.Process(server.process.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "server" in process.name() and process.cwd().startswith(str(server.data_dir)):
                process.kill()
                return True
    return False


def _kill_given(redis: Servers) -> bool:
    """It is started again on its data, as whoever runs it would."""
    redis.nodes[0].kill()
    redis.nodes[0].start()
    return True
