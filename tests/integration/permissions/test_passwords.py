"""Logging in with a user and a password, and by picking a name, as the page and the official web app do it."""

import base64
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import jwt
import pytest

from tests.conftest import ApiFailure, RunningServer
from tests.integration.http.client import Answer, basic, send

from .conftest import Person, login, make

ME = "/users.get_current_user"
PASSWORD = "correct horse"


def ask(server: RunningServer, name: str, password: str, **headers: str) -> Answer:
    return send(server.api, "/auth.login", body={}, Authorization=basic(name, password), **headers)


@pytest.fixture
def person(house: RunningServer) -> Person:
    made = make(house, "user")
    house.call("auth.set_password", {"user": made.id, "password": PASSWORD})
    return made


def test_a_person_logs_in_and_their_page_has_a_session(house: RunningServer, person: Person) -> None:
    modes = send(house.web, "/api/login.supported_modes", body={}).json["data"]
    assert modes["basic"]["enabled"] is True and modes["authenticated"] is False
    answer = ask(house, person.name.upper(), PASSWORD)  # case does not count
    cookie = answer.headers["set-cookie"]
    assert "httponly" in cookie.lower() and "samesite=lax" in cookie.lower()
    page = {"Cookie": cookie.split(";")[0], "Origin": house.web}
    assert send(house.web, "/api" + ME, body={}, **page).json["data"]["user"]["id"] == person.id
    assert send(house.web, "/api/login.supported_modes", body={}, **page).json["data"]["authenticated"] is True
    out = send(house.web, "/api/login.logout", body={}, **page)
    assert "max-age=0" in out.headers["set-cookie"].lower()
    # The cookie is gone from the browser, and who kept a copy of it has nothing.
    assert send(house.web, "/api" + ME, body={}, **page).codes == (401, 30)
    assert send(house.web, "/api/login.supported_modes", body={}, **page).json["data"]["authenticated"] is False


def test_names_outside_ascii_and_colons_in_passwords_work(house: RunningServer) -> None:
    id = house.call("auth.create_user", {"name": "Žofie Müller", "company": "c", "email": "e"})["id"]
    house.call("auth.set_password", {"user": id, "password": "a:b:c:ž d"})
    text = base64.b64encode("žofie müller:a:b:c:ž d".encode()).decode()
    assert send(house.api, "/auth.login", body={}, Authorization=f"Basic {text}").status == 200


@pytest.mark.parametrize("name", ["with:colon", "A" * 20, "  "])
def test_names_that_nobody_could_log_in_with_get_no_password(house: RunningServer, name: str) -> None:
    with pytest.raises(ApiFailure) as caught:
        id = house.call("auth.create_user", {"name": name, "company": "c", "email": "e"})["id"]
        house.call("auth.set_password", {"user": id, "password": PASSWORD})
    assert (caught.value.code, caught.value.subcode) == (400, 12)


@pytest.mark.parametrize("password", ["", "short", "x" * 1025])
def test_passwords_have_a_length(house: RunningServer, person: Person, password: str) -> None:
    with pytest.raises(ApiFailure) as caught:
        house.call("auth.set_password", {"user": person.id, "password": password})
    assert (caught.value.code, caught.value.subcode) == (400, 12)


def test_one_login_name_has_one_owner(house: RunningServer, person: Person) -> None:
    twin = house.call("auth.create_user", {"name": person.name.title(), "company": "c", "email": "e"})["id"]
    with pytest.raises(ApiFailure) as caught:
        house.call("auth.set_password", {"user": twin, "password": "another one"})
    assert (caught.value.code, caught.value.subcode) == (400, 801)
    # It is free once its owner is called otherwise, and theirs moves along.
    house.call("users.update", {"user": person.id, "name": f"{person.name} the second"})
    house.call("auth.set_password", {"user": twin, "password": "another one"})
    assert _whose(ask(house, person.name, "another one")) == twin
    assert _whose(ask(house, f"{person.name} the second", PASSWORD)) == person.id
    with pytest.raises(ApiFailure) as caught:
        house.call("users.update", {"user": person.id, "name": person.name})
    assert (caught.value.code, caught.value.subcode) == (400, 801)
    # And when its owner is deleted.
    house.call("users.delete", {"user": twin})
    assert ask(house, person.name, "another one").codes == (401, 22)
    house.call("users.update", {"user": person.id, "name": person.name})
    assert _whose(ask(house, person.name, PASSWORD)) == person.id


