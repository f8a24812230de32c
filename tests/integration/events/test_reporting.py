"""events.* over HTTP: what is stored, what is refused, and what the task's document shows of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from control_plane.store import Store
from control_plane.store.events import Part, Run
from control_plane.store.series import digest
from tests.conftest import ApiFailure, RunningServer

NOBODY = "f" * 32


@pytest.fixture
def task(call: Callable[..., Any]) -> str:
    return str(call("tasks.create", {"name": "reports", "type": "testing"})["id"])


def scalar(task: str, step: int, value: float, **more: Any) -> dict[str, Any]:
    event = {"type": "training_stats_scalar", "task": task, "iter": step, "metric": "loss", "variant": "train"}
    return {**event, "value": value, "timestamp": 1_700_000_000_000 + step, "method": "get", **more}


def send(server: RunningServer, *events: dict[str, Any], **headers: str) -> Any:
    body = "\n".join(map(json.dumps, events)).encode()
    return server.call("events.add_batch", body, headers={"Content-Type": "application/json-lines", **headers})


def last(server: RunningServer, task: str) -> dict[str, Any]:
    document = server.call("tasks.get_by_id", {"task": task})["task"]
    return dict(document["last_metrics"][digest("loss")][digest("train")])


def test_reported_values_are_read_back_and_summed_up_in_the_task(server: RunningServer, task: str) -> None:
    steps = (0, 1, 3, 2, 5, 6)
    values = (1.0, 1.5, 2.5, 2.0, 3.5, 4.0)
    assert send(server, *map(lambda s, v: scalar(task, s, v), steps, values))["added"] == 6
    curve = server.call("events.scalar_metrics_iter_histogram", {"task": task})["loss"]["train"]
    assert curve == {"name": "train", "x": sorted(steps), "y": [1.0, 1.5, 2.0, 2.5, 3.5, 4.0]}
    shown = last(server, task)
    wanted = {
        "value": 4.0, "min_value": 1.0, "min_value_iteration": 0, "max_value": 4.0, "max_value_iteration": 6,
        "first_value": 1.0, "first_value_iteration": 0, "count": 6, "mean_value": 2.42,
    }  # fmt: skip
    assert {name: shown[name] for name in wanted} == wanted
    document = server.call("tasks.get_by_id", {"task": task})["task"]
    assert document["last_iteration"] == 6
    assert [name for name in document if name.startswith("_")] == []


def test_a_batch_sent_again_is_stored_once(server: RunningServer, task: str) -> None:
    line = {"type": "log", "task": task, "msg": "hello\n", "level": "info", "timestamp": 1}
    assert send(server, line) == send(server, line) == {"added": 1, "errors": 0, "errors_info": {}}
    assert server.call("events.get_task_log", {"task": task})["total"] == 1
    named = {"X-ClearML-Batch": "journal-1:0-99"}
    send(server, {**line, "timestamp": 2}, **named)
    send(server, {**line, "timestamp": 3}, **named)
    assert server.call("events.get_task_log", {"task": task})["total"] == 2


def test_a_bad_event_is_counted_and_the_rest_stored(server: RunningServer, task: str) -> None:
    answer = send(server, scalar(NOBODY, 1, 1.0), {**scalar(task, 7, 1.0), "type": "weird"}, scalar(task, 8, 2.0))
    assert answer["added"] == 1
    assert answer["errors_info"] == {f"Invalid task id {NOBODY}": 1, "Invalid event type weird": 1}


@pytest.mark.parametrize(
    ("events", "code"),
    [
        ([scalar(NOBODY, 1, 1.0)], (400, 131)),
        ([{"type": "log", "msg": "x"}], (400, 131)),
        ([{"type": "log", "task": 5, "msg": "x"}], (400, 12)),
        ([scalar("t", 1, 1.0), scalar("t", 2, 1.0, allow_locked=True)], (400, 12)),
    ],
)
def test_a_batch_with_nothing_to_store_is_refused(
    server: RunningServer, events: list[dict[str, Any]], code: tuple[int, int]
) -> None:
    with pytest.raises(ApiFailure) as refused:
        send(server, *events)
    assert (refused.value.code, refused.value.subcode) == code


@pytest.mark.parametrize(("body", "code"), [(b"", (400, 17)), (b"{nope", (400, 0))])
def test_a_body_that_is_no_batch_is_refused(server: RunningServer, body: bytes, code: tuple[int, int]) -> None:
    with pytest.raises(ApiFailure) as refused:
        server.call("events.add_batch", body, headers={"Content-Type": "application/json-lines"})
    assert (refused.value.code, refused.value.subcode) == code


def test_nan_and_infinity_are_stored_and_do_not_spoil_the_statistics(server: RunningServer, task: str) -> None:
    send(server, scalar(task, 1, float("nan")), scalar(task, 2, 3.0), scalar(task, 3, float("inf")))
    assert server.call("events.scalar_metrics_iter_histogram", {"task": task})["loss"]["train"]["x"] == [1, 2, 3]
    assert (last(server, task)["count"], last(server, task)["min_value"]) == (3, 3.0)


def test_a_single_value_is_no_curve(server: RunningServer, task: str) -> None:
    send(server, {**scalar(task, -(2**31), 0.9), "metric": "Summary", "variant": "best"})
    assert server.call("events.scalar_metrics_iter_histogram", {"task": task}) == {}
    values = server.call("events.get_task_single_value_metrics", {"tasks": [task]})["tasks"][0]["values"]
    assert [(v["metric"], v["variant"], v["value"]) for v in values] == [("Summary", "best", 0.9)]


def test_long_curves_are_thinned_to_the_samples_asked(server: RunningServer, task: str) -> None:
    send(server, *(scalar(task, step, float(step)) for step in range(5000)))
    curve = server.call("events.scalar_metrics_iter_histogram", {"task": task, "samples": 100})["loss"]["train"]
    assert len(curve["x"]) == 100
    assert curve["y"][0] == sum(range(50)) / 50


def test_reset_forgets_events_and_statistics_and_late_repeats_count_anew(server: RunningServer, task: str) -> None:
    send(server, scalar(task, 1, 1.0))
    server.call("tasks.reset", {"task": task, "force": True})
    document = server.call("tasks.get_by_id", {"task": task})["task"]
    assert document["last_metrics"] == {}
    assert server.call("events.scalar_metrics_iter_histogram", {"task": task}) == {}
    send(server, scalar(task, 2, 5.0))
    assert last(server, task)["count"] == 1


@pytest.mark.embedded
async def test_a_server_that_died_between_events_and_document_is_repaired_by_the_next_batch(
    own_server: RunningServer,
) -> None:
    server = own_server
    task = str(server.call("tasks.create", {"name": "reports", "type": "testing"})["id"])
    store = await Store.open(f"unix://{server.data_dir}/store/valkey.sock")
    try:
        run = Run("loss", "train", steps=[1], times_ms=[1], values=[7.0])
        await store.events.append(task, Part("died", 1, b"1", {("loss", "train"): run}))
    finally:
        await store.close()
    assert server.call("tasks.get_by_id", {"task": task})["task"]["last_metrics"] == {}
    send(server, {**scalar(task, 1, 2.0), "metric": "other"})
    assert last(server, task)["value"] == 7.0


def test_the_run_before_a_reset_reports_no_more(own_server: RunningServer) -> None:
    server = own_server
    task = str(server.call("tasks.create", {"name": "reports", "type": "testing"})["id"])
    server.call("tasks.enqueue", {"task": task, "queue_name": "default"})
    queue = server.call("queues.get_all", {"name": "^default$"})["queues"][0]["id"]
    wait = {"worker": "machine:0", "queues": [queue], "slots": 1, "timeout_s": 5}
    token = server.call("agents.wait", wait)["entries"][0]["token"]
    line = {"type": "log", "task": task, "msg": "of the run", "timestamp": 1}
    body, headers = json.dumps(line).encode(), {"Content-Type": "application/json-lines"}
    server.call("events.add_batch", body, token=token, headers=headers)
    server.call("tasks.reset", {"task": task, "force": True})
    with pytest.raises(ApiFailure) as refused:
        server.call("events.add_batch", body, token=token, headers=headers)
    assert (refused.value.code, refused.value.subcode) == (400, 190)
    assert server.call("events.get_task_log", {"task": task})["total"] == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [("timestamp", 1e30), ("timestamp", -(10**15)), ("timestamp", 10**400), ("iter", 2**63), ("iter", -1e30),
     ("value", 10**400)],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["training_stats_scalar", "log", "plot", "training_stats_vector"])
def test_a_number_that_nothing_gives_is_counted_and_the_rest_stored(
    server: RunningServer, task: str, kind: str, field: str, value: float
) -> None:
    odd = {**scalar(task, 1, 1.0), "type": kind, "msg": "x", "values": [1], field: value}
    answer = send(server, odd, scalar(task, 2, 2.0))
    assert answer == {"added": 1, "errors": 1, "errors_info": {f"Invalid {field}": 1}}
    with pytest.raises(ApiFailure) as refused:
        send(server, odd)
    assert (refused.value.code, refused.value.subcode) == (400, 131)
    assert len(server.call("events.get_task_events", {"task": task})["events"]) == 1


def test_the_first_and_the_last_moment_can_be_read_back(server: RunningServer, task: str) -> None:
    times = {-62_135_596_800_000: "0001-01-01T00:00:00", 253_402_300_799_999: "9999-12-31T23:59:59"}
    send(server, *({"type": "log", "task": task, "msg": str(at_ms), "timestamp": at_ms} for at_ms in times))
    found = server.call("events.get_task_log", {"task": task})["events"]
    assert {event["timestamp"]: event["@timestamp"][:19] for event in found} == times
    send(server, *(scalar(task, step, 1.0, timestamp=at_ms) for step, at_ms in enumerate(times)))
    curve = server.call("events.scalar_metrics_iter_histogram", {"task": task, "key": "iso_time"})["loss"]["train"]
    assert [x[:19] for x in curve["x"]] == list(times.values())


@pytest.mark.parametrize("size", [10, 3000])
def test_a_batch_of_any_size_that_is_sent_again_is_stored_once(server: RunningServer, task: str, size: int) -> None:
    events = [
        {"type": "log", "task": task, "msg": f"line {number:0100}", "timestamp": number} for number in range(size)
    ]
    body = "\n".join(map(json.dumps, events)).encode()
    for _ in range(2):
        assert server.call("events.add_batch", body)["added"] == size
    assert server.call("events.add_batch", body + b"\n")["added"] == size  # other bytes
    assert server.call("events.get_task_log", {"task": task, "batch_size": 1})["total"] == 2 * size
