"""Bad input gets the documented error, in one shape, with a message that says what to do."""

import http.client
import json
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from control_plane.services.table import handler_table

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
    "path",
    [
        "/",
        "/tasks",
        "/a/b/c",
        "/v2/tasks.get_all",
        "/../tasks.get_all",
        "/tasks.get_all/x",
        f"/v{'9' * 5000}.1/tasks.get_all",
    ],
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
    "body", [b'{"a":' * 100_000, b"[" * 100_000, b'{"values":' + b"[" * 100_000, b'{"msg":"\xff\xfe"}']
)
def test_batches_nested_without_end_are_400(server: Any, body: bytes) -> None:
    for endpoint in ("events.add", "events.add_batch", "tasks.update_batch"):
        assert call(server, f"/{endpoint}", body).codes[0] == 400


@pytest.mark.parametrize("levels", [201, 300, 1010])
def test_what_could_not_be_written_again_is_not_taken(server: Any, levels: int) -> None:
    deep = ('{"a":' * levels + "1" + "}" * levels).encode()
    task = server.call("tasks.create", {"name": "deep", "type": "testing"})["id"].encode()
    for endpoint, body in (
        ("debug.echo", deep),
        ("events.add", b'{"type": "log", "task": "%b", "msg": %b}' % (task, deep)),
        ("tasks.edit", b'{"task": "%b", "runtime": %b}' % (task, deep)),
        ("users.set_preferences", b'{"preferences": %b}' % deep),
    ):
        answer = call(server, f"/{endpoint}", body)
        assert answer.codes == (400, 0)
        assert "nested too deeply" in answer.meta["result_msg"]
    path = ".".join("a" * levels)
    assert call(server, f"/tasks.edit?task={task.decode()}&runtime.{path}=1").codes == (400, 0)


def test_a_list_is_sorted_by_values_as_deep_as_they_may_be(server: Any) -> None:
    deep: Any = 1
    for _ in range(197):
        deep = [deep]
    task = server.call("tasks.create", {"name": "as deep as it may be", "type": "testing"})["id"]
    server.call("tasks.edit", {"task": task, "runtime": {"deep": deep}})
    found = server.call("tasks.get_all", {"id": [task], "order_by": ["runtime.deep"], "only_fields": ["runtime.deep"]})
    assert found["tasks"][0]["runtime"] == {"deep": deep}


def test_a_list_is_sorted_by_values_with_longer_numbers_than_python_reads(server: Any) -> None:
    project = server.call("projects.create", {"name": "long numbers"})["id"]
    for value in ("v" + "9" * 5000, "v10", "v9"):
        item = {"section": "Args", "name": "seed", "value": value}
        body = {
            "name": f"seed {value[:3]}",
            "type": "testing",
            "project": project,
            "hyperparams": {"Args": {"seed": item}},
        }
        server.call("tasks.create", body)
    asked = {"project": [project], "order_by": ["hyperparams.Args.seed.value"], "only_fields": ["name"]}
    names = [task["name"] for task in server.call("tasks.get_all", asked)["tasks"]]
    assert names == ["seed v9", "seed v10", "seed v99"]


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


OPEN = {name: row for name, row in handler_table().items() if row.request is dict and name != "debug.echo"}
"""Endpoints whose requests have no type that is checked before they are looked at."""
ILL_TYPED: list[Any] = [
    5,
    [[]],
    [{}],
    {"a": 5},
    {"tags": 5},
    {"tags": {"any": [5]}},
    {"tags": {"any": {"include": 5}}},
    {"tags": {"all": {"exclude": [[]]}}},
    {"fields": [5], "pattern": "x"},
    {"fields": ["created"], "datetime": {}},
    {"metrics": 5},
    {"filters": {"system_tags": {"all": 5}}},
]
COMPANIONS: dict[str, dict[str, Any]] = {
    "include_stats_filter": {"include_stats": True},
    "children_tags": {"children_type": "dataset"},
    "children_tags_filter": {"children_type": "dataset"},
    "field_mappings": {"entity_type": "task", "only_fields": ["name"]},
    "id": {"active_users": ["somebody"]},
}
"""What has to be asked, too, for a field to be looked at."""


def test_ill_typed_fields_of_open_requests_are_no_defect_of_the_server(server: Any) -> None:
    task = server.call("tasks.create", {"name": "ill typed", "type": "training"})["id"]
    wrong = []
    with connected(server) as ask:
        for name, row in OPEN.items():
            for field in sorted(row.reads):
                for value in ILL_TYPED:
                    status = ask(name, {"id": [task], **COMPANIONS.get(field, {}), field: value})
                    if status >= 500:
                        wrong.append((name, field, value))
    assert wrong == []
    for section in ({"execution": {"artifacts": 5}}, {"models": {"input": 5}}):
        assert call(server, "/tasks.edit", {"task": task, **section}).codes == (400, 16)
    mapping = {"field": "name", "values": ["x"]}
    asked = {"entity_type": "task", "only_fields": ["name"], "field_mappings": [mapping]}
    assert call(server, "/organization.prepare_download_for_get_all", asked).codes == (400, 12)


@contextmanager
def connected(server: Any) -> Iterator[Callable[[str, Any], int]]:
    """Calls over one connection; what they give is the status."""
    line = http.client.HTTPConnection(urllib.parse.urlsplit(server.api).netloc, timeout=30)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {server.login()}"}

    def ask(name: str, body: Any) -> int:
        line.request("POST", f"/{name}", json.dumps(body), headers)
        with line.getresponse() as answer:
            answer.read()
            return answer.status

    try:
        yield ask
    finally:
        line.close()


@pytest.mark.parametrize(
    "asked",
    [
        {"order_by": [f"hyperparams.a.{number}" for number in range(201)]},
        {f"runtime.{number}": 1 for number in range(201)},
        {"_any_": {"fields": [f"hyperparams.a.{number}" for number in range(201)], "pattern": "x"}},
        {"search_text": " ".join(map(str, range(101)))},
        {"order_by": ["runtime." + "x" * 3000]},
        {"only_fields": [f"runtime.{number}" for number in range(1001)]},
    ],
)
def test_a_query_that_names_very_much_is_refused(server: Any, asked: dict[str, Any]) -> None:
    answer = call(server, "/tasks.get_all", asked)
    assert answer.codes == (400, 12)
    assert "at most" in answer.meta["result_msg"]


def test_a_list_that_names_a_field_very_often_is_answered(server: Any) -> None:
    for endpoint in ("tasks.get_all", "users.get_all"):
        asked = {"only_fields": ["name"] * 200_000, "order_by": ["name"] * 200_000}
        assert call(server, f"/{endpoint}", asked).status == 200
    names = [f"runtime.{number}" for number in range(1001)]
    for asked in ({"only_fields": names}, {"order_by": names}):
        assert call(server, "/users.get_all", asked).codes == (400, 12)


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
