"""Users: made, changed, removed, impersonated; always an administrator."""

import threading
from typing import Any

import pytest

from tests.conftest import ApiFailure, RunningServer
from tests.integration.http.client import basic, send

from .conftest import Person, login, make

ME = "/users.get_current_user"


def test_a_user_is_who_they_were_made(house: RunningServer) -> None:
    body = {"name": "tests", "company": "c", "email": "t@e", "given_name": "Default", "family_name": "User"}
    id = house.call("auth.create_user", body)["id"]
    pair = house.call("auth.create_credentials", headers={"X-Clearml-Impersonate-As": id})["credentials"]
    token = login(house, pair["access_key"], pair["secret_key"])
    user = house.call("users.get_current_user", token=token)["user"]
    shown = {"name": "tests", "given_name": "Default", "family_name": "User", "role": "user", "id": id}
    assert {name: user[name] for name in shown} == shown
    assert user["company"]["name"] == "clearml" and user["created"]


def test_users_are_listed_without_what_is_theirs_alone(house: RunningServer, people: dict[str, Person]) -> None:
    house.call("auth.set_password", {"user": people["user"].id, "password": "long enough"})
    for endpoint in ("users.get_all", "users.get_all_ex"):
        users = house.call(endpoint, token=people["read-only"].token)["users"]
        assert {person.id for person in people.values()} <= {user["id"] for user in users}
        for user in users:
            assert not {"_password", "_epoch", "password", "email", "preferences"} & set(user)
    assert "_password" not in house.call("users.get_by_id", {"user": people["user"].id})["user"]
    names = [p.name for p in (people["user"], people["agent"])]
    body: dict[str, Any] = {"name": f"^({'|'.join(names)})$", "only_fields": ["name"], "order_by": ["-name"]}
    found = house.call("users.get_all_ex", body)["users"]
    assert [user["name"] for user in found] == sorted(names, reverse=True)
    assert house.call("users.get_all_ex", {**body, "page": 1, "page_size": 1})["users"] == [found[1]]


def test_who_is_active_in_a_project(house: RunningServer, people: dict[str, Person]) -> None:
    project = house.call("projects.create", {"name": "active here"})["id"]
    body = {"name": "by the user", "type": "training", "project": project}
    house.call("tasks.create", body, token=people["user"].token)
    found = house.call("users.get_all_ex", {"active_in_projects": [project]})["users"]
    assert [user["id"] for user in found] == [people["user"].id]


def test_people_change_themselves_and_nobody_else(house: RunningServer, people: dict[str, Person]) -> None:
    person = make(house, "user")
    fields = {"given_name": "New", "avatar": "data:,"}
    answer = house.call("users.update", {"user": person.id, **fields}, token=person.token)
    assert answer == {"updated": 1, "fields": fields}
    assert house.call("users.get_by_id", {"user": person.id})["user"]["given_name"] == "New"
    other = send(house.api, "/users.update", body={"user": person.id, "name": "x"}, **people["user"].bearer)
    assert other.codes == (403, 20)


def test_what_a_deleted_user_made_stays(house: RunningServer) -> None:
    person = make(house, "user")
    project = house.call("projects.create", {"name": f"of {person.name}"}, token=person.token)["id"]
    body = {"name": "left behind", "type": "training", "project": project}
    task = house.call("tasks.create", body, token=person.token)["id"]
    model = house.call("models.create", {"name": "left behind", "uri": "file:///m"}, token=person.token)["id"]
    queue = house.call("queues.create", {"name": f"of {person.name}"}, token=person.token)["id"]
    house.call("users.delete", {"user": person.id})
    assert send(house.api, ME, body={}, **person.bearer).codes == (401, 30)
    assert send(house.api, ME, body={}, Authorization=basic(*person.key)).codes == (401, 22)
    assert house.call("tasks.get_by_id", {"task": task})["task"]["user"] == person.id
    (row,) = house.call("tasks.get_all_ex", {"id": [task]})["tasks"]
    assert row["user"]["id"] == person.id
    for endpoint, body in (
        ("tasks.get_by_id_ex", {"id": [task]}),
        ("projects.get_all_ex", {"id": [project], "include_stats": True}),
        ("projects.get_user_names", {"projects": [project]}),
        ("models.get_all_ex", {"id": [model]}),
        ("queues.get_all_ex", {"id": [queue]}),
        ("users.get_all_ex", {"active_in_projects": [project]}),
    ):
        house.call(endpoint, body)
    house.call("tasks.edit", {"task": task, "name": "goes on", "force": True})


