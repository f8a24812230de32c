"""Who may call, by which means; every rule with an attempt to break it."""

import base64
import json
import stat
import time
from pathlib import Path
from typing import Any

import jwt
import pytest

from .client import Answer, basic, send

ME = "/users.get_current_user"


@pytest.fixture(scope="module")
def token(server: Any) -> str:
    return str(server.login())


def test_login_answers_a_token_that_clients_can_read(server: Any) -> None:
    answer = send(server.api, "/auth.login", method="GET", Authorization=basic(server.access_key, server.secret_key))
    claims = jwt.decode(answer.json["data"]["token"], options={"verify_signature": False})
    assert claims["api_version"] == "2.31"
    assert claims["feature_set"] == "basic"
    assert claims["exp"] - claims["iat"] > 7 * 86_400  # the agent logs in again before every call below 12 h
    assert claims["identity"]["user"] and claims["identity"]["role"] == "admin"


def test_a_token_renews_itself_and_lives_as_long_as_asked(server: Any, token: str) -> None:
    answer = send(server.api, "/auth.login?expiration_sec=600", method="GET", Authorization=f"Bearer {token}")
    claims = jwt.decode(answer.json["data"]["token"], options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 600


@pytest.mark.parametrize(
    ("authorization", "codes"),
    [
        (None, (401, 20)),
        ("Digest abc", (401, 10)),
        ("Basic", (401, 10)),
        ("Basic %%%", (401, 22)),
        ("Basic " + base64.b64encode(b"nocolon").decode(), (401, 22)),
        (basic("nokey", "nosecret"), (401, 22)),
        ("Bearer junk", (401, 30)),
        ("Bearer a.b.c", (401, 30)),
    ],
)
def test_bad_credentials_are_401(server: Any, authorization: str | None, codes: tuple[int, int]) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    assert send(server.api, ME, body={}, **headers).codes == codes


def test_a_right_key_with_a_wrong_secret_is_401(server: Any) -> None:
    for secret in ("", "wrong", server.secret_key[:-1], server.secret_key + "x"):
        assert send(server.api, ME, body={}, Authorization=basic(server.access_key, secret)).codes == (401, 22)


def test_forged_tokens_are_401(server: Any, token: str) -> None:
    claims = jwt.decode(token, options={"verify_signature": False})
    head, body, signature = token.split(".")
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    other = base64.urlsafe_b64encode(json.dumps({**claims, "identity": {**claims["identity"], "user": "x"}}).encode())
    forged = [
        jwt.encode(claims, "another key that is long enough to sign", algorithm="HS256"),
        jwt.encode(claims, "", algorithm="none"),
        f"{unsigned}.{body}.",
        f"{head}.{other.rstrip(b'=').decode()}.{signature}",
        f"{head}.{body}.",
        f"{head}.{body}.{signature[:-2]}AA",
    ]
    for text in forged:
        assert send(server.api, ME, body={}, Authorization=f"Bearer {text}").codes == (401, 30)


def test_an_expired_token_is_401(server: Any) -> None:
    answer = server.call("auth.login", {"expiration_sec": 1})
    time.sleep(1.1)  # a token's end is a wall-clock time: there is nothing to wait for but the clock
    assert send(server.api, ME, body={}, Authorization=f"Bearer {answer['token']}").codes == (401, 30)


@pytest.mark.one_server
def test_revoking_a_key_ends_its_tokens_at_once(server: Any) -> None:
    pair = server.call("auth.create_credentials", {"label": "short"})["credentials"]
    login = send(server.api, "/auth.login", body={}, Authorization=basic(pair["access_key"], pair["secret_key"]))
    bearer = f"Bearer {login.json['data']['token']}"
    assert send(server.api, ME, body={}, Authorization=bearer).status == 200
    server.call("auth.revoke_credentials", {"access_key": pair["access_key"]})
    assert send(server.api, ME, body={}, Authorization=bearer).codes == (401, 30)
    pair_header = basic(pair["access_key"], pair["secret_key"])
    assert send(server.api, ME, body={}, Authorization=pair_header).codes == (401, 22)


def test_listed_keys_have_no_secrets(server: Any) -> None:
    server.call("auth.create_credentials", {"label": "listed"})
    keys = server.call("auth.get_credentials")["credentials"]
    assert any(key["label"] == "listed" for key in keys)
    assert all("secret" not in name for key in keys for name in key)


def test_nobody_revokes_a_key_that_does_not_exist(server: Any) -> None:
    answer = send(server.api, "/auth.revoke_credentials", body={"access_key": "none"}, **_bearer(server))
    assert answer.codes == (400, 75)


# ---- roles


def test_a_plain_user_cannot_make_users_or_take_their_tokens(server: Any) -> None:
    user = server.call("auth.create_user", {"name": "plain", "company": "c", "email": "e", "role": "user"})["id"]
    token = server.call("auth.get_token_for_user", {"user": user})["token"]
    headers = {"Authorization": f"Bearer {token}"}
    for endpoint, body in (
        ("auth.create_user", {"name": "x", "company": "c", "email": "e"}),
        ("auth.get_token_for_user", {"user": user}),
        ("auth.edit_user", {"user": user, "role": "admin"}),
        ("users.delete", {"user": user}),
        ("server.config", {}),
    ):
        assert send(server.api, f"/{endpoint}", body=body, **headers).codes == (403, 20), endpoint
    other = {"user": server.call("users.get_current_user")["user"]["id"], "name": "taken over"}
    assert send(server.api, "/users.update", body=other, **headers).codes == (403, 20)
    assert send(server.api, ME, body={}, **headers, X_Clearml_Impersonate_As=other["user"]).codes == (400, 6)


def test_an_administrator_may_act_for_a_user(server: Any) -> None:
    user = server.call("auth.create_user", {"name": "acted for", "company": "c", "email": "e"})["id"]
    answer = send(server.api, ME, body={}, **_bearer(server), X_Clearml_Impersonate_As=user)
    assert answer.json["data"]["user"]["id"] == user
    both = {"X_Clearml_Impersonate_As": user, "X_Clearml_Act_As": user}
    assert send(server.api, ME, body={}, **_bearer(server), **both).codes == (400, 5)


def test_a_deleted_user_is_out(server: Any) -> None:
    user = server.call("auth.create_user", {"name": "leaving", "company": "c", "email": "e"})["id"]
    pair = _pair_of(server, user)
    server.call("users.delete", {"user": user})
    assert send(server.api, ME, body={}, Authorization=basic(*pair)).codes == (401, 22)


def _pair_of(server: Any, user: str) -> tuple[str, str]:
    token = server.call("auth.get_token_for_user", {"user": user})["token"]
    pair = server.call("auth.create_credentials", {}, token=token)["credentials"]
    return pair["access_key"], pair["secret_key"]


# ---- cookies


def _cookie(server: Any) -> str:
    answer = send(server.api, "/auth.login", body={}, Authorization=basic(server.access_key, server.secret_key))
    said = answer.headers["set-cookie"]
    assert "httponly" in said.lower() and "samesite=lax" in said.lower()
    return said.split(";")[0]


def _call_with_cookie(server: Any, **more: Any) -> Answer:
    headers = {"Origin": server.web, **more}
    headers = {name: value for name, value in headers.items() if value is not None}
    return send(server.api, ME, Cookie=_cookie(server), **{"body": {}, **headers})


@pytest.mark.one_server
def test_the_page_may_use_the_cookie(server: Any) -> None:
    assert _call_with_cookie(server).status == 200
    assert send(server.web, "/api" + ME, body={}, Cookie=_cookie(server), Origin=server.web).status == 200


@pytest.mark.parametrize(
    "attack",
    [
        {"method": "GET"},
        {"method": "GET", "body": None},
        {"method": "PUT"},
        {"Origin": None},
        {"Origin": "null"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "http://127.0.0.1.evil.example:1"},
        {"body": b"{}", "Content_Type": "text/plain"},
        {"body": b"a=b", "Content_Type": "application/x-www-form-urlencoded"},
        {"body": b"{}", "Content_Type": "multipart/form-data; boundary=x"},
        {"body": b"{}"},
    ],
)
def test_other_pages_cannot_use_the_cookie(server: Any, attack: dict[str, Any]) -> None:
    assert _call_with_cookie(server, **attack).codes == (401, 20)


def test_the_origin_is_compared_whole(server: Any) -> None:
    for origin in (server.web + ".evil.example", server.web + "/", server.web.upper(), "https" + server.web[4:]):
        assert _call_with_cookie(server, Origin=origin).codes == (401, 20)


def test_the_header_wins_over_the_cookie(server: Any) -> None:
    answer = _call_with_cookie(server, Authorization=basic("nokey", "nosecret"))
    assert answer.codes == (401, 22)


def test_no_answer_allows_credentialed_cross_origin_reads(server: Any) -> None:
    for url in (server.api, server.web, server.files):
        for method in ("OPTIONS", "GET", "POST"):
            answer = send(url, "/", method=method, Origin="http://evil.example", Access_Control_Request_Method="POST")
            assert not [name for name in answer.headers if name.startswith("access-control-")]
    assert send(server.api, ME, method="OPTIONS").status == 200


def test_a_token_in_the_address_counts_for_nothing(server: Any, token: str) -> None:
    for name in ("token", "access_token", "authorization", "auth_token", "clearml_token_basic"):
        assert send(server.api, f"{ME}?{name}={token}", method="GET").codes == (401, 20)
        assert send(server.files, f"/x?{name}={token}", method="GET").status == 401


# ---- what lies on the disk


@pytest.mark.embedded
def test_secrets_lie_hashed_and_private(server: Any) -> None:
    mode = stat.S_IMODE
    data: Path = server.data_dir
    for name in ("credentials.json", "secret", "ready.json"):
        assert mode((data / name).stat().st_mode) == 0o600
    assert mode((data / "store").stat().st_mode) == 0o700
    assert mode((server.runtime_dir / "server.json").stat().st_mode) == 0o600
    pair = server.call("auth.create_credentials", {"label": "hashed"})["credentials"]
    stored = b"".join(path.read_bytes() for path in (data / "store").rglob("*") if path.is_file())
    assert pair["access_key"].encode() in stored
    for secret in (pair["secret_key"], server.secret_key, (data / "secret").read_text()):
        assert secret.encode() not in stored


def _bearer(server: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {server.login()}"}
