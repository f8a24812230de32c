"""The fixtures of the agent's tests, and a server over a Redis that agents reach as a user of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import RunningServer, running_server
from tests.e2e.agent.core.conftest import agent, agent_cache, new_agent, tasks
from tests.integration.agent.environments.conftest import index, index_server
from tests.redis_servers import Servers, needs_redis, single

__all__ = ["agent", "agent_cache", "index", "index_server", "new_agent", "tasks"]


def redis_acl(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "clearml_sdk.cli", "clearml-server", "redis-acl", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)


@dataclass
class Shared:
    """A Redis, the server over it, and the URL by which agents may reach the Redis."""

    redis: Servers
    server: RunningServer
    agents_url: str


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    with single(Path(tmp_path_factory.mktemp("redis"))) as redis, running_server("--redis", redis.url) as server:
        made: dict[str, Any] = json.loads(redis_acl("--json").stdout)
        with redis.nodes[0].client() as client:
            client.execute_command("ACL", "SETUSER", made["user"], *made["rules"])
        url = redis.url.replace("redis://", f"redis://{made['user']}:{made['password']}@")
        yield Shared(redis, server, url)


__all__ += ["needs_redis"]
