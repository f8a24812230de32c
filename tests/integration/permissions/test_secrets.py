"""No secret lies in the store in the clear, and none is in a log; comparisons take the same time for all."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

import control_plane
from control_plane.store.embedded import running_url
from tests.conftest import RunningServer
from tests.integration.http.client import basic, send

from .conftest import login, make, pair_of

PASSWORD = "PLANTED-password-1"


def _dump(server: RunningServer) -> bytes:
    """Every key and every value of the store, of every node of a Cluster."""
    if "--redis" in server.arguments:
        url = server.arguments[server.arguments.index("--redis") + 1]
        clients = [Redis(port=int(port)) for port in re.findall(r":(\d+)", url)]
    else:
        found = running_url(server.data_dir / "store")
        assert found is not None
        clients = [Redis(unix_socket_path=found.removeprefix("unix://"))]
    return b"\n".join(part for client in clients for part in _parts(client))


def _parts(client: Any) -> Iterator[bytes]:
    read = {
        "string": client.get,
        "hash": client.hgetall,
        "set": client.smembers,
        "zset": lambda key: client.zrange(key, 0, -1, withscores=True),
        "list": lambda key: client.lrange(key, 0, -1),
        "stream": client.xrange,
    }
    with client:
        for key in client.scan_iter(count=1000):
            yield key
            yield repr(read[client.type(key).decode()](key)).encode()


@pytest.mark.embedded
def test_no_secret_lies_in_the_store_or_in_a_log(new_server: Any) -> None:
    with new_server("--log-level=debug") as server:
        planted = _plant(server)
        stored = _dump(server)
        assert server.stop() == 0
        on_disk = b"".join(
            p.read_bytes() for p in (server.data_dir / "store").rglob("*") if p.is_file()
        )  # if it is here
        log = server.log
    assert b"$argon2id$" in stored and server.access_key.encode() in stored  # the dump does reach what it is about
    for name, secret in planted.items():
        assert secret.encode() not in stored, name
        assert secret.encode() not in on_disk, name
        assert secret not in log, name


def _plant(server: RunningServer) -> dict[str, str]:
    """Use every secret in every way; return them by what they are."""
    person = make(server, "user", label="planted")
    server.call("auth.set_password", {"user": person.id, "password": PASSWORD})
    session = login(server, person.name, PASSWORD)
    server.call("auth.set_password", {"password": PASSWORD + "2", "current": PASSWORD}, token=session)
    session = login(server, person.name, PASSWORD + "2")
    login(server, *pair_of(server.call("auth.rotate_credentials", {"access_key": person.key[0]})["credentials"]))
    wrong = {"wrong password": "PLANTED-wrong-1", "wrong secret": "PLANTED-wrong-2", "wrong token": "PLANTED.wrong.3"}
    send(server.api, "/auth.login", body={}, Authorization=basic(person.name, wrong["wrong password"]))
    send(server.api, "/auth.login", body={}, Authorization=basic(person.key[0], wrong["wrong secret"]))
    send(server.api, "/auth.login", body={}, Authorization=f"Bearer {wrong['wrong token']}")
    body = {"password": ["PLANTED-type"], "user": person.id}
    send(server.api, "/auth.set_password", body=body, Authorization=f"Bearer {session}")
    server.call("auth.validate_token", {"token": session})
    server.call("auth.logout", token=session)
    other = server.call("auth.get_token_for_user", {"user": person.id})["token"]
    send(server.api, "/debug.ping", body={}, X_Clearml_Impersonate_As=person.id, Authorization=f"Bearer {other}")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("CLEARML_", "TRAINS_"))}
    subprocess.run(
        [sys.executable, "-m", "clearml_sdk.cli", "clearml-server", "users", "set-password", "admin"],
        input="PLANTED-cli\n", text=True, check=True, timeout=60, capture_output=True,
        env={**environment, "CLEARML_RUNTIME_DIR": str(server.runtime_dir)},
    )  # fmt: skip
    signing = server.data_dir / "secret"  # of replicas that share a Redis it lies there, see docs/permissions.md
    own = {"signing key": signing.read_text()} if signing.exists() else {}
    return {
        **wrong,
        **own,
        "password": PASSWORD,
        "password from the command line": "PLANTED-cli",
        "mistyped": "PLANTED-type",
        "secret": person.key[1],
        "administrator's secret": server.secret_key,
        "session": session,
        "token of a key": person.token,
        "token for another user": other,
    }


SECRETS = {"secret", "password", "passwords", "token", "signature"}


@pytest.mark.parametrize("folder", ["services", "http"])
def test_no_secret_is_compared_with_an_operator(folder: str) -> None:
    """`==` stops at the first difference, and so tells how much was right."""
    found: list[str] = []
    looked = 0
    for path in sorted((Path(control_plane.__file__).parent / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare) and any(isinstance(op, (ast.Eq, ast.NotEq)) for op in node.ops):
                looked += 1
                words = {
                    word
                    for part in ast.walk(node)
                    if isinstance(part, (ast.Name, ast.Attribute))
                    for word in _words(part)
                }
                if words & SECRETS:
                    found.append(f"{path.name}:{node.lineno}: {ast.unparse(node)}")
    assert looked > 20
    assert found == []


def _words(node: ast.Name | ast.Attribute) -> set[str]:
    return set((node.id if isinstance(node, ast.Name) else node.attr).lower().split("_"))
