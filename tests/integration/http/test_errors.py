"""Bad input gets the documented error, in one shape, with a message that says what to do."""

import json
from typing import Any

import pytest

from .client import Answer, send

NOBODY = "0123456789abcdef0123456789abcdef"


def call(server: Any, path: str, body: Any = None, **more: Any) -> Answer:
    headers = {"Authorization": f"Bearer {server.login()}"}
    content = body if isinstance(body, bytes) else json.dumps(body if body is not None else {}).encode()
    return send(server.api, path, body=content, Content_Type="application/json", **headers, **more)


@pytest.mark.parametrize("path", ["/nosuch.thing", "/v2.23/tasks.nosuch", "/v9.9/nosuch.thing", "/users.get_vaults"])
def test_an_unknown_endpoint_is_404(server: Any, path: str) -> None:
    answer = call(server, path)
    assert answer.codes == (404, 0)
    assert "Unable to find endpoint" in answer.meta["result_msg"]


@pytest.mark.parametrize(
    "path", ["/", "/tasks", "/a/b/c", "/v2/tasks.get_all", "/../tasks.get_all", "/tasks.get_all/x"]
)
def test_a_malformed_path_is_400(server: Any, path: str) -> None:
    assert call(server, path).codes == (400, 0)


ENDPOINTS = ["tasks.get_all", "tasks.create", "models.create", "projects.create", "queues.create", "auth.login"]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("body", [b"{bad json", b"[1, 2]", b'"text"', b"17", b"\xff\xfe\x00", b'{"a":' * 2000])
def test_a_malformed_body_is_400(server: Any, endpoint: str, body: bytes) -> None:
    answer = call(server, f"/{endpoint}", body)
    assert answer.codes == (400, 0)
    assert answer.meta["result_msg"]


@pytest.mark.parametrize(
    "body", [b'{"a":' * 100_000, b"[" * 100_000, b'{"values":' + b"[" * 100_000, b'{"name":"\xff\xfe"}']
)
def test_batches_nested_without_end_are_400(server: Any, body: bytes) -> None:
    for endpoint in ("events.add", "events.add_batch", "tasks.update_batch"):
        assert call(server, f"/{endpoint}", body).codes[0] == 400


def test_a_query_string_of_too_many_fields_is_400(server: Any) -> None:
    query = "&".join(f"k{number}=1" for number in range(2001))
    for endpoint in ("tasks.get_all_ex", "tasks.edit", "events.add"):
        answer = call(server, f"/{endpoint}?{query}")
        assert answer.codes == (400, 0)
        assert "more than 2000 fields" in answer.meta["result_msg"]


@pytest.mark.parametrize(
    ("endpoint", "body", "codes", "names"),
    [
        ("tasks.get_by_id", {}, (400, 12), "task"),
        ("tasks.get_by_id", {"task": 5}, (400, 12), "task"),
        ("tasks.get_by_id", {"task": None}, (400, 12), "task"),
        ("tasks.create", {"name": "abc"}, (400, 12), "type"),
        ("tasks.create", {"name": "abc", "type": "nonsense"}, (400, 12), "type"),
        ("tasks.create", {"name": ["l"], "type": "training"}, (400, 12), "name"),
        ("tasks.create", {"name": "x", "type": "training"}, (400, 800), "name"),
        ("tasks.create", {"name": "abc", "type": "training", "tags": ["__$all"]}, (400, 16), "__$all"),
        ("tasks.create", {"name": "abc", "type": "training", "project": NOBODY}, (400, 16), NOBODY),
        ("tasks.edit", {"task": NOBODY, "comment": "c"}, (400, 101), NOBODY),
        ("tasks.get_all", {"page_size": -1}, (400, 12), "page_size"),
        ("tasks.get_all", {"page": "x"}, (400, 12), "page"),
        ("tasks.get_all", {"name": "("}, (400, 21), "subpattern"),
        ("tasks.get_all", {"only_fields": 3}, (400, 12), "only_fields"),
        ("tasks.get_all", {"tags": ["__$bogus", "a"]}, (400, 16), "__$bogus"),
        ("tasks.get_all", {"id": [{"a": 1}]}, (400, 16), "id"),
        ("tasks.enqueue", {"task": NOBODY, "queue": NOBODY}, (400, 701), NOBODY),
        ("tasks.enqueue", {"task": NOBODY, "queue": "a", "queue_name": "b"}, (400, 12), "queue"),
        ("tasks.archive", {"tasks": []}, (400, 12), "tasks"),
        ("tasks.edit_hyper_params", {"task": NOBODY, "hyperparams": []}, (400, 12), "hyperparams"),
        ("tasks.set_requirements", {"task": NOBODY}, (400, 12), "requirements"),
        ("models.get_by_id", {"model": NOBODY}, (400, 201), NOBODY),
        ("models.create", {"name": "abc"}, (400, 12), "uri"),
        ("projects.get_by_id", {"project": NOBODY}, (400, 401), NOBODY),
        ("projects.create", {}, (400, 11), "name"),
        ("projects.create", {"name": ""}, (400, 407), "name"),
        ("queues.get_by_id", {"queue": "default"}, (400, 701), "default"),
        ("users.get_by_id", {"user": NOBODY}, (400, 301), NOBODY),
        ("workers.status_report", {"worker": "w"}, (400, 12), "timestamp"),
    ],
)
def test_a_wrong_request_names_what_is_wrong(
    server: Any, endpoint: str, body: dict[str, Any], codes: tuple[int, int], names: str
) -> None:
    answer = call(server, f"/{endpoint}", body)
    assert answer.codes == codes, answer.meta["result_msg"]
    assert names in answer.meta["result_msg"]


