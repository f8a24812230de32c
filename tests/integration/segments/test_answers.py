"""Every call that reads events answers the same while they are live, sealed, and half of each."""

from __future__ import annotations

import json
import math
import random
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import RunningServer
from tests.integration.events.reports import image, line, new_task, plot, scalar, send
from tests.integration.segments.operating import command

pytestmark = pytest.mark.embedded

EACH = {"training_stats_scalar", "training_stats_vector", "training_debug_image", "plot", "log"}
ORDERS = [{"order": order, "navigate_earlier": earlier} for order in ("asc", "desc") for earlier in (True, False)]

CALLS: list[tuple[str, dict[str, Any]]] = [
    ("events.scalar_metrics_iter_histogram", {"samples": 7}),
    ("events.scalar_metrics_iter_histogram", {"key": "timestamp", "samples": 10}),
    ("events.scalar_metrics_iter_histogram", {"key": "iso_time"}),
    ("events.scalar_metrics_iter_histogram", {"metrics": [{"metric": "loss", "variants": ["train"]}]}),
    ("events.scalar_metrics_iter_raw", {"metric": {"metric": "loss"}, "batch_size": 40, "count_total": True}),
    ("events.scalar_metrics_iter_raw", {"metric": {"metric": "loss"}, "batch_size": 9, "begin": 3, "end": 150}),
    (
        "events.scalar_metrics_iter_raw",
        {"metric": {"metric": "loss"}, "key": "timestamp", "begin": 1_700_000_000_100, "count_total": True},
    ),
    ("events.get_scalar_metric_data", {"metric": "loss", "no_scroll": True}),
    ("events.get_scalar_metrics_and_variants", {}),
    ("events.get_task_latest_scalar_values", {}),
    ("events.get_vector_metrics_and_variants", {}),
    ("events.vector_metrics_iter_histogram", {"metric": "histogram", "variant": "weights"}),
    ("events.get_task_plots", {"iters": 3}),
    ("events.get_task_plots", {"iters": 1, "metrics": [{"metric": "chart", "variants": ["a"]}]}),
    ("events.get_debug_image_sample", {"metric": "pictures", "variant": "a"}),
    ("events.get_plot_sample", {"metric": "chart", "variant": "a", "iteration": 3}),
    *(("events.get_task_events", {"event_type": kind, "batch_size": 25}) for kind in sorted(EACH)),
    *(("events.get_task_log", {"batch_size": 17, **order}) for order in ORDERS),
    *(("events.get_task_log", {"batch_size": 9, "from_timestamp": 1_700_000_030_000, **order}) for order in ORDERS),
    ("events.get_task_log", {"batch_size": 10_000}),
]
OF_TASKS: list[tuple[str, dict[str, Any]]] = [
    ("events.get_task_single_value_metrics", {}),
    ("events.multi_task_scalar_metrics_iter_histogram", {"samples": 20}),
    ("events.get_multi_task_plots", {"iters": 2}),
    *(("events.get_task_metrics", {"event_type": kind}) for kind in sorted(EACH - {"log"})),
    ("events.get_multi_task_metrics", {}),
]


def first_half(task: str) -> list[dict[str, Any]]:
    draw = random.Random(1)
    events = [scalar(task, step, draw.gauss(0, 1), ("loss", "train")) for step in range(0, 300, 3)]
    events += [scalar(task, step, math.sin(step), ("loss", "test")) for step in range(50)]
    events += [scalar(task, -(2**31), 0.5, ("Summary", "accuracy"))]
    events += [plot(task, step, "chart", variant) for step in range(5) for variant in "ab"]
    events += [image(task, step, "pictures", variant) for step in range(6) for variant in "ab"]
    events += [line(task, second, f"line {second}\nand more") for second in range(40)]
    vector = {"type": "training_stats_vector", "task": task, "metric": "histogram", "variant": "weights"}
    return events + [{**vector, "iter": step, "values": [step, 4.5], "timestamp": 1_700_000_000_000} for step in (1, 2)]


def second_half(task: str) -> list[dict[str, Any]]:
    """More of the same, late points and overwritten ones among them."""
    events = [scalar(task, step, -1.5, ("loss", "train"), worker="second") for step in (3, 4, 297, 300, 303)]
    events += [scalar(task, step, 2.5, ("new", "series")) for step in range(20)]
    events += [plot(task, 3, "chart", "a", plot_str=json.dumps({"data": ["again"]})), plot(task, 9, "chart", "c")]
    events += [image(task, 5, "pictures", "a", url="http://files/again.png")]
    events += [line(task, second, f"late {second}") for second in (10, 10, 39, 41)]
    vector = {"type": "training_stats_vector", "task": task, "metric": "histogram", "variant": "weights"}
    return [*events, {**vector, "iter": 2, "values": [7], "timestamp": 1_700_000_000_000}]


