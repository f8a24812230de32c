"""Every endpoint, asked over HTTP by every role: what the table forbids is 403/20, and nothing else is."""

import http.client
import json
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from control_plane.services import roles
from control_plane.services.context import Claim, Identity
from control_plane.services.roles import Use
from control_plane.services.table import handler_table
from tests.conftest import RunningServer
from tests.integration.http.client import multipart, send

from .conftest import ROLES, Person, login, make

NAMES = sorted(handler_table())
BODIES = {"organization.follow": b'{"timeout_s": 0}'}
ENDS_THE_SESSION = {"auth.logout", "auth.revoke_sessions", "login.logout"}


@contextmanager
def _line(server: RunningServer) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(server.api).netloc, timeout=30)
    try:
        yield connection
    finally:
        connection.close()


def _ask(line: http.client.HTTPConnection, name: str, token: str) -> tuple[int, int, dict[str, object]]:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    line.request("POST", f"/{name}", BODIES.get(name, b"{}"), headers)
    answer = line.getresponse()
    if answer.headers.get_content_type() == "text/event-stream":
        answer.read()
        return answer.status, 0, {}
    meta = json.loads(answer.read())["meta"]
    assert meta["result_code"] == answer.status
    return meta["result_code"], meta["result_subcode"], meta["error_data"]


@pytest.mark.parametrize("role", ROLES)
def test_every_endpoint_answers_every_role_as_the_table_says(
    house: RunningServer, people: dict[str, Person], role: str
) -> None:
    identity = Identity(user="u", company="c", role=role)
    wrong = []
    with _line(house) as line:
        for name in NAMES:
            if name in ENDS_THE_SESSION:
                continue
            code, sub, facts = _ask(line, name, people[role].token)
            refused = (code, sub) == (403, 20)
            if refused == roles.is_allowed(identity, name) or code in (401, 500):
                wrong.append((name, code, sub))
            if refused:
                assert facts["endpoint"] == name and facts["role"] == role and facts["needs"], facts
    assert wrong == []


@pytest.mark.parametrize("role", ["user", "agent"])
def test_every_endpoint_answers_a_tasks_token_as_the_table_says(house: RunningServer, role: str) -> None:
    person = make(house, role)
    queue = house.call("queues.create", {"name": f"matrix of {person.name}"})["id"]
    task = house.call("tasks.create", {"name": "matrix", "type": "training"})["id"]
    house.call("tasks.enqueue", {"task": task, "queue": queue})
    body = {"worker": "w", "queues": [queue], "slots": 1, "timeout_s": 10}
    token = house.call("agents.wait", body, token=person.token)["entries"][0]["token"]
    identity = Identity(user="u", company="c", role=role, claim=Claim(task, 1, "w"))
    with _line(house) as line:
        found = {name: _ask(line, name, token) for name in NAMES if name not in ENDS_THE_SESSION}
    refused = {name for name, answer in found.items() if answer[:2] == (403, 20)}
    assert refused == {name for name in found if not roles.is_allowed(identity, name)}
    assert not [name for name, answer in found.items() if answer[0] in (401, 500)]


def test_a_tasks_token_does_what_pipelines_do_and_no_more(house: RunningServer) -> None:
    queue = house.call("queues.create", {"name": "pipelines"})["id"]
    task = house.call("tasks.create", {"name": "controller", "type": "controller"})["id"]
    house.call("tasks.enqueue", {"task": task, "queue": queue})
    body = {"worker": "w", "queues": [queue], "slots": 1, "timeout_s": 10}
    token = house.call("agents.wait", body)["entries"][0]["token"]

    def ask(name: str, /, **body: object) -> dict[str, object]:
        answer: dict[str, object] = house.call(name, body, token=token)
        return answer

    ask("tasks.started", task=task)
    child = ask("tasks.clone", task=task, new_task_name="step", new_task_parent=task)["id"]
    ask("tasks.edit", task=child, script={"entry_point": "x.py"}, force=True)
    assert ask("queues.get_all", name="^pipelines$")["queues"]
    assert ask("tasks.enqueue", task=child, queue=queue)["queued"] == 1
    model = ask("models.create", name="made by a step", uri="file:///m", task=task)["id"]
    ask("models.edit", model=model, ready=False)
    ask("tasks.completed", task=task)
    for name in ("auth.create_credentials", "auth.get_token_for_user", "auth.create_user", "users.delete"):
        answer = send(house.api, f"/{name}", body={}, Authorization=f"Bearer {token}")
        assert answer.codes == (403, 20)


