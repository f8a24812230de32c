"""The console over HTTP: windows, the whole of it, and forgetting."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.conftest import ApiFailure, RunningServer
from tests.integration.events.reports import BEGAN_MS, line, new_task, send


def download(server: RunningServer, **body: Any) -> tuple[str, Any]:
    """(the text, its headers)."""
    request = urllib.request.Request(
        f"{server.api}/events.download_task_log",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {server.login()}"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read().decode(), answer.headers


def texts(server: RunningServer, **body: Any) -> list[str]:
    return [event["msg"] for event in server.call("events.get_task_log", body)["events"]]


@pytest.fixture
def task(server: RunningServer) -> str:
    """Lines 0 to 9, one a second, of which the even ones came first."""
    task = new_task(server, "console")
    for first in (0, 1):
        send(server, *(line(task, second, f"line {second}\n", worker="w") for second in range(first, 10, 2)))
    return task


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({}, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]),
        ({"batch_size": 3, "navigate_earlier": True, "order": "asc"}, [7, 8, 9]),
        ({"batch_size": 3, "navigate_earlier": False}, [0, 1, 2]),
        ({"batch_size": 3, "navigate_earlier": False, "order": "desc"}, [2, 1, 0]),
        ({"batch_size": 2, "from_timestamp": BEGAN_MS + 5000}, [4, 3]),
        ({"batch_size": 2, "from_timestamp": BEGAN_MS + 5000, "navigate_earlier": False}, [6, 7]),
        ({"from_timestamp": BEGAN_MS}, []),
    ],
)
def test_a_window_of_the_console(server: RunningServer, task: str, body: dict[str, Any], wanted: list[int]) -> None:
    answer = server.call("events.get_task_log", {"task": task, **body})
    assert [event["msg"] for event in answer["events"]] == [f"line {second}\n" for second in wanted]
    assert (answer["returned"], answer["total"]) == (len(wanted), 10)
    for event in answer["events"]:
        assert (event["type"], event["task"], event["level"], event["worker"]) == ("log", task, "info", "w")


def test_a_window_walks_through_ten_thousand_lines(server: RunningServer) -> None:
    task = new_task(server)
    for first in range(0, 10_000, 2500):
        send(server, *(line(task, second, f"{second}\n") for second in range(first, first + 2500)))
    found, since = list[str](), None
    while True:
        body = {"task": task, "batch_size": 3000, "navigate_earlier": False, "from_timestamp": since}
        events = server.call("events.get_task_log", body)["events"]
        if not events:
            break
        found += [event["msg"] for event in events]
        since = events[-1]["timestamp"]
    assert found == [f"{second}\n" for second in range(10_000)]


def test_the_whole_console_is_downloaded_in_order(server: RunningServer, task: str) -> None:
    text, headers = download(server, task=task, line_type="text")
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert headers["Content-Disposition"] == f'attachment; filename="task_{task}.log"'
    lines = text.splitlines()
    assert lines[0] == "2023-11-14T22:13:20.000000+00:00 w info line 0"
    assert [found.rpartition(" ")[2] for found in lines] == [str(second) for second in range(10)]
    events = [json.loads(found) for found in download(server, task=task)[0].splitlines()]
    assert [event["msg"] for event in events] == [f"line {second}\n" for second in range(10)]
    own = download(server, task=task, line_type="text", line_format="{level}|{timestamp}|{msg}")[0]
    assert own.splitlines()[1] == f"info|{BEGAN_MS + 1000}|line 1"


def test_the_whole_console_is_searched_whatever_the_case_and_colours(server: RunningServer) -> None:
    task = new_task(server)
    for first in range(0, 3000, 1000):
        send(server, *(line(task, n, f"\x1b[3{n % 8}mEp\x1b[0moch {n}\n") for n in range(first, first + 1000)))
    found = [json.loads(one) for one in download(server, task=task, search="EPOCH 29")[0].splitlines() if one]
    wanted = [29, *range(290, 300), *range(2900, 3000)]
    assert [event["timestamp"] for event in found] == [BEGAN_MS + n * 1000 for n in wanted]
    assert download(server, task=task, search="nowhere")[0].strip() == ""


def test_a_console_without_lines_is_an_empty_file(server: RunningServer) -> None:
    assert download(server, task=new_task(server))[0] == ""


def test_a_format_names_only_what_a_line_has(server: RunningServer, task: str) -> None:
    with pytest.raises(ApiFailure) as refused:
        server.call("events.download_task_log", {"task": task, "line_type": "text", "line_format": "{password}"})
    assert (refused.value.code, refused.value.subcode) == (400, 12)
    no_names = "{msg.__class__} {} {{"
    assert set(download(server, task=task, line_type="text", line_format=no_names)[0].splitlines()) == {no_names}


def test_a_download_of_an_unknown_task_is_an_envelope(server: RunningServer) -> None:
    with pytest.raises(ApiFailure) as refused:
        server.call("events.download_task_log", {"task": "f" * 32})
    assert (refused.value.code, refused.value.subcode) == (400, 101)


def test_old_lines_are_forgotten_and_new_ones_stay(server: RunningServer) -> None:
    task = new_task(server)
    now_ms = int(time.time() * 1000)
    send(server, *(line(task, 0, f"{age}\n", timestamp=now_ms - age * 1000) for age in (7200, 4000, 60, 1)))
    assert server.call("events.clear_task_log", {"task": task, "threshold_sec": 3600}) == {"deleted": 2}
    assert texts(server, task=task) == ["1\n", "60\n"]
    send(server, line(task, 0, "new\n", timestamp=now_ms))
    assert download(server, task=task, line_type="text", line_format="{msg}")[0] == "60\n1\nnew\n"
    assert server.call("events.clear_task_log", {"task": task, "threshold_sec": 3600}) == {"deleted": 0}
    assert server.call("events.clear_task_log", {"task": task}) == {"deleted": 3}
    assert server.call("events.get_task_log", {"task": task}) == {"events": [], "returned": 0, "total": 0}


def test_lines_of_some_metrics_are_forgotten(server: RunningServer) -> None:
    task = new_task(server)
    send(server, *(line(task, 0, metric, metric=metric) for metric in ("a", "b", "c")))
    assert server.call("events.clear_task_log", {"task": task, "include_metrics": ["a"]}) == {"deleted": 1}
    assert server.call("events.clear_task_log", {"task": task, "exclude_metrics": ["b"]}) == {"deleted": 1}
    assert texts(server, task=task) == ["b"]


def test_lines_reported_with_anything_in_them_come_back_as_they_were(server: RunningServer) -> None:
    task = new_task(server)
    odd = ["", "\n", "\r\x1b[31mred\x1b[0m", "ä\u4e2d\U0001f600", "a" * 100_000, 'quote " and \\']
    send(server, *(line(task, second, text) for second, text in enumerate(odd)))
    assert texts(server, task=task, order="asc") == odd


def test_lines_that_are_no_utf8_are_stored_with_replacements(server: RunningServer) -> None:
    task = new_task(server)
    # What Python's json makes of bytes that were decoded with surrogateescape, as official clients send them.
    send(server, line(task, 0, b"caf\xe9".decode(errors="surrogateescape")), line(task, 1, "\ud83d\ude00 a\0b"))
    assert texts(server, task=task, order="asc") == ["caf\ufffd", "\U0001f600 a\0b"]
