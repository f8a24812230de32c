"""What one server ends, another over the same Redis ends within a second."""

import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from control_plane.store.embedded import find_binary
from tests.conftest import RunningServer, running_server
from tests.integration.http.client import basic, send

from .conftest import Person, login, make

SEEN_WITHIN_S = 1.0
"""A call that is made so long after an end is refused everywhere, however long the machine takes for it."""

Pair = tuple[RunningServer, RunningServer]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder: Path = tmp_path_factory.mktemp("redis")
    sock = folder / "s"
    command = [str(find_binary()), "--port", "0", "--unixsocket", str(sock), "--dir", str(folder), "--save", ""]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not sock.exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)  # another process makes it: nothing to wait on
        url = f"unix://{sock}"
        with running_server("--redis", url) as one, running_server("--redis", url) as two:
            yield one, two
    finally:
        process.terminate()
        process.wait(60)


def _status(server: RunningServer, authorization: str) -> int:
    return send(server.api, "/debug.ping_auth", body={}, Authorization=authorization).status


def _ends(pair: Pair, authorization: str, end: Callable[[RunningServer], Any], status: int = 401) -> None:
    """`end` at the one server, believed good at both just before: over at once there, within a second here."""
    one, two = pair
    assert (_status(one, authorization), _status(two, authorization)) == (200, 200)
    end(one)
    ended_at = time.time()
    assert _status(one, authorization) == status
    _until_refused(lambda: _status(two, authorization), ended_at)
    assert _status(two, authorization) == status


def _until_refused(ask: Callable[[], int], ended_at: float) -> None:
    """Ask until it is refused, which it is in time."""
    while True:
        asked_at = time.time()
        if ask() != 200:
            return
        assert asked_at - ended_at < SEEN_WITHIN_S


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
    made = make(one, "user", expiration_sec=4)
    (key,) = one.call("auth.get_credentials", {"user": made.id})["credentials"]
    ends_at = datetime.fromisoformat(key["expires"]).timestamp()
    for server in (one, two):
        assert _status(server, made.bearer["Authorization"]) == 200
    for server in (one, two):
        _until_refused(lambda server=server: _status(server, made.bearer["Authorization"]), ends_at)  # type: ignore[misc]
        assert time.time() >= ends_at


def test_a_role_that_was_taken(pair: Pair, person: Person) -> None:
    one, two = pair
    body = {"name": "seen by all", "type": "training"}
    two.call("tasks.create", body, token=person.token)
    one.call("auth.edit_user", {"user": person.id, "role": "guest"})
    _until_refused(lambda: send(two.api, "/tasks.create", body=body, **person.bearer).status, time.time())


def test_a_user_made_at_one_logs_in_at_the_other_at_once(pair: Pair, person: Person) -> None:
    one, two = pair
    one.call("auth.set_password", {"user": person.id, "password": "known to both"})
    login(two, person.name, "known to both")


def test_the_last_use_at_either_is_told_by_both(pair: Pair, person: Person) -> None:
    one, two = pair
    deadline = time.monotonic() + 60
    while not one.call("auth.get_credentials", {"user": person.id})["credentials"][0]["last_used"]:
        _status(two, person.bearer["Authorization"])
        assert time.monotonic() < deadline
        time.sleep(0.1)  # written a little after the use
