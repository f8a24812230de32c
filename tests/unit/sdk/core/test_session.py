"""The client of the API: envelopes, tokens, retries."""

from __future__ import annotations

import base64
import json
import os
import socket
from typing import Any

import pytest

from clearml_sdk.api_settings import ApiSettings, derive_host
from clearml_sdk.errors import ApiError, BadAnswer, NotFound, ServerUnreachable, Unauthorized
from clearml_sdk.session import Session, SessionCore, encode, read_claims


def token(**claims: Any) -> str:
    return ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in ({}, claims)) + ".x"


def envelope(code: int = 200, subcode: int = 0, message: str = "OK", **data: Any) -> tuple[int, dict[str, Any]]:
    return code, {"meta": {"result_code": code, "result_subcode": subcode, "result_msg": message}, "data": data}


def session_for(url: str, **settings: Any) -> Session:
    return Session(ApiSettings(url, **{"access_key": "key", "secret_key": "secret", "give_up_s": 5.0, **settings}))


def test_first_call_logs_in_with_the_credentials_and_then_uses_the_token(api: Any) -> None:
    api.answers["queues.get_all"] = lambda body: envelope(queues=[body])
    session = session_for(api.url)
    assert session.call("queues.get_all", {"name": "a"}) == {"queues": [{"name": "a"}]}
    session.call("queues.get_all")
    assert api.endpoints() == ["auth.login", "queues.get_all", "queues.get_all"]
    assert api.calls[0][1]["Authorization"] == "Basic " + base64.b64encode(b"key:secret").decode()
    assert api.calls[1][1]["Authorization"] == f"Bearer {session.core.token}"


def test_environment_token_is_used_without_login(api: Any) -> None:
    api.answers["tasks.ping"] = lambda body: envelope()
    given = token(exp=4e9)
    session_for(api.url, token=given).call("tasks.ping")
    assert api.endpoints() == ["tasks.ping"]
    assert api.calls[0][1]["Authorization"] == f"Bearer {given}"


def test_environment_token_is_renewed_by_itself_and_for_children(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    old = token(exp=1.0)
    monkeypatch.setenv("CLEARML_AUTH_TOKEN", old)
    api.answers["tasks.ping"] = lambda body: envelope()
    session = session_for(api.url, token=old)
    session.call("tasks.ping")
    assert api.calls[0][0] == "auth.login"
    assert api.calls[0][1]["Authorization"] == f"Bearer {old}"
    assert os.environ["CLEARML_AUTH_TOKEN"] == session.core.token != old


def test_rejected_token_is_renewed_once(api: Any) -> None:
    answers = [envelope(401, 30, "invalid token"), envelope(n=1)]
    api.answers["tasks.ping"] = lambda body: answers.pop(0)
    assert session_for(api.url).call("tasks.ping") == {"n": 1}
    assert api.endpoints() == ["auth.login", "tasks.ping", "auth.login", "tasks.ping"]


def test_wrong_credentials_are_an_error_at_once(api: Any) -> None:
    api.answers["auth.login"] = lambda body: envelope(401, 22, "invalid credentials")
    with pytest.raises(Unauthorized) as caught:
        session_for(api.url).call("tasks.ping")
    assert (caught.value.code, caught.value.subcode, caught.value.endpoint) == (401, 22, "auth.login")
    assert api.endpoints() == ["auth.login"]


def test_refusals_carry_code_subcode_and_message(api: Any) -> None:
    api.answers["tasks.get_by_id"] = lambda body: envelope(400, 101, "Invalid task id")
    api.answers["tasks.enqueue"] = lambda body: envelope(400, 110, "Invalid status")
    session = session_for(api.url)
    with pytest.raises(NotFound, match="Invalid task id"):
        session.call("tasks.get_by_id")
    with pytest.raises(ApiError) as caught:
        session.call("tasks.enqueue")
    assert not isinstance(caught.value, NotFound) and caught.value.subcode == 110


def test_busy_server_is_tried_again(api: Any) -> None:
    answers = [envelope(503, 0, "starting"), envelope(429, 0, "slow down"), envelope(n=1)]
    api.answers["tasks.ping"] = lambda body: answers.pop(0)
    assert session_for(api.url).call("tasks.ping") == {"n": 1}


def test_absent_server_is_named_in_the_error() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    with pytest.raises(ServerUnreachable, match=url):
        session_for(url, give_up_s=0.0).call("tasks.ping")


def test_another_programs_page_is_not_taken_for_an_answer(api: Any) -> None:
    api.answers["tasks.ping"] = lambda body: (200, {"hello": "world"})
    with pytest.raises(BadAnswer, match="hello"):
        session_for(api.url).call("tasks.ping")


def test_closed_idle_connection_is_replaced(api: Any) -> None:
    api.answers["tasks.ping"] = lambda body: envelope()
    session = session_for(api.url, give_up_s=0.0)
    session.call("tasks.ping")
    transport: Any = session.transport
    for connections in transport._idle.values():
        connections[0].sock.shutdown(socket.SHUT_RDWR)
    session.call("tasks.ping")


def test_retry_delays_grow_and_end_where_they_cannot_help() -> None:
    core = SessionCore(ApiSettings("http://h:8008", access_key="a", secret_key="b"))
    assert core.retry_delay_s(1, 400) is None and core.retry_delay_s(1, ValueError()) is None
    delays = [core.retry_delay_s(attempt, ConnectionRefusedError()) or 0 for attempt in (1, 4, 40)]
    assert 0.1 <= delays[0] <= 0.2 and 0.8 <= delays[1] <= 1.6 and 60 <= delays[2] <= 120


def test_numbers_that_json_lacks_become_null() -> None:
    assert json.loads(encode({"a": [float("nan"), 1.5], "b": {"c": float("inf")}})) == {
        "a": [None, 1.5],
        "b": {"c": None},
    }


def test_claims_of_anything_but_a_token_are_empty() -> None:
    assert read_claims("not a token") == {} and read_claims(token(n=1)) == {"n": 1}


@pytest.mark.parametrize(
    ("api_server", "web", "files"),
    [
        ("http://h:8008", "http://h:8080", "http://h:8081"),
        ("https://api.acme.org", "https://app.acme.org", "https://files.acme.org"),
        ("https://acme.org/api", "", ""),
    ],
)
def test_hosts_are_derived(api_server: str, web: str, files: str) -> None:
    assert (derive_host(api_server, "web"), derive_host(api_server, "files")) == (web, files)


def test_a_proxy_is_used_and_told_who_asks(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    api.answers["tasks.ping"] = lambda body: envelope(via="proxy")
    monkeypatch.setenv("http_proxy", f"http://me:p%40ss@{api.url.removeprefix('http://')}/")
    monkeypatch.setenv("no_proxy", "other.example")
    session = session_for("http://server.example:8008")
    assert session.call("tasks.ping") == {"via": "proxy"}
    assert api.calls[-1][1]["Proxy-Authorization"] == "Basic " + base64.b64encode(b"me:p@ss").decode()
    assert api.calls[-1][1]["Host"] == "server.example:8008"


def test_this_machine_is_reached_directly(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    api.answers["tasks.ping"] = lambda body: envelope()
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    session_for(api.url).call("tasks.ping")
