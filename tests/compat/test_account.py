"""Logins, keys, users and preferences through the official session and client."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import RunningServer

from .session import OfficialError, OfficialSession


def test_token_names_versions_and_identity(official: OfficialSession, server: RunningServer) -> None:
    def read() -> dict[str, Any]:
        session = client.session  # noqa: F821 - the driver gives it
        claims = session.get_decoded_token(session.token)
        return {
            "claims": claims,
            "max": str(session.max_api_version),
            "features": session.feature_set,
            "lives_s": claims["exp"] - claims["iat"],
        }

    found = official.run(read)
    assert found["max"] == "2.31"
    assert found["features"] == "basic"
    assert found["lives_s"] > 12 * 3600
    assert found["claims"]["server_version"].replace(".", "").isdigit()
    me = server.call("users.get_current_user")["user"]
    assert found["claims"]["identity"]["user"] == me["id"]


def test_wrong_secret_is_a_login_error(official: OfficialSession) -> None:
    def login() -> None:
        from clearml.backend_api import Session

        Session(api_key=client.session.access_key, secret_key="wrong" * 8)  # noqa: F821 - the driver gives it

    with pytest.raises(OfficialError) as refused:
        official.run(login)
    assert refused.value.type == "LoginError"


def test_keys_are_made_labelled_listed_and_revoked(api: Any, raw: Any, server: RunningServer) -> None:
    # The typed forms of some of these calls refuse the client's own requests and answers.
    made = raw("auth.create_credentials", {"label": "for a test"})["credentials"]
    assert made["access_key"]
    assert made["secret_key"]
    api("auth.edit_credentials", access_key=made["access_key"], label="renamed")
    listed = {item["access_key"]: item for item in server.call("auth.get_credentials")["credentials"]}
    assert listed[made["access_key"]]["label"] == "renamed"
    assert "secret_key" not in listed[made["access_key"]]
    assert raw("auth.revoke_credentials", {"access_key": made["access_key"]})["revoked"] == 1
    assert made["access_key"] not in {i["access_key"] for i in server.call("auth.get_credentials")["credentials"]}


def test_new_keys_log_in_and_revoked_ones_do_not(official: OfficialSession, raw: Any) -> None:
    made = raw("auth.create_credentials", {"label": "short lived"})["credentials"]

    def login(key: str, secret: str) -> int:
        from clearml.backend_api import Session

        session = Session(api_key=key, secret_key=secret)
        return session.send_request("users", "get_current_user", json={}).status_code

    assert official.run(login, made["access_key"], made["secret_key"]) == 200
    raw("auth.revoke_credentials", {"access_key": made["access_key"]})
    with pytest.raises(OfficialError, match="LoginError"):
        official.run(login, made["access_key"], made["secret_key"])


def test_token_logs_in_without_keys(official: OfficialSession, server: RunningServer) -> None:
    def login(token: str) -> list[Any]:
        import os

        from clearml.backend_api import Session

        kept = {name: os.environ.pop(name, None) for name in ("CLEARML_API_ACCESS_KEY", "CLEARML_API_SECRET_KEY")}
        os.environ["CLEARML_AUTH_TOKEN"] = token
        try:
            session = Session()
            answer = session.send_request("users", "get_current_user", json={})
            return [answer.status_code, answer.json()["data"]["user"]["id"]]
        finally:
            del os.environ["CLEARML_AUTH_TOKEN"]
            os.environ.update({name: value for name, value in kept.items() if value is not None})

    me = server.call("users.get_current_user")["user"]["id"]
    assert official.run(login, server.login()) == [200, me]


def test_preferences_are_merged(raw: Any, server: RunningServer, unique: str) -> None:
    raw("users.set_preferences", {"preferences": {unique: {"view--DOT--dark": True}}})
    raw("users.set_preferences", {"preferences": {unique: {"columns": ["a", "b"]}}})
    kept = server.call("users.get_preferences")["preferences"][unique]
    assert kept == {"view--DOT--dark": True, "columns": ["a", "b"]}
    assert raw("users.get_preferences")["preferences"][unique] == kept


def test_users_are_listed_and_named(raw: Any, server: RunningServer, unique: str) -> None:
    made = server.call("auth.create_user", {"name": unique, "email": f"{unique}@example.com"})["id"]
    found = raw("users.get_all", {"name": unique})["users"]
    assert [(user["id"], user["name"]) for user in found] == [(made, unique)]
    assert raw("users.get_by_id", {"user": made})["user"]["name"] == unique
    raw("users.update", {"user": made, "name": f"{unique} b"})
    assert server.call("users.get_by_id", {"user": made})["user"]["name"] == f"{unique} b"


def test_untyped_calls_by_old_versions_are_answered(official: OfficialSession, server: RunningServer) -> None:
    def ask() -> dict[str, int]:
        found = {}
        for version in (None, "2.1", "2.5", "2.13", "2.23", "2.31", "999.0"):
            answer = client.session.send_request("queues", "get_default", version=version, json={})  # noqa: F821
            found[str(version)] = answer.status_code
        return found

    assert set(official.run(ask).values()) == {200}


def test_unknown_endpoint_is_an_envelope_with_404(raw: Any) -> None:
    with pytest.raises(OfficialError) as refused:
        raw("tasks.no_such_action")
    assert (refused.value.code, refused.value.subcode) == (404, 0)


def test_server_names_itself(raw: Any) -> None:
    found = raw("server.info")
    assert set(found) >= {"version", "build", "commit"}
