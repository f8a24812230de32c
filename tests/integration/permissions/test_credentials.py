"""Keys and tokens: labels, last use, ends, revocation, rotation, sessions."""

import time
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest

from tests.conftest import ApiFailure, RunningServer
from tests.integration.http.client import basic, send

from .conftest import Person, login, make, pair_of

ME = "/debug.ping_auth"


def test_a_listed_key_tells_all_but_its_secret(house: RunningServer) -> None:
    person = make(house, "user", label="laptop", expiration_sec=3600)
    (key,) = house.call("auth.get_credentials", token=person.token)["credentials"]
    assert key["access_key"] == person.key[0]
    assert (key["label"], key["role"]) == ("laptop", None)
    left = datetime.fromisoformat(key["expires"]) - datetime.now(UTC)
    assert 3500 < left.total_seconds() <= 3600
    assert person.key[1] not in str(key) and "secret" not in str(key)


def test_the_last_use_of_a_key_is_told_soon_and_written_once(house: RunningServer) -> None:
    person = make(house, "user")
    deadline = time.monotonic() + 60
    while not (key := _key(house, person))["last_used"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)  # written by the server a little after the use: nothing to wait on
    assert key["last_used_from"] == "127.0.0.1"
    seen = key["last_used"]
    for _ in range(50):
        house.call("debug.ping_auth", token=person.token)
    time.sleep(2.5)  # longer than a use waits to be written
    assert _key(house, person)["last_used"] == seen


def _key(house: RunningServer, person: Person) -> dict[str, Any]:
    (key,) = house.call("auth.get_credentials", {"user": person.id})["credentials"]
    return dict(key)


def test_the_last_use_is_written_when_the_server_stops(own_server: RunningServer) -> None:
    made = own_server.call("auth.create_credentials", {"label": "before the stop"})["credentials"]
    login(own_server, *pair_of(made))
    assert own_server.stop() == 0
    own_server.restart()
    keys = own_server.call("auth.get_credentials")["credentials"]
    assert [key["last_used"] is not None for key in keys if key["label"] == "before the stop"] == [True]


def test_an_expired_key_ends_and_its_tokens_with_it(house: RunningServer) -> None:
    made = house.call("auth.create_credentials", {"expiration_sec": 4})["credentials"]
    token = login(house, *pair_of(made))
    assert jwt.decode(token, options={"verify_signature": False})["exp"] > time.time() + 86_400
    deadline = time.monotonic() + 60
    while send(house.api, ME, body={}, Authorization=f"Bearer {token}").status == 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)  # the key's end is a wall-clock time
    assert send(house.api, ME, body={}, Authorization=f"Bearer {token}").codes == (401, 30)
    answer = send(house.api, "/auth.login", body={}, Authorization=basic(*pair_of(made)))
    assert answer.codes == (401, 22) and "expired" in answer.meta["result_msg"]
    assert send(house.api, "/auth.login", body={}, Authorization=f"Bearer {token}").codes == (401, 30)


def test_a_key_made_by_one_that_ends_does_not_outlive_it(house: RunningServer) -> None:
    person = make(house, "user", expiration_sec=3600)
    made = house.call("auth.create_credentials", {"expiration_sec": 7200}, token=person.token)["credentials"]
    keys = house.call("auth.get_credentials", token=person.token)["credentials"]
    assert [key["expires"] for key in keys] == [made["expires"]] * 2


@pytest.mark.parametrize("seconds", [0, -1, 10**12])
def test_an_end_that_is_none_is_refused(house: RunningServer, seconds: int) -> None:
    with pytest.raises(ApiFailure) as caught:
        house.call("auth.create_credentials", {"expiration_sec": seconds})
    assert (caught.value.code, caught.value.subcode) == (400, 12)


def test_a_label_can_be_changed_by_its_owner_and_by_no_other(house: RunningServer, people: dict[str, Person]) -> None:
    person = make(house, "user", label="old")
    body = {"access_key": person.key[0], "label": "new"}
    assert send(house.api, "/auth.edit_credentials", body=body, **people["user"].bearer).codes == (400, 75)
    assert send(house.api, "/auth.revoke_credentials", body=body, **people["user"].bearer).codes == (400, 75)
    assert send(house.api, "/auth.rotate_credentials", body=body, **people["user"].bearer).codes == (400, 75)
    assert house.call("auth.edit_credentials", body, token=person.token) == {"updated": 1}
    assert _key(house, person)["label"] == "new"
    for endpoint in ("create_credentials", "get_credentials"):
        other = send(house.api, f"/auth.{endpoint}", body={"user": person.id}, **people["user"].bearer)
        assert other.codes == (403, 20)


def test_rotating_a_key_leaves_its_facts_and_ends_the_old_secret(house: RunningServer) -> None:
    person = make(house, "user", label="ci", role="agent", expiration_sec=3600)
    made = house.call("auth.rotate_credentials", {"access_key": person.key[0]})["credentials"]
    assert (made["label"], made["role"]) == ("ci", "agent")
    assert send(house.api, ME, body={}, **person.bearer).codes == (401, 30)
    assert send(house.api, ME, body={}, Authorization=basic(*person.key)).codes == (401, 22)
    token = login(house, *pair_of(made))
    assert house.call("users.get_current_user", token=token)["user"]["role"] == "agent"
    again = send(house.api, "/auth.rotate_credentials", body={"access_key": person.key[0]}, **_admin(house))
    assert again.codes == (400, 75)


