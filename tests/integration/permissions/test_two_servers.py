"""What one server ends, another over the same Redis ends within a second."""

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from control_plane.store.embedded import find_binary
from tests.conftest import RunningServer, running_server
from tests.integration.http.client import basic, send

from .conftest import Person, login, make

SEEN_WITHIN_S = 1.0
SLACK_S = 0.7
"""For a machine that does other work: calls and processes have to be scheduled too."""

Pair = tuple[RunningServer, RunningServer]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder: Path = tmp_path_factory.mktemp("redis")
    sock = folder / "s"
    command = [str(find_binary()), "--port", "0", "--unixsocket", str(sock), "--dir", str(folder), "--save", ""]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while not sock.exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)  # another process makes it: nothing to wait on
        url = f"unix://{sock}"
        with running_server("--redis", url) as one, running_server("--redis", url) as two:
            yield one, two
    finally:
        process.terminate()
        process.wait(10)


def _status(server: RunningServer, authorization: str) -> int:
    return send(server.api, "/debug.ping_auth", body={}, Authorization=authorization).status


def _ends(pair: Pair, authorization: str, end: Callable[[RunningServer], Any], status: int = 401) -> None:
    """`end` at the one server, believed good at both just before: over at once there, within a second here."""
    one, two = pair
    assert (_status(one, authorization), _status(two, authorization)) == (200, 200)
    end(one)
    ended = time.monotonic()
    assert _status(one, authorization) == status
    while _status(two, authorization) == 200:
        assert time.monotonic() - ended < SEEN_WITHIN_S + SLACK_S
    assert _status(two, authorization) == status


@pytest.fixture
def person(pair: Pair) -> Person:
    return make(pair[0], "user")


def test_a_revoked_key(pair: Pair, person: Person) -> None:
    body = {"access_key": person.key[0]}
    _ends(pair, person.bearer["Authorization"], lambda one: one.call("auth.revoke_credentials", body))
    assert _status(pair[1], basic(*person.key)) == 401


def test_a_revoked_key_given_itself(pair: Pair, person: Person) -> None:
    body = {"access_key": person.key[0]}
    _ends(pair, basic(*person.key), lambda one: one.call("auth.revoke_credentials", body))


def test_a_rotated_key(pair: Pair, person: Person) -> None:
    body = {"access_key": person.key[0]}
    _ends(pair, person.bearer["Authorization"], lambda one: one.call("auth.rotate_credentials", body))


def test_a_session_that_was_logged_out(pair: Pair, person: Person) -> None:
    _ends(pair, person.bearer["Authorization"], lambda one: one.call("auth.logout", token=person.token))


def test_sessions_before_a_new_password(pair: Pair, person: Person) -> None:
    one, two = pair
    one.call("auth.set_password", {"user": person.id, "password": "before this one"})
    session = login(two, person.name, "before this one")
    body = {"user": person.id, "password": "after that one"}
    _ends(pair, f"Bearer {session}", lambda one: one.call("auth.set_password", body))
    assert _status(two, person.bearer["Authorization"]) == 200


def test_a_deleted_user(pair: Pair, person: Person) -> None:
    _ends(pair, person.bearer["Authorization"], lambda one: one.call("users.delete", {"user": person.id}))


def test_an_end_in_time_holds_at_both(pair: Pair) -> None:
    one, two = pair
    made = make(one, "user", expiration_sec=2)
    assert _status(two, made.bearer["Authorization"]) == 200
    deadline = time.monotonic() + 2 + SEEN_WITHIN_S + SLACK_S
    while 200 in (_status(one, made.bearer["Authorization"]), _status(two, made.bearer["Authorization"])):
        assert time.monotonic() < deadline
        time.sleep(0.05)  # the end is a wall-clock time


def test_a_role_that_was_taken(pair: Pair, person: Person) -> None:
    one, two = pair
    body = {"name": "seen by all", "type": "training"}
    two.call("tasks.create", body, token=person.token)
    one.call("auth.edit_user", {"user": person.id, "role": "guest"})
    changed = time.monotonic()
    while send(two.api, "/tasks.create", body=body, **person.bearer).status == 200:
        assert time.monotonic() - changed < SEEN_WITHIN_S + SLACK_S


def test_a_user_made_at_one_logs_in_at_the_other_at_once(pair: Pair, person: Person) -> None:
    one, two = pair
    one.call("auth.set_password", {"user": person.id, "password": "known to both"})
    login(two, person.name, "known to both")


def test_the_last_use_at_either_is_told_by_both(pair: Pair, person: Person) -> None:
    one, two = pair
    deadline = time.monotonic() + 15
    while not one.call("auth.get_credentials", {"user": person.id})["credentials"][0]["last_used"]:
        _status(two, person.bearer["Authorization"])
        assert time.monotonic() < deadline
        time.sleep(0.1)  # written a little after the use
