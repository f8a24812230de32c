"""Points one by one: who reported them, and those of a range of iterations or times, live and sealed."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.conftest import ApiFailure, RunningServer
from tests.integration.events.reports import BEGAN_MS, new_task, scalar, send
from tests.integration.segments.operating import command


def points(server: RunningServer, task: str, **more: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    body = {"task": task, "event_type": "training_stats_scalar", "batch_size": 7, **more}
    while page := server.call("events.get_task_events", body)["events"]:
        found += page
        body["scroll_id"] = f"after:{page[-1]['iter']}"
    return found


@pytest.mark.embedded
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_point_names_the_worker_that_reported_it_last(server: RunningServer, order: str) -> None:
    draw, task = random.Random(order), new_task(server)
    expected: dict[tuple[str, int], str] = {}
    for number in range(12):
        worker, variant = draw.choice(["one:gpu0", "two:gpu0", "three:cpu"]), draw.choice("ab")
        steps = [draw.randrange(40) for _ in range(8)]
        send(server, *(scalar(task, step, float(number), ("m", variant), worker=worker) for step in steps))
        send(server, scalar(task, number, 1.0, ("m", "only"), worker="the only one"))
        expected |= {(variant, step): worker for step in steps} | {("only", number): "the only one"}
        if number in (4, 7):
            command(server, "compact", "--task", task)
        if number > 6:
            found = points(server, task, order=order)
            assert {(one["variant"], one["iter"]): one["worker"] for one in found} == expected
            assert len(found) == len(expected)
            assert [one["iter"] for one in found] == sorted((one["iter"] for one in found), reverse=order == "desc")
    data = server.call("events.get_scalar_metric_data", {"task": task, "metric": "m", "no_scroll": True})["events"]
    assert {(one["variant"], one["iter"]): one["worker"] for one in data} == expected


@pytest.mark.parametrize("key", ["iter", "timestamp", "iso_time"])
def test_a_range_of_points_is_read_in_pages(server: RunningServer, key: str) -> None:
    task = new_task(server)
    events = [scalar(task, step, step / 3, ("m", variant)) for step in range(0, 200, 2) for variant in "ab"]
    send(server, *events)
    begin, end = (31, 120) if key == "iter" else (BEGAN_MS + 31, BEGAN_MS + 120)
    body = {"task": task, "metric": {"metric": "m"}, "key": key, "begin": begin, "end": end, "batch_size": 13}
    found: dict[str, list[float]] = {"a": [], "b": []}
    while True:
        page = server.call("events.scalar_metrics_iter_raw", {**body, "count_total": True})
        assert page["total"] == 90
        if not page["returned"]:
            break
        for variant, columns in page["variants"].items():
            found[variant] += columns["y"]
        body["scroll_id"] = page["scroll_id"]
    assert found["a"] == found["b"] == [step / 3 for step in range(32, 121, 2)]


def test_the_values_at_an_iteration(server: RunningServer) -> None:
    task = new_task(server)
    send(server, *(scalar(task, step, step + number, ("m", f"v{number}")) for step in range(9) for number in range(3)))
    body = {"task": task, "metric": {"metric": "m"}, "begin": 4, "end": 4}
    found = server.call("events.scalar_metrics_iter_raw", body)["variants"]
    assert found == {f"v{number}": {"iter": [4], "y": [4.0 + number]} for number in range(3)}


@pytest.mark.parametrize("scroll_id", [f'[{2**70}, "v", 0]', f'[{-(2**64)}, "v", 0]'])
def test_a_position_that_no_page_gives_is_refused(server: RunningServer, scroll_id: str) -> None:
    task = new_task(server)
    send(server, scalar(task, 1, 1.0))
    with pytest.raises(ApiFailure) as refused:
        body = {"task": task, "metric": {"metric": "loss"}, "scroll_id": scroll_id}
        server.call("events.scalar_metrics_iter_raw", body)
    assert (refused.value.code, refused.value.subcode) == (400, 1104)