def _whose(answer: Answer) -> str:
    token = answer.json["data"]["token"]
    return str(jwt.decode(token, options={"verify_signature": False})["identity"]["user"])


def test_a_new_password_ends_the_sessions_and_leaves_the_keys(house: RunningServer, person: Person) -> None:
    session = login(house, person.name, PASSWORD)
    body = {"password": "the new one", "current": "not the old one"}
    wrong = send(house.api, "/auth.set_password", body=body, Authorization=f"Bearer {session}")
    assert wrong.codes == (403, 20)
    house.call("auth.set_password", {**body, "current": PASSWORD}, token=session)
    assert send(house.api, ME, body={}, Authorization=f"Bearer {session}").codes == (401, 30)
    assert ask(house, person.name, PASSWORD).codes == (401, 22)
    assert send(house.api, ME, body={}, **person.bearer).status == 200
    session = login(house, person.name, "the new one")
    house.call("auth.revoke_sessions", token=session)
    assert send(house.api, ME, body={}, Authorization=f"Bearer {session}").codes == (401, 30)
    assert ask(house, person.name, "the new one").status == 200


def test_a_password_can_be_taken_away(house: RunningServer, person: Person) -> None:
    house.call("auth.set_password", {"user": person.id, "password": None})
    assert ask(house, person.name, PASSWORD).codes == (401, 22)
    assert ask(house, person.name, "").codes == (401, 22)


def test_nobody_sets_anothers_password(house: RunningServer, person: Person, people: dict[str, Person]) -> None:
    for role in ("user", "agent", "read-only"):
        body = {"user": person.id, "password": "taken over"}
        assert send(house.api, "/auth.set_password", body=body, **people[role].bearer).codes == (403, 20)


# ---- guessing


def test_who_guesses_waits(new_server: Callable[..., AbstractContextManager[RunningServer]]) -> None:
    with new_server(env={"CLEARML_SERVER_WRONG_PASSWORDS_PER_MIN": "5"}) as server:
        me = server.call("users.get_current_user")["user"]["id"]
        server.call("auth.set_password", {"user": me, "password": PASSWORD})
        for name in ("nobody", "admin"):
            answers = []
            while not answers or answers[-1].status == 401:  # some time passes: a slow machine gets a few more
                answers.append(ask(server, name, f"guess {len(answers)}"))
            assert 5 < len(answers) < 20
            last = answers[-1]
            assert last.codes == (429, 192) and last.json["data"] == {}
            assert 1 <= int(last.headers["retry-after"]) <= 12
            assert last.meta["error_data"]["retry_after_s"] == int(last.headers["retry-after"])
        # The right one too has to wait: who guesses right at last learns nothing.
        while int(ask(server, "admin", "guess").headers.get("retry-after", 0)) < 3:
            pass  # it would have its turn meanwhile
        assert ask(server, "admin", PASSWORD).codes == (429, 192)
        # Keys and open sessions go on.
        server._token = None
        assert server.call("users.get_current_user")["user"]["id"] == me


def test_who_guesses_many_at_once_waits_too(new_server: Callable[..., AbstractContextManager[RunningServer]]) -> None:
    with (
        new_server(env={"CLEARML_SERVER_WRONG_PASSWORDS_PER_MIN": "2"}) as server,
        ThreadPoolExecutor(40) as threads,
    ):
        server.call(
            "auth.set_password", {"user": server.call("users.get_current_user")["user"]["id"], "password": PASSWORD}
        )
        codes = [
            answer.status for answer in threads.map(lambda number: ask(server, "admin", f"guess {number}"), range(40))
        ]
        assert set(codes) == {401, 429}
        assert codes.count(401) < 20  # two, and one more each half minute: none of the others was even compared


