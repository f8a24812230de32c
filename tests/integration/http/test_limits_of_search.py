"""A pattern that backtracks without end is the caller's own trouble."""

import time

import pytest

from tests.conftest import ApiFailure, RunningServer


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ("tasks.get_all", {"name": r"(x+x+)+y"}),
        ("tasks.get_all", {"name": r"(?:x|xx)" * 40 + "y"}),
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
    assert time.monotonic() - began < 30  # of minutes that it would take without a limit
    assert server.call("tasks.get_all", {"project": [project], "name": r"^x{3000}!$"})["tasks"]


@pytest.mark.parametrize("pattern", ["x" * 1_000_000, "(?:(?:x{1000}){1000}){1000}", "((y*x{300}){300}){300}"])
def test_a_pattern_that_takes_long_to_compile_is_refused(server: RunningServer, pattern: str) -> None:
    for endpoint, body in (("projects.get_all", {"name": pattern}), ("users.get_all_ex", {"name": pattern})):
        with pytest.raises(ApiFailure, match="400/21"):  # which once took minutes, and every other call with them
            server.call(endpoint, body)
