"""Two servers over one Redis are one system."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from control_plane.store.embedded import find_binary
from tests.conftest import running_server

from .client import send


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("redis")
    sock = folder / "s"
    command = [str(find_binary()), "--port", "0", "--unixsocket", str(sock), "--dir", str(folder), "--save", ""]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not sock.exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)  # another process makes it: nothing to wait on
        yield f"unix://{sock}"
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture(scope="module")
def pair(redis_url: str) -> Iterator[tuple[Any, Any]]:
    with running_server("--redis", redis_url) as one, running_server("--redis", redis_url) as two:
        yield one, two


def test_each_has_its_own_key_and_both_are_the_administrator(pair: tuple[Any, Any]) -> None:
    one, two = pair
    assert one.access_key != two.access_key
    assert one.call("users.get_current_user")["user"]["id"] == two.call("users.get_current_user")["user"]["id"]


def test_a_token_of_one_is_good_at_the_other(pair: tuple[Any, Any]) -> None:
    one, two = pair
    assert two.call("users.get_current_user", token=one.login())["user"]["role"] == "admin"


def test_what_one_wrote_the_other_finds_at_once(pair: tuple[Any, Any]) -> None:
    one, two = pair
    for number in range(20):
        writer, reader = (one, two) if number % 2 else (two, one)
        task = writer.call("tasks.create", {"name": f"shared {number}", "type": "training"})["id"]
        found = reader.call("tasks.get_all", {"name": f"^shared {number}$", "only_fields": ["id"]})["tasks"]
        assert found == [{"id": task}]
        writer.call("tasks.edit", {"task": task, "tags": ["t"]})
        assert reader.call("tasks.get_all", {"tags": ["t"], "id": [task], "only_fields": ["id"]})["tasks"]


def test_one_default_queue(pair: tuple[Any, Any]) -> None:
    one, two = pair
    assert one.call("queues.get_default") == two.call("queues.get_default")
    assert len(one.call("queues.get_all", {"name": "^default$"})["queues"]) == 1


def test_a_revoked_key_is_out_everywhere_within_seconds(pair: tuple[Any, Any]) -> None:
    one, two = pair
    made = one.call("auth.create_credentials", {})["credentials"]
    from .client import basic

    login = send(two.api, "/auth.login", body={}, Authorization=basic(made["access_key"], made["secret_key"]))
    bearer = f"Bearer {login.json['data']['token']}"
    assert send(two.api, "/debug.ping_auth", body={}, Authorization=bearer).status == 200
    one.call("auth.revoke_credentials", {"access_key": made["access_key"]})
    assert send(one.api, "/debug.ping_auth", body={}, Authorization=bearer).status == 401
    deadline = time.monotonic() + 30
    while send(two.api, "/debug.ping_auth", body={}, Authorization=bearer).status == 200:
        assert time.monotonic() < deadline


def test_a_waiter_at_one_gets_what_is_queued_at_the_other(pair: tuple[Any, Any]) -> None:
    one, two = pair
    queue = one.call("queues.create", {"name": "across"})["id"]
    task = one.call("tasks.create", {"name": "across", "type": "training"})["id"]
    two.call("tasks.enqueue", {"task": task, "queue": queue})
    body = {"worker": "w", "queues": [queue], "slots": 1, "timeout_s": 10}
    assert one.call("agents.wait", body)["entries"][0]["task"] == task


def test_a_redis_that_may_lose_writes_is_said_to(pair: tuple[Any, Any]) -> None:
    one, _ = pair
    assert "appendonly yes" in one.log
    metrics = send(one.api, "/metrics", method="GET").body.decode()
    assert "clearml_store_survives_crash 0.0" in metrics
