"""Paths, query strings and bodies become endpoints and requests, or a 400 that says what is wrong."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.http.routing import NEWEST, Decoder, as_object, find, merge_query, split_path
from control_plane.schema.base import Request
from control_plane.services.context import Context
from control_plane.services.errors import ApiError
from control_plane.services.registry import Endpoint, endpoint


class Sample(Request, kw_only=True):
    task: str
    size: int = 0
    force: bool = False
    names: list[str] | None = None


@endpoint("tasks.sample", Sample)
async def sample(ctx: Context, request: Sample) -> dict[str, Any]:
    """A sample."""
    return {}


TABLE: dict[str, Endpoint[Any]] = {"tasks.sample": sample}


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("/tasks.sample", NEWEST),
        ("tasks.sample", NEWEST),
        ("/tasks.sample/", NEWEST),
        ("/v2.23/tasks.sample", (2, 23)),
        ("/v2.5/tasks.sample/", (2, 5)),
        ("/v99.1/tasks.sample", (99, 1)),
    ],
)
def test_every_way_to_name_an_endpoint(path: str, version: tuple[int, int]) -> None:
    assert split_path(path) == (version, "tasks.sample")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/tasks",
        "/a/b/c",
        "/v2/tasks.sample",
        "/vx.y/tasks.sample",
        "/tasks.sample/x",
        "/../etc.passwd",
        "/tasks.sam ple",
    ],
)
def test_a_path_that_names_no_endpoint_is_400(path: str) -> None:
    with pytest.raises(ApiError) as caught:
        find(TABLE, path)
    assert (caught.value.code, caught.value.subcode) == (400, 0)


def test_an_unknown_endpoint_is_404() -> None:
    with pytest.raises(ApiError) as caught:
        find(TABLE, "/v2.23/tasks.nosuch")
    assert (caught.value.code, caught.value.subcode) == (404, 0)
    assert "tasks.nosuch" in caught.value.message


def test_query_strings_carry_lists_values_and_nesting() -> None:
    query = "id=a&id=b&tags[]=x&page=2&rate=0.5&force=true&execution.queue=q1&text="
    assert merge_query({"page": 1, "execution": {"a": 1}}, query) == {
        "page": 2,
        "execution": {"a": 1, "queue": "q1"},
        "id": ["a", "b"],
        "tags": ["x"],
        "rate": 0.5,
        "force": True,
        "text": "",
    }


def test_a_long_number_in_a_query_stays_text() -> None:
    assert merge_query({}, "task=12345678901234567890123456789012") == {"task": "12345678901234567890123456789012"}


@pytest.mark.parametrize("body", [b"{bad", b"[1]", b'"text"', b"1", b"\xff\xfe"])
def test_a_body_that_is_no_object_is_400(body: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        as_object(body)
    assert (caught.value.code, caught.value.subcode) == (400, 0)


@pytest.mark.parametrize("body", [b"", b"null", b"{}"])
def test_no_body_is_an_empty_object(body: bytes) -> None:
    assert as_object(body) == {}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{}", "task"),
        (b'{"task": 5}', "task"),
        (b'{"task": null}', "task"),
        (b'{"task": "t", "size": "big"}', "size"),
        (b'{"task": "t", "names": ["a", 3]}', "names"),
    ],
)
def test_a_wrong_field_is_named(body: bytes, words: str) -> None:
    with pytest.raises(ApiError) as caught:
        Decoder(TABLE).decode(sample, body, "")
    assert (caught.value.code, caught.value.subcode) == (400, 12)
    assert f"'{words}" in caught.value.message


def test_unknown_keys_are_ignored() -> None:
    decoded = Decoder(TABLE).decode(sample, b'{"task": "t", "method": "get", "bogus": [1]}', "")
    assert decoded == Sample(task="t")


def test_a_query_string_is_read_without_types() -> None:
    decoded = Decoder(TABLE).decode(sample, b"", "task=5&size=7&force=true")
    assert decoded == Sample(task="5", size=7, force=True)


@given(st.dictionaries(st.text(min_size=1), st.one_of(st.none(), st.booleans(), st.text(), st.lists(st.integers()))))
def test_no_body_is_a_defect_of_ours(body: dict[str, Any]) -> None:
    try:
        Decoder(TABLE).decode(sample, msgspec.json.encode(body), "")
    except ApiError as error:
        assert error.code == 400
