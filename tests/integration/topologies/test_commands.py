"""`clearml-server doctor` and `size` over a Redis, a Cluster and a data directory."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from control_plane.store import keys
from tests.conftest import RunningServer
from tests.redis_servers import needs_redis, single

from .conftest import Pair
from .test_behaviours import create, name, report


def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CLEARML_")}
    return subprocess.run(
        [sys.executable, "-m", "control_plane.cli", *arguments],
        capture_output=True, text=True, timeout=60, check=False, env={**kept, **env},
    )  # fmt: skip


def findings(ended: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    """What doctor said, by subject."""
    assert ended.stdout, ended.stderr
    return {finding["about"]: finding for finding in json.loads(ended.stdout)}


def test_size_finds_the_task_that_holds_the_bytes(pair: Pair) -> None:
    project = name()
    at = pair.call("projects.create", name=project)["id"]
    small, large = create(pair, project=at), create(pair, project=at)
    report(pair, small, (0, 1.0))
    pair.call("tasks.edit", task=large, comment="x" * 100_000)
    pair.call("events.add", type="log", task=large, msg=secrets.token_hex(100_000), timestamp=1)
    found = run("size", "--redis", pair.store.url, "--project", project, "--json")
    assert found.returncode == 0, found.stderr
    sizes = json.loads(found.stdout)
    first, second = sizes["owners"]
    assert (first["id"], second["id"]) == (large, small)
    assert first["documents"] > 100_000
    assert first["events"] > second["events"] > 0
    (row,) = sizes["projects"]
    assert row["total"] == first["total"] + second["total"]
    shown = run("size", "--redis", pair.store.url, "--top", "3")
    assert shown.returncode == 0, shown.stderr
    head, *rows = shown.stdout.partition("tasks and models\n")[2].splitlines()
    assert head.split()[:4] == ["NAME", "ID", "KIND", "PROJECT"] and rows[0].split()[1] == large[:8]
    assert run("size", "--redis", pair.store.url, "--project", "no-such").returncode == 1


def test_doctor_says_what_a_redis_may_lose(pair: Pair) -> None:
    ended = run("doctor", "--redis", pair.store.url, "--json")
    said = findings(ended)
    assert ended.returncode == 0
    alone = len(pair.store.nodes) == 1  # the nodes of the tests' Cluster are told to write at once
    about, level, text = ("store", "warning", "the last second") if alone else ("node 1", "ok", "is on disk")
    assert said[f"{about}: persistence"]["level"] == level
    assert text in said[f"{about}: persistence"]["text"]
    assert said["data"]["level"] == "ok"
    assert "error" not in {finding["level"] for finding in said.values()}


@needs_redis
def test_doctor_finds_what_is_wrong_with_a_redis(tmp_path: Path) -> None:
    with single(tmp_path, "--maxmemory-policy", "allkeys-lru", "--appendonly", "no") as redis:
        ended = run("doctor", "--redis", redis.url, "--json")
        said = findings(ended)
        assert ended.returncode == 1
        assert said["store: persistence"]["level"] == "error"
        assert "allkeys-lru" in ended.stdout
        with redis.nodes[0].client() as client:
            client.set(keys.schema_version(), keys.SCHEMA_VERSION + 1)
            before = client.dbsize()
            assert findings(run("doctor", "--redis", redis.url, "--json"))["data"]["level"] == "error"
            assert client.dbsize() == before
    gone = run("doctor", "--redis", redis.url, "--json")
    assert gone.returncode == 1
    assert "did not answer" in findings(gone)["store"]["text"]


@pytest.mark.embedded
def test_doctor_looks_at_the_server_that_runs_and_its_directory(own_server: RunningServer) -> None:
    runtime = str(own_server.runtime_dir)
    ended = run("doctor", "--json", CLEARML_RUNTIME_DIR=runtime)
    said = findings(ended)
    assert ended.returncode == 0, ended.stdout
    assert said["server"]["text"] == f"answers at {own_server.api}"
    assert said["store: persistence"]["level"] == "ok"
    (own_server.data_dir / "secret").chmod(0o644)
    open_to_others = run("doctor", CLEARML_RUNTIME_DIR=runtime)
    assert open_to_others.returncode == 1
    assert f"chmod 600 {own_server.data_dir / 'secret'}" in open_to_others.stdout
