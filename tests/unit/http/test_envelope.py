"""Envelopes: every value that a handler may return, and every error, is JSON."""

import json
from typing import Any

import msgspec
import pytest

from control_plane.http.envelope import Envelopes, encode, failure
from control_plane.services.errors import ApiError


class Point(msgspec.Struct):
    x: int


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (None, b"{}"),
        ({"a": float("nan"), "b": float("inf")}, b'{"a":null,"b":null}'),
        ({"a": 10**30, "b": Point(1)}, b'{"a":1000000000000000000000000000000,"b":{"x":1}}'),
        ({1: {2}}, b'{"1":[2]}'),
        (Point(1), b'{"x":1}'),
    ],
)
def test_what_handlers_return_is_json(data: Any, text: bytes) -> None:
    assert encode(data) == text


def test_what_is_no_json_is_a_defect() -> None:
    with pytest.raises(TypeError):
        encode({"a": object()})


def test_a_failure_repeats_numbers_of_any_size() -> None:
    error = ApiError(400, 12, "Validation error", page=-(10**25))
    body = json.loads(failure("id", "tasks.get_all", (2, 23), "1.0", error))
    assert body["meta"]["error_data"] == {"page": -(10**25)}
    assert body["meta"]["result_msg"].endswith(f"page={-(10**25)}")


def test_versions_are_floats_for_callers_older_than_2_1() -> None:
    envelopes = Envelopes()
    old = json.loads(envelopes.success("id", "debug.ping", (2, 0), "1.0", {}))["meta"]["endpoint"]
    new = json.loads(envelopes.success("id", "debug.ping", (2, 1), "1.0", {}))["meta"]["endpoint"]
    assert (old["requested_version"], old["actual_version"]) == (2.0, 1.0)
    assert (new["requested_version"], new["actual_version"]) == ("2.1", "1.0")