def test_an_address_that_tries_many_names_waits(
    new_server: Callable[..., AbstractContextManager[RunningServer]],
) -> None:
    with new_server(env={"CLEARML_SERVER_WRONG_PASSWORDS_PER_MIN": "1"}) as server:
        codes = [401]
        while codes[-1] == 401:
            codes.append(ask(server, f"name {len(codes)}", "guess").status)
        assert 10 < len(codes) < 40 and codes[-1] == 429
        assert ask(server, "A" * 30, "wrong").status == 429  # wrong keys count too


def test_a_user_who_does_not_exist_takes_as_long_as_a_wrong_password(house: RunningServer, person: Person) -> None:
    def seconds(name: str) -> float:
        started = time.perf_counter()
        assert ask(house, name, "a guess").codes == (401, 22)
        return time.perf_counter() - started

    seconds("warm up")
    known, unknown = [], []
    for _ in range(9):  # in turns: this machine has other work too
        known.append(seconds(person.name))
        unknown.append(seconds(f"nobody {person.name}"))
    # The shortest: what other processes take from a call comes on top.
    assert 0.5 < min(known) / min(unknown) < 2, (known, unknown)


def test_hashing_holds_up_no_other_call(house: RunningServer, person: Person) -> None:
    """While passwords are checked one after the other, other calls are answered between two of them."""
    done = threading.Event()

    def guess() -> None:
        for _ in range(6):
            ask(house, person.name, PASSWORD + "?")
        done.set()

    thread = threading.Thread(target=guess)
    thread.start()
    slowest, calls = 0.0, 0
    while not done.is_set():
        started = time.perf_counter()
        house.call("debug.ping_auth")
        slowest, calls = max(slowest, time.perf_counter() - started), calls + 1
    thread.join()
    assert calls >= 12, (calls, slowest)


# ---- picking a name


def test_where_names_are_picked_the_pages_key_opens_sessions_and_nothing_else(
    new_server: Callable[..., AbstractContextManager[RunningServer]],
) -> None:
    with new_server(env={"CLEARML_SERVER_LOGIN": "names"}) as server:
        admin = make(server, "admin")
        user = make(server, "user")
        assert server.call("login.supported_modes")["basic"]["enabled"] is False
        facts = send(server.web, "/credentials.json", method="GET").json
        door = {"Authorization": basic(facts["userKey"], facts["userSecret"])}
        listed = send(server.api, "/users.get_all_ex", body={}, **door).json["data"]["users"]
        assert {"id": user.id, "name": user.name} in listed
        assert admin.id not in {one["id"] for one in listed}
        # An existing name, as the official web app does it.
        impersonate = {"X-Clearml-Impersonate-As": user.id}
        answer = send(server.web, "/api/auth.login", body={}, Origin=server.web, **door, **impersonate)
        page = {"Cookie": answer.headers["set-cookie"].split(";")[0], "Origin": server.web}
        assert send(server.web, "/api" + ME, body={}, **page).json["data"]["user"]["id"] == user.id
        # A new one.
        body = {"name": "Newcomer", "company": "c", "email": "e", "role": "admin"}
        new = send(server.api, "/auth.create_user", body=body, **door).json["data"]["id"]
        token = login(server, facts["userKey"], facts["userSecret"], **{"X-Clearml-Impersonate-As": new})
        assert server.call("users.get_current_user", token=token)["user"]["role"] == "user"
        # And nothing else.
        assert send(server.api, "/auth.login", body={}, **door).codes == (403, 20)
        refused = send(server.api, "/auth.login", body={}, **door, X_Clearml_Impersonate_As=admin.id)
        assert refused.codes == (403, 20)
        assert send(server.api, "/tasks.get_all", body={}, **door).codes == (403, 20)
        assert send(server.api, "/tasks.get_all", body={}, **door, **impersonate).codes == (400, 6)
        assert send(server.files, "/x", method="GET", **door).status == 403
        wrong = basic(facts["userKey"], facts["userSecret"] + "0")
        assert send(server.api, "/users.get_all", body={}, Authorization=wrong).codes == (401, 22)


def test_elsewhere_the_pages_key_is_nobodys(house: RunningServer) -> None:
    assert b"userKey" not in send(house.web, "/credentials.json", method="GET").body
