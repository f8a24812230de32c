"""What every answer carries beside its envelope, and how large ones are sent."""

from __future__ import annotations

import gzip
import json
import re
from typing import Any

import pytest

from control_plane.http.answers import MIN_BYTES, THREAD_BYTES, accepts_gzip, packed

from .client import send


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("gzip, deflate", True),
        ("deflate, GZIP;q=0.5", True),
        ("*", True),
        ("*;q=0.1, gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("gzip;q=0.001", True),
        ("deflate", False),
        ("identity, *;q=0", False),
        ("", False),
    ],
)
def test_who_reads_gzip(header: str, accepted: bool) -> None:
    assert accepts_gzip(header) is accepted


def test_packing_is_undone_by_unpacking() -> None:
    body = b'{"a": [1, 2, 3]}' * 10_000
    assert gzip.decompress(packed(body)) == body
    assert len(packed(body)) < len(body) / 10


@pytest.mark.parametrize("size", [MIN_BYTES, THREAD_BYTES + 1, 900_000])
def test_large_answers_are_packed_for_those_who_read_it(server: Any, size: int) -> None:
    headers = {"Authorization": f"Bearer {server.login()}"}
    body = {"text": "x" * size}
    plain = send(server.api, "/debug.echo", body=body, **headers)
    small = send(server.api, "/debug.echo", body=body, Accept_Encoding="gzip, deflate", **headers)
    assert "content-encoding" not in plain.headers
    assert small.headers["content-encoding"] == "gzip"
    assert small.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert len(small.body) < size / 10
    assert json.loads(gzip.decompress(small.body))["data"] == plain.json["data"] == body


def test_small_answers_are_sent_as_they_are(server: Any) -> None:
    answer = send(server.api, "/debug.ping", method="GET", Accept_Encoding="gzip")
    assert "content-encoding" not in answer.headers
    assert "vary" not in answer.headers


@pytest.mark.parametrize(
    ("path", "status"), [("/debug.ping", 200), ("/nosuch.thing", 404), ("/tasks.get_all", 401), ("/auth.login", 401)]
)
def test_every_answer_carries_the_id_that_the_log_has(server: Any, path: str, status: int) -> None:
    answer = send(server.api, path, body={})
    assert answer.status == status
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])
    assert answer.headers["x-request-id"] == answer.meta["id"]
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("/v2.23/tasks.edit", {"name": "tasks.edit", "requested_version": "2.23", "actual_version": "2.1"}),
        ("/v2.20/queues.add_task", {"name": "queues.add_task", "requested_version": "2.20", "actual_version": "1.0"}),
        ("/queues.add_task", {"name": "queues.add_task", "requested_version": "2.31", "actual_version": "2.31"}),
    ],
)
def test_the_version_that_answers_is_never_newer_than_the_one_asked_for(
    server: Any, path: str, endpoint: dict[str, str]
) -> None:
    answer = send(server.api, path, body={}, Authorization=f"Bearer {server.login()}")
    assert answer.meta["endpoint"] == endpoint


LINE = re.compile(r"(clearml_[a-z_]+)(\{[a-z_]+=\"[^\"]*\"(,[a-z_]+=\"[^\"]*\")*\})? (-?[0-9.e+-]+|NaN)")


def test_metrics_are_as_prometheus_reads_them(server: Any) -> None:
    server.call("debug.ping")
    answer = send(server.api, "/metrics", method="GET")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    kinds: dict[str, str] = {}
    values: dict[str, float] = {}
    family = ""
    for line in answer.body.decode().splitlines():
        if line.startswith("# TYPE "):
            family, kind = line.split()[2:]
            assert family not in kinds, f"{family} is declared twice"
            kinds[family] = kind
        elif not line.startswith("# HELP "):
            found = LINE.fullmatch(line)
            assert found, line
            assert found[1].removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") == family or (
                found[1] == family
            )
            values[line.rpartition(" ")[0]] = float(found[4])
    for name in ("calls_running", "queued_tasks", "tasks_in_flight", "resident_memory_bytes"):
        assert kinds[f"clearml_{name}"] == "gauge"
    for name in ("store_commands_total", "store_round_trips_total", "process_cpu_seconds_total", "calls_total"):
        assert kinds[f"clearml_{name}"] == "counter"
    for name in ("call_seconds", "event_loop_lag_seconds"):
        assert kinds[f"clearml_{name}"] == "histogram"
    assert values['clearml_calls_total{endpoint="debug.ping",code="200"}'] >= 1
    assert (
        values['clearml_call_seconds_bucket{endpoint="debug.ping",le="+Inf"}']
        == values['clearml_call_seconds_count{endpoint="debug.ping"}']
    )


def test_the_number_of_waiting_tasks_is_counted_over_all_queues(server: Any) -> None:
    def queued() -> float:
        text = send(server.api, "/metrics", method="GET").body.decode()
        return float(text.partition("\nclearml_queued_tasks ")[2].partition("\n")[0])

    before = queued()
    for name in ("one", "two"):
        task = server.call("tasks.create", {"name": name * 3, "type": "training"})["id"]
        server.call("tasks.enqueue", {"task": task, "queue_name": f"counted {name}"})
    assert queued() == before + 2
