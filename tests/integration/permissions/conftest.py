"""One server with a user of every role."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.conftest import RunningServer, running_server
from tests.integration.http.client import basic, send

ROLES = ("admin", "superuser", "user", "annotator", "agent", "read-only", "guest")


@dataclass
class Person:
    """A user with a key; `token` is made from the key."""

    id: str
    name: str
    role: str
    key: tuple[str, str]
    token: str

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


def make(server: RunningServer, role: str, /, **key: Any) -> Person:
    """A new user of a role with a key of their own, by the calls that an administrator has."""
    name = f"{role}-{secrets.token_hex(4)}"
    id = server.call("auth.create_user", {"name": name, "company": "c", "email": "e", "role": role})["id"]
    pair = server.call("auth.create_credentials", {"user": id, **key})["credentials"]
    return Person(id, name, role, (pair["access_key"], pair["secret_key"]), login(server, *pair_of(pair)))


def pair_of(pair: dict[str, Any]) -> tuple[str, str]:
    return pair["access_key"], pair["secret_key"]


def login(server: RunningServer, name: str, secret: str, **headers: str) -> str:
    answer = send(server.api, "/auth.login", body={}, Authorization=basic(name, secret), **headers)
    assert answer.status == 200, answer.body
    return str(answer.json["data"]["token"])


@pytest.fixture(scope="session")
def house() -> Iterator[RunningServer]:
    """A server for the tests of this folder, which make and remove many users."""
    with running_server() as server:
        yield server


@pytest.fixture(scope="session")
def people(house: RunningServer) -> dict[str, Person]:
    return {role: make(house, role) for role in ROLES}