def bare(answer: Any) -> Any:
    """Without what is another one at each call."""
    if isinstance(answer, dict):
        return {name: bare(value) for name, value in answer.items() if name != "scroll_id"}
    return [bare(value) for value in answer] if isinstance(answer, list) else answer


def pages(server: RunningServer, endpoint: str, body: dict[str, Any]) -> list[Any]:
    """All pages of a call that scrolls, the one page of another."""
    found = [server.call(endpoint, body)]
    while found[-1].get("scroll_id") and found[-1].get("returned") and len(found) < 50:
        found.append(server.call(endpoint, {**body, "scroll_id": found[-1]["scroll_id"]}))
    return found


def samples(server: RunningServer, kind: str, task: str, metric: str) -> Iterator[Any]:
    """A walk through samples in both directions."""
    shown = server.call(f"events.get_{kind}_sample", {"task": task, "metric": metric, "variant": "a", "iteration": 3})
    for earlier, iteration in ((True, False), (True, True), (False, False), (False, True), (False, True)):
        body = {"task": task, "navigate_earlier": earlier, "next_iteration": iteration, "scroll_id": shown["scroll_id"]}
        shown = server.call(f"events.next_{kind}_sample", body)
        yield shown


def download(server: RunningServer, task: str) -> bytes:
    url = f"{server.api}/events.download_task_log?task={task}&line_type=json"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {server.login()}"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return bytes(answer.read())


def everything(server: RunningServer, task: str) -> dict[str, Any]:
    """What every call answers; the document of the task as well."""
    found: dict[str, Any] = {}
    for endpoint, body in CALLS:
        scrolls = endpoint in ("events.get_task_events", "events.get_task_plots", "events.scalar_metrics_iter_raw")
        full = {"task": task, **body}
        found[f"{endpoint} {body}"] = pages(server, endpoint, full) if scrolls else server.call(endpoint, full)
    for endpoint, body in OF_TASKS:
        found[f"{endpoint} {body}"] = server.call(endpoint, {"tasks": [task], **body})
    for endpoint, metric in (("events.debug_images", "pictures"), ("events.plots", "chart")):
        found[endpoint] = server.call(endpoint, {"metrics": [{"task": task, "metric": metric}], "iters": 3})
    found["next image"] = list(samples(server, "debug_image", task, "pictures"))
    found["next plot"] = list(samples(server, "plot", task, "chart"))
    found["download"] = download(server, task).decode()
    document = server.call("tasks.get_by_id", {"task": task})["task"]
    found["document"] = {name: document.get(name) for name in ("last_metrics", "last_iteration")}
    return dict(bare(found))


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    return [name for name in one if one[name] != other[name]]


def test_every_call_answers_the_same_before_and_after(server: RunningServer) -> None:
    task = new_task(server)
    send(server, *first_half(task))
    live = everything(server, task)
    assert command(server, "compact", "--task", task)["sealed_events"] == len(first_half(task))
    assert differences(live, everything(server, task)) == []
    empty = [name for name, answer in live.items() if not answer]
    assert not empty, "a call that answers nothing proves nothing"

    twin = new_task(server)
    send(server, *first_half(twin))
    send(server, *second_half(twin))
    send(server, *second_half(task))  # on top of what is sealed
    expected, half = everything(server, twin), everything(server, task)
    renamed = json.loads(json.dumps(half).replace(task, twin))
    assert differences(json.loads(json.dumps(expected)), renamed) == []
    command(server, "compact", "--task", task)  # two segments are made one, too
    assert differences(half, everything(server, task)) == []


def test_a_reset_forgets_what_is_sealed(server: RunningServer) -> None:
    task = new_task(server)
    send(server, *first_half(task))
    command(server, "compact", "--task", task)
    folder = server.data_dir / "segments"
    assert list(folder.glob(f"*/{task}/*"))
    server.call("tasks.reset", {"task": task, "force": True})
    assert not list(folder.glob(f"*/{task}/*"))
    assert server.call("events.get_task_log", {"task": task})["total"] == 0
    assert server.call("events.scalar_metrics_iter_histogram", {"task": task}) == {}
