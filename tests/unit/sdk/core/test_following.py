"""What `clearml-task --follow` prints of a console, and the exit code it ends with."""

from __future__ import annotations

import io
from typing import Any

import pytest

from clearml_sdk.task_cli.following import PAGE, _Console, exit_code


class Log:
    """A console on a server, as `events.get_task_log` answers forward from a time."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def call(self, endpoint: str, body: dict[str, Any]) -> dict[str, Any]:
        assert endpoint == "events.get_task_log"
        after = body.get("from_timestamp", -1)
        return {"events": [event for event in self.events if event["timestamp"] > after][: body["batch_size"]]}

    def add(self, at: int, *texts: str) -> None:
        self.events += [{"timestamp": at, "msg": text} for text in texts]


def test_each_line_is_printed_once_also_equal_ones_of_one_moment() -> None:
    log, out = Log(), io.StringIO()
    console = _Console(log)  # type: ignore[arg-type]  # of a record, the one call
    console.show(out)
    log.add(5, "a", "a", "b\n")
    console.show(out)
    console.show(out)
    log.add(5, "a", "c")
    log.add(6, "a")
    console.show(out)
    assert out.getvalue() == "a\na\nb\na\nc\na\n"


def test_a_console_of_many_pages_is_printed_whole() -> None:
    log, out = Log(), io.StringIO()
    for number in range(2 * PAGE + 5):
        log.add(number // 7, str(number))
    _Console(log).show(out)  # type: ignore[arg-type]  # as above
    assert out.getvalue().split() == [str(number) for number in range(2 * PAGE + 5)]


def test_more_lines_of_one_moment_than_a_page_has_are_printed() -> None:
    log, out = Log(), io.StringIO()
    log.add(5, *(str(number) for number in range(3 * PAGE)))
    log.add(6, "end")
    _Console(log).show(out)  # type: ignore[arg-type]  # as above
    assert out.getvalue().split() == [*(str(number) for number in range(3 * PAGE)), "end"]


@pytest.mark.parametrize(
    ("status", "reason", "code"),
    [
        ("completed", "", 0),
        ("published", "", 0),
        ("stopped", "", 130),
        ("failed", "worker execution exit code 3", 3),
        ("failed", "worker execution exit code -9", 137),
        ("failed", "None None", 1),
        ("failed", "exit code 0", 1),
    ],
)
def test_the_exit_code_says_how_the_task_ended(status: str, reason: str, code: int) -> None:
    assert exit_code(status, reason) == code