@pytest.mark.parametrize("role", ["read-only", "guest"])
def test_a_reader_reads_everything_and_leaves_no_trace(
    house: RunningServer, people: dict[str, Person], role: str
) -> None:
    task = house.call("tasks.create", {"name": "read me", "type": "training", "tags": ["seen"]})["id"]
    line = {"type": "training_stats_scalar", "task": task, "iter": 1, "metric": "m", "variant": "v", "value": 0.5}
    house.call("events.add", line)
    body, kind = multipart({f"/p/read me.{task}/artifacts/a": b"bytes"})
    admin = {"Authorization": f"Bearer {house.login()}"}
    assert send(house.files, "/", body=body, Content_Type=kind, **admin).status == 200

    reader = people[role]
    before = house.call("tasks.get_by_id", {"task": task})
    path = f"/p/read%20me.{task}/artifacts/a"
    assert house.call("tasks.get_all_ex", {"id": [task]}, token=reader.token)["tasks"][0]["name"] == "read me"
    assert house.call("events.get_task_events", {"task": task}, token=reader.token)["returned"] == 1
    assert send(house.files, path, method="GET", **reader.bearer).body == b"bytes"
    for name, change in (
        ("tasks.edit", {"task": task, "name": "mine now", "force": True}),
        ("tasks.delete", {"task": task, "force": True}),
        ("tasks.create", {"name": "new one", "type": "training"}),
        ("projects.create", {"name": "new one"}),
        ("queues.create", {"name": "new one"}),
        ("models.create", {"name": "new one", "uri": "file:///m"}),
        ("events.add", line),
        ("tasks.enqueue", {"task": task, "queue_name": "default"}),
    ):
        assert send(house.api, f"/{name}", body=change, **reader.bearer).codes == (403, 20), name
    batch = json.dumps(line).encode()
    assert send(house.api, "/events.add_batch", body=batch, **reader.bearer).codes == (403, 20)
    assert send(house.files, "/", body=body, Content_Type=kind, **reader.bearer).status == 403
    assert send(house.files, path, method="DELETE", **reader.bearer).status == 403
    many = send(house.files, "/delete_many", body={"files": [path]}, **reader.bearer).json
    assert many["deleted"] == {} and many["errors"] == {"Refused": [path]}
    assert send(house.files, path, method="GET", **admin).body == b"bytes"
    assert house.call("tasks.get_by_id", {"task": task}) == before


def test_an_agents_key_uploads_and_deletes_nobodys_files(house: RunningServer, people: dict[str, Person]) -> None:
    body, kind = multipart({"/p/n.x/artifacts/a": b"bytes"})
    agent = people["agent"].bearer
    assert send(house.files, "/", body=body, Content_Type=kind, **agent).status == 200
    assert send(house.files, "/p/n.x/artifacts/a", method="DELETE", **agent).status == 403
    assert send(house.files, "/p/n.x/artifacts/a", method="DELETE", **people["user"].bearer).status == 200


def test_a_key_may_have_less_than_its_user_and_never_more(house: RunningServer, people: dict[str, Person]) -> None:
    user = people["user"]
    made = house.call("auth.create_credentials", {"role": "read-only"}, token=user.token)["credentials"]
    assert made["role"] == "read-only"
    token = login(house, made["access_key"], made["secret_key"])
    assert house.call("users.get_current_user", token=token)["user"]["role"] == "read-only"
    bearer = {"Authorization": f"Bearer {token}"}
    assert send(house.api, "/tasks.create", body={"name": "new", "type": "training"}, **bearer).codes == (403, 20)
    more = send(house.api, "/auth.create_credentials", body={"role": "admin"}, **user.bearer)
    assert more.codes == (400, 12)
    # A key that makes keys gives them no more than it has.
    narrow = house.call("auth.create_credentials", {"role": "user"})["credentials"]
    token = login(house, narrow["access_key"], narrow["secret_key"])
    made = house.call("auth.create_credentials", {}, token=token)["credentials"]
    assert made["role"] == "user"


def test_the_role_of_today_counts_not_that_of_the_token(house: RunningServer) -> None:
    person = make(house, "user")
    house.call("tasks.create", {"name": "still allowed", "type": "training"}, token=person.token)
    house.call("auth.edit_user", {"user": person.id, "role": "read-only"})
    answer = send(house.api, "/tasks.create", body={"name": "too late", "type": "training"}, **person.bearer)
    assert answer.codes == (403, 20)


def test_what_is_open_is_open_to_nobody_too(house: RunningServer) -> None:
    with _line(house) as line:
        for name in NAMES:
            line.request("POST", f"/{name}", b"{}", {"Content-Type": "application/json"})
            answer = line.getresponse()
            meta = json.loads(answer.read())["meta"]
            if roles.use_of(name) is Use.OPEN:
                assert answer.status == 200, name
            else:
                assert (answer.status, meta["result_subcode"]) == (401, 20), name