def test_a_rotated_key_may_stay_good_for_a_while(house: RunningServer) -> None:
    person = make(house, "user")
    house.call("auth.rotate_credentials", {"access_key": person.key[0], "keep_sec": 3600})
    assert send(house.api, ME, body={}, Authorization=basic(*person.key)).status == 200
    assert len(house.call("auth.get_credentials", {"user": person.id})["credentials"]) == 2


def test_the_administrators_key_that_was_revoked_does_not_come_back(own_server: RunningServer) -> None:
    old = own_server.access_key, own_server.secret_key
    own_server.call("auth.revoke_credentials", {"access_key": old[0]})
    assert send(own_server.api, ME, body={}, Authorization=basic(*old)).codes == (401, 22)
    assert own_server.stop() == 0
    own_server.restart()
    assert own_server.access_key != old[0]
    assert send(own_server.api, ME, body={}, Authorization=basic(*old)).codes == (401, 22)
    assert own_server.call("users.get_current_user")["user"]["role"] == "admin"


# ---- tokens


@pytest.mark.parametrize(("asked", "given"), [(600, 600), (0, 30 * 86_400), (-5, 30 * 86_400), (10**9, 365 * 86_400)])
def test_a_tokens_life_is_as_asked_within_bounds(house: RunningServer, asked: int, given: int) -> None:
    claims = jwt.decode(
        house.call("auth.login", {"expiration_sec": asked})["token"], options={"verify_signature": False}
    )
    assert claims["exp"] - claims["iat"] == given


def test_a_renewed_token_is_of_the_same_session_and_ends_with_it(house: RunningServer) -> None:
    person = make(house, "user")
    renewed = house.call("auth.login", token=person.token)["token"]
    other = login(house, *person.key)
    facts = [jwt.decode(t, options={"verify_signature": False}) for t in (person.token, renewed, other)]
    assert facts[0]["session_id"] == facts[1]["session_id"] != facts[2]["session_id"]
    house.call("auth.logout", token=person.token)
    for token in (person.token, renewed):
        assert send(house.api, ME, body={}, Authorization=f"Bearer {token}").codes == (401, 30)
    assert send(house.api, ME, body={}, Authorization=f"Bearer {other}").status == 200
    assert house.call("auth.validate_token", {"token": renewed}) == {
        "valid": False,
        "msg": "Invalid token (the credentials of this token were revoked): reason=logged out",
    }


def test_logging_out_does_not_stop_a_running_task(house: RunningServer) -> None:
    person = make(house, "user")
    queue = house.call("queues.create", {"name": f"of {person.name}"})["id"]
    task = house.call("tasks.create", {"name": "goes on", "type": "training"})["id"]
    house.call("tasks.enqueue", {"task": task, "queue": queue})
    body = {"worker": "w", "queues": [queue], "slots": 1, "timeout_s": 10}
    claim = house.call("agents.wait", body, token=person.token)["entries"][0]["token"]
    house.call("auth.logout", token=person.token)
    house.call("auth.revoke_sessions", {"user": person.id})
    assert house.call("tasks.ping", {"task": task}, token=claim) is not None
    # The token of the task can log out as often as it likes: it ends nothing.
    house.call("auth.logout", token=claim)
    assert house.call("tasks.ping", {"task": task}, token=claim) is not None


def test_a_token_for_another_user_names_who_took_it_and_ends_with_their_right(house: RunningServer) -> None:
    admin, user = make(house, "admin"), make(house, "user")
    token = house.call("auth.get_token_for_user", {"user": user.id}, token=admin.token)["token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["identity"]["user"], claims["actor"]) == (user.id, admin.id)
    assert house.call("users.get_current_user", token=token)["user"]["id"] == user.id
    house.call("auth.edit_user", {"user": admin.id, "role": "user"})
    assert send(house.api, ME, body={}, Authorization=f"Bearer {token}").codes == (401, 30)
    assert f'"actor": "{admin.id}", "user": "{user.id}"' in house.log


def test_a_new_password_of_who_acted_for_another_ends_what_they_took(house: RunningServer) -> None:
    admin, user = make(house, "admin"), make(house, "user")
    for person in (admin, user):
        house.call("auth.set_password", {"user": person.id, "password": "a long enough one"})
    session = login(house, admin.name, "a long enough one")
    token = house.call("auth.get_token_for_user", {"user": user.id, "expiration_sec": 86_400}, token=session)["token"]
    house.call("auth.revoke_sessions", {"user": user.id})  # not theirs: the administrator acts still
    assert house.call("users.get_current_user", token=token)["user"]["id"] == user.id
    house.call("auth.set_password", {"user": admin.id, "password": "because it was stolen"})
    assert send(house.api, ME, body={}, Authorization=f"Bearer {token}").codes == (401, 30)


def _admin(house: RunningServer) -> dict[str, str]:
    return {"Authorization": f"Bearer {house.login()}"}