def test_an_illegal_transition_says_from_where_to_where(server: Any) -> None:
    task = server.call("tasks.create", {"name": "illegal", "type": "training"})["id"]
    answer = call(server, "/tasks.completed", {"task": task})
    assert answer.codes == (400, 110)
    assert answer.meta["error_data"] == {"current_status": "created", "new_status": "completed"}
    assert server.call("tasks.get_by_id", {"task": task})["task"]["status"] == "created"


def test_an_edit_of_a_running_task_needs_force(server: Any) -> None:
    task = server.call("tasks.create", {"name": "running", "type": "training"})["id"]
    server.call("tasks.started", {"task": task})
    assert call(server, "/tasks.edit", {"task": task, "comment": "no"}).codes == (400, 110)
    server.call("tasks.edit", {"task": task, "comment": "yes", "force": True})
    assert server.call("tasks.get_by_id", {"task": task})["task"]["comment"] == "yes"


def test_no_error_is_above_500_and_every_data_is_an_object(server: Any) -> None:
    odd: list[Any] = [None, [], {}, 0, -1, 1e308, True, "", "x" * 5000, {"a": {"b": []}}, [[[]]], "\u0000", "__$all"]
    table = server.call("debug.echo", {"alive": True})
    assert table == {"alive": True}
    for name in ("task", "ids", "name", "project", "tags", "hyperparams", "execution", "script", "models", "order_by"):
        for value in odd:
            for endpoint in (
                "tasks.get_all",
                "tasks.create",
                "tasks.edit",
                "tasks.clone",
                "models.edit",
                "projects.update",
            ):
                body = {"type": "training", "name": "fuzz", "task": NOBODY, "model": NOBODY, name: value}
                answer = call(server, f"/{endpoint}", body)
                assert answer.meta["result_code"] in (200, 400), (endpoint, name, value, answer.meta["result_msg"])


def test_compressed_requests_are_refused_in_an_envelope(server: Any) -> None:
    assert call(server, "/tasks.get_types", {}, Content_Encoding="gzip").codes == (415, 0)


def test_every_method_and_a_query_string_write_with_a_token(server: Any) -> None:
    bearer = {"Authorization": f"Bearer {server.login()}"}
    for method in ("GET", "POST", "PUT"):
        made = send(
            server.api, "/v2.23/tasks.create", method=method, body={"name": method * 2, "type": "testing"}, **bearer
        )
        assert made.status == 200
    made = send(server.api, "/tasks.create?name=by+query&type=testing", method="GET", **bearer)
    task = made.json["data"]["id"]
    assert server.call("tasks.get_by_id", {"task": task})["task"]["name"] == "by query"


def test_a_batch_of_twenty_megabytes_is_taken(server: Any) -> None:
    task = server.call("tasks.create", {"name": "large batch", "type": "training"})["id"]
    line = {"type": "log", "task": task, "timestamp": 1, "level": "info", "worker": "w", "msg": "x" * 100_000}
    body = "\n".join(json.dumps({**line, "timestamp": number}) for number in range(200)).encode()
    assert len(body) > 20_000_000
    answer = send(
        server.api,
        "/v2.23/events.add_batch",
        method="GET",
        body=body,
        Content_Type="application/json-lines",
        Authorization=f"Bearer {server.login()}",
    )
    assert answer.json["data"]["added"] == 200