def test_preferences_are_merged_and_kept_as_they_are(house: RunningServer) -> None:
    person = make(house, "read-only")

    def change(preferences: dict[str, Any]) -> dict[str, Any]:
        house.call("users.set_preferences", {"preferences": preferences}, token=person.token)
        kept: dict[str, Any] = house.call("users.get_preferences", token=person.token)["preferences"]
        return kept

    assert change({"views": {"projectTable": {"cols": ["a"], "width": 3}}, "theme": "dark"})["theme"] == "dark"
    merged = change({"views": {"projectTable": {"cols": []}}, "last_metrics--DOT--x": {"y--DOT--z": None}})
    assert merged == {
        "views": {"projectTable": {"cols": [], "width": 3}},
        "theme": "dark",
        "last_metrics--DOT--x": {"y--DOT--z": None},
    }
    assert change({"beyond 64 bits": -(10**27)})["beyond 64 bits"] == -1e27
    assert change({"beyond 64 bits": {"and": 10**30}})["beyond 64 bits"] == {"and": 1e30}
    assert house.call("users.get_by_id", {"user": person.id}, token=person.token)["user"]["preferences"].startswith("{")
    for wrong in ("x", None, []):
        answer = send(house.api, "/users.set_preferences", body={"preferences": wrong}, **person.bearer)
        assert answer.codes == (400, 12)


def test_two_pages_of_one_user_lose_nothing_of_each_other(house: RunningServer) -> None:
    person = make(house, "user")

    def write(page: int) -> None:
        for number in range(20):
            body = {"preferences": {"pages": {f"{page}.{number}": True}}}
            house.call("users.set_preferences", body, token=person.token)

    threads = [threading.Thread(target=write, args=(page,)) for page in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = house.call("users.get_preferences", token=person.token)["preferences"]
    assert len(kept["pages"]) == 60


# ---- administrators


def test_there_is_always_an_administrator(own_server: RunningServer) -> None:
    me = own_server.call("users.get_current_user")["user"]["id"]
    for endpoint, body in (
        ("auth.edit_user", {"user": me, "role": "user"}),
        ("auth.edit_user", {"role": "read-only"}),
        ("users.delete", {"user": me}),
    ):
        with pytest.raises(ApiFailure) as caught:
            own_server.call(endpoint, body)
        assert (caught.value.code, caught.value.subcode) == (400, 12)
    second = make(own_server, "admin")
    # Two administrators who demote each other at the same moment: one of them stays.
    results: list[int] = []

    def demote(token: str, other: str) -> None:
        body = {"user": other, "role": "user"}
        answer = send(own_server.api, "/auth.edit_user", body=body, Authorization=f"Bearer {token}")
        results.append(answer.status)

    for _ in range(5):
        first_token = own_server.login()
        results.clear()
        both = [
            threading.Thread(target=demote, args=(first_token, second.id)),
            threading.Thread(target=demote, args=(second.token, me)),
        ]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()
        users = own_server.call("users.get_all_ex", token=first_token)["users"]
        left = [user["id"] for user in users if user["role"] == "admin"]
        assert left, results
        token = first_token if me in left else second.token
        for user in (me, second.id):
            own_server.call("auth.edit_user", {"user": user, "role": "admin"}, token=token)


def test_the_servers_own_user_cannot_be_deleted(house: RunningServer) -> None:
    me = house.call("users.get_current_user")["user"]["id"]
    other = make(house, "admin")
    assert send(house.api, "/users.delete", body={"user": me}, **other.bearer).codes == (400, 12)


# ---- impersonation


def test_impersonation_is_for_administrators_and_is_logged(house: RunningServer, people: dict[str, Person]) -> None:
    user = people["user"]
    for header in ("X-Clearml-Impersonate-As", "X-Clearml-Act-As"):
        for role in ("superuser", "user", "agent", "read-only"):
            answer = send(house.api, ME, body={}, **people[role].bearer, **{header: user.id})
            assert answer.codes == (400, 6), role
        answer = send(house.api, ME, body={}, **people["admin"].bearer, **{header: user.id})
        assert answer.json["data"]["user"]["id"] == user.id
        # As the user, with the user's rights.
        answer = send(house.api, "/users.delete", body={"user": "x"}, **people["admin"].bearer, **{header: user.id})
        assert answer.codes == (403, 20)
        unknown = send(house.api, ME, body={}, **people["admin"].bearer, **{header: "nobody"})
        assert unknown.codes == (400, 301)
    both = {"X-Clearml-Impersonate-As": user.id, "X-Clearml-Act-As": user.id}
    assert send(house.api, ME, body={}, **people["admin"].bearer, **both).codes == (400, 5)
    line = f'"actor": "{people["admin"].id}", "user": "{user.id}", "endpoint": "users.get_current_user"'
    assert line in house.log


def test_a_login_for_another_user_is_a_session_of_theirs(house: RunningServer, people: dict[str, Person]) -> None:
    user = people["user"]
    token = login(house, *people["admin"].key, **{"X-Clearml-Impersonate-As": user.id})
    assert house.call("users.get_current_user", token=token)["user"]["id"] == user.id
    assert send(house.api, "/auth.get_token_for_user", body={}, Authorization=f"Bearer {token}").codes == (403, 20)
