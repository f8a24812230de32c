"""A pattern that backtracks without end is the caller's own trouble."""

import time

import pytest

from tests.conftest import ApiFailure, RunningServer


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ("tasks.get_all", {"name": r"(x+x+)+y"}),
        ("tasks.get_all_ex", {"_any_": {"fields": ["comment", "name"], "pattern": r"(\w+\s?)+$"}}),
    ],
)
def test_a_pattern_without_end_is_refused_in_time(
    server: RunningServer, endpoint: str, body: dict[str, object]
) -> None:
    project = server.call("projects.create", {"name": f"patterns {time.time_ns()}"})["id"]
    task = {"name": "x" * 3000 + "!", "comment": "x" * 3000 + "!", "type": "testing", "project": project}
    server.call("tasks.create", task)
    began = time.monotonic()
    with pytest.raises(ApiFailure, match=r"400/21.*make it simpler"):
        server.call(endpoint, {**body, "project": [project]})
    assert time.monotonic() - began < 10
    assert server.call("tasks.get_all", {"project": [project], "name": r"^x{3000}!$"})["tasks"]
