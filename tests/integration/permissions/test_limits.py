"""How often and how much one caller may ask, and whose address counts."""

import http.client
import itertools
import json
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from tests.conftest import RunningServer, running_server
from tests.integration.http.client import Answer, basic, raw, send

from .conftest import make

NewServer = Callable[..., AbstractContextManager[RunningServer]]
AWAY = {"X_Forwarded_For": "203.0.113.7"}
"""What a proxy adds to a call that came from another machine."""


@pytest.fixture(scope="module")
def busy() -> Iterator[RunningServer]:
    """A server that takes few calls."""
    limits = {
        "CLEARML_SERVER_CALLS_PER_S": "2",
        "CLEARML_SERVER_CALLS_BURST": "20",
        "CLEARML_SERVER_TRUSTED_PROXIES": "127.0.0.1",
    }
    with running_server(env=limits) as server:
        yield server


def until_429(ask: Callable[[], Any]) -> int:
    """Ask until told to wait; how often that took. A slow machine gets more through, for time passes."""
    for count in range(500):
        if ask().status == 429:
            return count
    raise AssertionError("500 calls were let through")


def codes(server: RunningServer, count: int, **headers: str) -> list[int]:
    return [send(server.api, "/debug.ping_auth", body={}, **headers).status for _ in range(count)]


def test_a_caller_who_asks_in_a_loop_is_told_to_wait(busy: RunningServer) -> None:
    one, two = make(busy, "user"), make(busy, "user")
    answers: list[Answer] = []

    def ask() -> Answer:
        answers.append(send(busy.api, "/debug.ping_auth", body={}, **one.bearer, **AWAY))
        return answers[-1]

    assert until_429(ask) >= 19
    answer = answers[-1]
    assert answer.codes == (429, 192) and answer.headers["retry-after"] == "1"
    assert answer.meta["error_data"] == {"retry_after_s": 1} and "Too many requests" in answer.meta["result_msg"]
    # Others go on, also with a key of the same user, and so does a task of theirs.
    assert codes(busy, 10, **two.bearer, **AWAY) == [200] * 10
    pair = busy.call("auth.create_credentials", {"user": one.id})["credentials"]
    other_key = basic(pair["access_key"], pair["secret_key"])
    assert codes(busy, 10, Authorization=other_key, **AWAY) == [200] * 10


def test_files_are_counted_too(busy: RunningServer) -> None:
    person = make(busy, "user")
    answers: list[Answer] = []

    def ask() -> Answer:
        answers.append(send(busy.files, "/none", method="GET", **person.bearer, **AWAY))
        return answers[-1]

    assert until_429(ask) >= 15
    assert answers[0].status == 404
    assert answers[-1].headers["retry-after"] == "1"


def test_callers_on_this_machine_are_not_limited(busy: RunningServer) -> None:
    person = make(busy, "user")
    assert codes(busy, 40, **person.bearer) == [200] * 40


def test_who_is_not_known_is_counted_by_address(busy: RunningServer) -> None:
    def ping(address: str) -> Answer:
        return send(busy.api, "/debug.ping", body={}, X_Forwarded_For=address)

    assert until_429(lambda: ping("203.0.113.20")) >= 19
    assert ping("203.0.113.21").status == 200
    # What the caller wrote into the header itself stands before what the proxy adds, and counts for nothing.
    assert until_429(lambda: ping("203.0.113.99, 203.0.113.20")) < 19


def test_waiting_lets_a_caller_on(busy: RunningServer) -> None:
    person = make(busy, "user")
    until_429(lambda: send(busy.api, "/debug.ping_auth", body={}, **person.bearer, **AWAY))
    time.sleep(1.1)  # two calls a second come back: the limit is about time
    assert codes(busy, 2, **person.bearer, **AWAY) == [200, 200]


def test_without_trusted_proxies_nobody_chooses_their_address(new_server: NewServer) -> None:
    with new_server(env={"CLEARML_SERVER_WRONG_PASSWORDS_PER_MIN": "3"}) as server:
        numbers = itertools.count()

        def guess() -> Answer:
            headers = {"Authorization": basic("admin", "guess"), "X_Forwarded_For": f"203.0.113.{next(numbers) % 250}"}
            return send(server.api, "/auth.login", body={}, **headers)

        assert until_429(guess) >= 3


def test_behind_a_trusted_proxy_one_guesser_does_not_lock_out_another_address(new_server: NewServer) -> None:
    env = {"CLEARML_SERVER_WRONG_PASSWORDS_PER_MIN": "3", "CLEARML_SERVER_TRUSTED_PROXIES": "127.0.0.1, 10.0.0.1"}
    with new_server(env=env) as server:
        wrong = {"Authorization": basic("admin", "guess")}

        def guess(address: str) -> Answer:
            return send(server.api, "/auth.login", body={}, **wrong, X_Forwarded_For=address)

        assert until_429(lambda: guess("203.0.113.1")) >= 3
        assert until_429(lambda: guess("203.0.113.1, 10.0.0.1")) < 3
        assert guess("203.0.113.2").status == 401


# ---- sizes


@pytest.mark.parametrize(
    ("endpoint", "limit"),
    [
        ("server.info", 1 << 14),
        ("users.set_preferences", 1 << 20),
        ("auth.create_user", 1 << 20),
        ("tasks.get_all", 16 << 20),
    ],
)
def test_a_body_larger_than_its_endpoint_takes_is_413(house: RunningServer, endpoint: str, limit: int) -> None:
    body = b'{"name": "' + b"x" * limit + b'"}'
    answer = send(house.api, f"/{endpoint}", body=body, Authorization=f"Bearer {house.login()}")
    assert answer.codes == (413, 193) and answer.meta["error_data"] == {"limit_bytes": limit}
    assert answer.json["data"] == {}


def test_a_large_body_of_unknown_length_is_cut_off_at_the_limit(house: RunningServer) -> None:
    token = house.login()
    head = (
        "POST /auth.create_user HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {token}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    answer = raw(house.api, head.encode() + chunk * 20 + b"0\r\n\r\n")
    assert answer.codes == (413, 193)


def test_batches_of_events_may_be_as_large_as_clients_send_them(house: RunningServer) -> None:
    task = house.call("tasks.create", {"name": "large", "type": "training"})["id"]
    line = {"type": "log", "task": task, "timestamp": 1, "msg": "x" * 1_000_000, "level": "info"}
    body = "\n".join(json.dumps({**line, "timestamp": n}) for n in range(18)).encode()
    assert len(body) > 15_728_640
    headers = {"Content-Type": "application/json-lines"}
    assert house.call("events.add_batch", body, headers=headers)["added"] == 18


def test_a_connection_stays_usable_after_413(house: RunningServer) -> None:
    token = house.login()
    line = http.client.HTTPConnection(urllib.parse.urlsplit(house.api).netloc, timeout=20)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        line.request("POST", "/auth.create_user", b'"' + b"x" * (2 << 20) + b'"', headers)
        assert line.getresponse().read() and True
        line.request("POST", "/debug.ping_auth", b"{}", headers)
        assert line.getresponse().status == 200
    finally:
        line.close()
