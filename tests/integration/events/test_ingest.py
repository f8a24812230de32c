"""Packed batches over HTTP: what they store is what the same batches store as lines."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from typing import Any

import pytest

from clearml_sdk.journal.packing import CONTENT_TYPE
from control_plane.services.event_packing import MAGIC
from tests.conftest import ApiFailure, RunningServer

from .reports import BEGAN_MS, line, new_task, plot, send

NOBODY = "e" * 32
Points = dict[tuple[str, str], list[tuple[int, float]]]

BATCHES: list[Points] = [
    {("loss", "a"): [(1, 0.5), (2, 0.25), (3, math.nan)], ("loss", "b"): [(5, math.inf), (4, -1.0), (5, 2.0)]},
    {("loss", "a"): [(2, 7.0), (2**40, 1.0)], (":monitor:gpu", "x"): [(2**50, 1.0)]},
    {("long", "é"): [(step, 1.0 / (step + 1)) for step in range(2500)], ("Summary", "best"): [(-(2**31), 0.9)]},
    {("long", "é"): [(step, 2.0) for step in range(100, 90, -1)]},
]


def as_lines(owner: str, points: Points, **more: Any) -> list[dict[str, Any]]:
    return [
        {"type": "training_stats_scalar", "task": owner, "metric": metric, "variant": variant, "iter": step}
        | {"value": value, "timestamp": BEGAN_MS + number, "x_axis_label": f"of {metric}", "worker": "w", **more}
        for (metric, variant), some in points.items()
        for number, (step, value) in enumerate(some)
    ]


def as_columns(owner: str, points: Points, *events: dict[str, Any], **more: Any) -> bytes:
    heads, columns = [], []
    for (metric, variant), some in points.items():
        kind = "i" if max(abs(step) for step, _ in some) < 2**31 else "q"
        count = len(some)
        heads.append([metric, variant, "w", f"of {metric}", count, BEGAN_MS, kind, "I"])
        columns.append(struct.pack(f"<{count}{kind}", *(step for step, _ in some)))
        columns.append(struct.pack(f"<{count}I", *range(count)))
        columns.append(struct.pack(f"<{count}d", *(value for _, value in some)))
    lines = "\n".join(map(json.dumps, events)).encode()
    head = {"owners": [{"id": owner, "series": heads, **more}], "lines": len(lines)}
    return MAGIC + json.dumps(head).encode() + b"\n" + b"".join(columns) + lines


def send_packed(server: RunningServer, body: bytes, **headers: str) -> Any:
    return server.call("events.add_batch", body, headers={"Content-Type": CONTENT_TYPE, **headers})


def everything(server: RunningServer, owner: str, kind: str = "task") -> Any:
    """What can be read of an owner, without its id and what the clock says."""
    body = {"task": owner, "model_events": kind == "model", "batch_size": 5000}
    events = server.call("events.get_task_events", body)["events"]
    curves = server.call("events.scalar_metrics_iter_histogram", {"task": owner, "model_events": kind == "model"})
    document = server.call(f"{kind}s.get_by_id", {kind: owner})[kind]
    shown = [document.get("last_metrics"), document.get("last_iteration")]
    kept = [{name: value for name, value in event.items() if name not in ("task", "_id", "id")} for event in events]
    return kept, curves, shown


def test_both_forms_store_the_same(server: RunningServer) -> None:
    one, other = new_task(server), new_task(server)
    for number, points in enumerate(BATCHES):
        more = [plot(one, number, "p", "v"), line(one, number, f"text {number}")]
        in_lines = send(server, *as_lines(one, points), *more)
        body = as_columns(other, points, *({**event, "task": other} for event in more))
        assert send_packed(server, body) == in_lines
        assert everything(server, other) == everything(server, one)
    assert everything(server, one)[2][1] == 2**40


@pytest.mark.parametrize("first", ["lines", "packed"])
def test_a_batch_sent_again_in_the_other_form_is_stored_once(server: RunningServer, first: str) -> None:
    task, points = new_task(server), {("loss", "a"): [(1, 0.5), (2, 0.25)]}
    named = {"X-ClearML-Batch": "journal.reports.1.64-128"}
    forms: dict[str, Callable[[], Any]] = {
        "lines": lambda: send(server, *as_lines(task, points), line(task, 1, "x"), **named),
        "packed": lambda: send_packed(server, as_columns(task, points, line(task, 1, "x")), **named),
    }
    again = forms["packed" if first == "lines" else "lines"]
    assert forms[first]() == again() == {"added": 3, "errors": 0, "errors_info": {}}
    assert server.call("events.get_task_log", {"task": task})["total"] == 1


def test_locked_and_unknown_owners_and_models(server: RunningServer) -> None:
    points: Points = {("loss", "a"): [(1, 0.5), (2, 0.25)]}
    task = new_task(server)
    server.call("tasks.started", {"task": task})
    server.call("tasks.stopped", {"task": task})
    server.call("tasks.publish", {"task": task})
    for owner in (task, NOBODY):
        with pytest.raises(ApiFailure) as refused:
            send_packed(server, as_columns(owner, points))
        assert (refused.value.code, refused.value.subcode) == (400, 131)
    assert send_packed(server, as_columns(task, points, allow_locked=True))["added"] == 2
    with pytest.raises(ApiFailure, match="Inconsistent allow_locked"):
        send_packed(server, as_columns(task, points, line(task, 1, "x"), allow_locked=True))
    good = new_task(server)
    found = send_packed(server, as_columns(NOBODY, points, line(good, 1, "x")))
    assert found == {"added": 1, "errors": 2, "errors_info": {f"Invalid task id {NOBODY}": 2}}
    models = [server.call("models.create", {"name": "a model", "uri": "file:///m"})["id"] for _ in range(2)]
    send(server, *as_lines(models[0], points, model_event=True, allow_locked=True))
    send_packed(server, as_columns(models[1], points, model=True, allow_locked=True))
    assert everything(server, models[0], "model") == everything(server, models[1], "model")


def test_a_packed_batch_that_was_cut_off_stores_nothing(server: RunningServer) -> None:
    task = new_task(server)
    body = as_columns(task, BATCHES[0], line(task, 1, "x"))
    for end in (len(MAGIC), len(MAGIC) + 5, len(body) - 1, len(body) // 2):
        with pytest.raises(ApiFailure, match="Packed batch") as refused:
            send_packed(server, body[:end])
        assert (refused.value.code, refused.value.subcode) == (400, 0)
    assert everything(server, task)[0] == []


def test_the_run_before_a_reset_sends_no_more_columns(own_server: RunningServer) -> None:
    server, points = own_server, {("loss", "a"): [(1, 0.5)]}
    task = new_task(server)
    server.call("tasks.enqueue", {"task": task, "queue_name": "default"})
    queue = server.call("queues.get_all", {"name": "^default$"})["queues"][0]["id"]
    wait = {"worker": "machine:0", "queues": [queue], "slots": 1, "timeout_s": 5}
    token = server.call("agents.wait", wait)["entries"][0]["token"]
    headers = {"Content-Type": CONTENT_TYPE}
    assert server.call("events.add_batch", as_columns(task, points), token=token, headers=headers)["added"] == 1
    server.call("tasks.reset", {"task": task, "force": True})
    with pytest.raises(ApiFailure) as refused:
        server.call("events.add_batch", as_columns(task, points), token=token, headers=headers)
    assert (refused.value.code, refused.value.subcode) == (400, 190)
