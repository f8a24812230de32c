"""Scalars over HTTP: every way to read them tells the same, whatever order they came in."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from control_plane.store.series import digest
from tests.conftest import ApiFailure, RunningServer
from tests.integration.events.reports import BEGAN_MS, new_task, scalar, send

SERIES = [("loss", "train"), ("loss", "test"), ("größe \u4e2d", "ä/b.c"), (":monitor:gpu", "0")]
POINT = st.tuples(st.sampled_from(SERIES), st.integers(0, 12), st.integers(-1000, 1000))
BATCHES = st.lists(st.lists(POINT, min_size=1, max_size=12), min_size=1, max_size=5)


def documents_metric(document: dict[str, Any], series: tuple[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = document["last_metrics"][digest(series[0])][digest(series[1])]
    return found


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(BATCHES)
def test_every_reading_equals_a_plain_dict_of_what_was_reported(
    server: RunningServer, batches: list[list[tuple[tuple[str, str], int, int]]]
) -> None:
    task = new_task(server)
    model: dict[tuple[str, str], dict[int, float]] = {}
    for number, batch in enumerate(batches):
        at_ms = BEGAN_MS + number  # equal bodies are one report, sent twice
        send(server, *(scalar(task, step, value, series, timestamp=at_ms) for series, step, value in batch))
        for series, step, value in batch:
            model.setdefault(series, {})[step] = float(value)

    curves = server.call("events.scalar_metrics_iter_histogram", {"task": task, "samples": 100})
    document = server.call("tasks.get_by_id", {"task": task})["task"]
    for series, points in model.items():
        steps = sorted(points)
        values = [points[step] for step in steps]
        assert curves[series[0]][series[1]] == {"name": series[1], "x": steps, "y": values}
        raw = server.call("events.scalar_metrics_iter_raw", {"task": task, "metric": {"metric": series[0]}})
        assert raw["variants"][series[1]] == {"iter": steps, "y": values}
        shown = documents_metric(document, series)
        assert (shown["metric"], shown["variant"]) == series
        assert (shown["count"], shown["value"]) == (len(points), values[-1])
        assert (shown["first_value"], shown["first_value_iteration"]) == (values[0], steps[0])
        assert (shown["min_value"], shown["max_value"]) == (min(values), max(values))
        assert points[shown["min_value_iteration"]] == min(values)
        assert points[shown["max_value_iteration"]] == max(values)
        assert math.isclose(shown["mean_value"], sum(values) / len(values), abs_tol=0.006)
    assert {(metric, variant) for metric, found in curves.items() for variant in found} == model.keys()
    progress = [step for (metric, _), points in model.items() if metric != ":monitor:gpu" for step in points]
    assert document["last_iteration"] == max(progress, default=0)

    events, scroll_id = list[Any](), None
    while True:
        body = {"task": task, "event_type": "training_stats_scalar", "batch_size": 3, "scroll_id": scroll_id}
        page = server.call("events.get_task_events", body)
        assert page["total"] == sum(map(len, model.values()))
        if not page["events"]:
            assert page["scroll_id"] == scroll_id
            break
        events += page["events"]
        scroll_id = page["scroll_id"]
    assert [event["iter"] for event in events] == sorted(event["iter"] for event in events)
    read = {(event["metric"], event["variant"], event["iter"]): event["value"] for event in events}
    assert read == {(*series, step): value for series, points in model.items() for step, value in points.items()}
    assert len(events) == len(read)


def test_ten_thousand_points_are_read_whole_and_thinned(server: RunningServer) -> None:
    task = new_task(server)
    for first in range(0, 10_000, 2500):
        send(server, *(scalar(task, step, step / 2) for step in range(first, first + 2500)))
    thin = server.call("events.scalar_metrics_iter_histogram", {"task": task, "samples": 1000})["loss"]["train"]
    assert thin["x"] == list(range(0, 10_000, 10))
    assert thin["y"] == [(step + 4.5) / 2 for step in range(0, 10_000, 10)]
    points, scroll_id, pages = dict[int, float](), None, 0
    while True:
        body = {"task": task, "metric": {"metric": "loss"}, "batch_size": 3000, "scroll_id": scroll_id}
        page = server.call("events.scalar_metrics_iter_raw", {**body, "count_total": True})
        assert page["total"] == 10_000
        if not page["returned"]:
            assert page["variants"] == {}
            break
        found = page["variants"]["train"]
        assert page["returned"] == len(found["iter"]) <= 3000
        points.update(zip(found["iter"], found["y"], strict=True))
        scroll_id, pages = page["scroll_id"], pages + 1
    assert pages == 4
    assert points == {step: step / 2 for step in range(10_000)}


def test_the_axis_is_what_the_key_says(server: RunningServer) -> None:
    task = new_task(server)
    send(server, scalar(task, 1, 1.0, timestamp=BEGAN_MS + 2000), scalar(task, 2, 2.0, timestamp=BEGAN_MS))
    read: dict[str, Any] = {
        key: server.call("events.scalar_metrics_iter_histogram", {"task": task, "key": key})["loss"]["train"]
        for key in ("iter", "timestamp", "iso_time")
    }
    assert (read["iter"]["x"], read["iter"]["y"]) == ([1, 2], [1.0, 2.0])
    assert (read["timestamp"]["x"], read["timestamp"]["y"]) == ([BEGAN_MS, BEGAN_MS + 2000], [2.0, 1.0])
    assert read["iso_time"]["x"] == ["2023-11-14T22:13:20.000+00:00", "2023-11-14T22:13:22.000+00:00"]
    raw = {"task": task, "metric": {"metric": "loss", "variants": ["train"]}, "key": "timestamp"}
    found = server.call("events.scalar_metrics_iter_raw", raw)["variants"]["train"]
    assert found == {"timestamp": [BEGAN_MS, BEGAN_MS + 2000], "y": [2.0, 1.0]}


def test_only_the_metrics_asked_for_are_answered(server: RunningServer) -> None:
    task = new_task(server)
    send(server, *(scalar(task, 1, 1.0, (m, v)) for m in ("a", "b") for v in ("x", "y")))
    some = [{"metric": "a", "variants": ["x"]}]
    assert server.call("events.scalar_metrics_iter_histogram", {"task": task, "metrics": some}).keys() == {"a"}
    both = server.call("events.multi_task_scalar_metrics_iter_histogram", {"tasks": [task], "metrics": some})
    assert both == {"a": {"x": {task: {"name": "reports", "x": [1], "y": [1.0]}}}}
    events = server.call("events.get_task_events", {"task": task, "metrics": [{"metric": "b"}]})["events"]
    assert {(event["metric"], event["variant"]) for event in events} == {("b", "x"), ("b", "y")}
    data = server.call("events.get_scalar_metric_data", {"task": task, "metric": "b", "no_scroll": True})
    assert [(event["variant"], event["iter"], event["value"]) for event in data["events"]] == [
        ("x", 1, 1.0), ("y", 1, 1.0),
    ]  # fmt: skip
    assert (data["returned"], data["total"], data["scroll_id"]) == (2, 2, None)


def test_metric_data_is_paged_to_its_end(server: RunningServer) -> None:
    task = new_task(server)
    send(server, scalar(task, 1, 1.0))
    page = server.call("events.get_scalar_metric_data", {"task": task, "metric": "loss"})
    assert page["returned"] == 1
    end = server.call("events.get_scalar_metric_data", {"task": task, "metric": "loss", "scroll_id": page["scroll_id"]})
    assert (end["events"], end["total"], end["scroll_id"]) == ([], 1, page["scroll_id"])


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ("events.scalar_metrics_iter_histogram", {"samples": 0}),
        ("events.scalar_metrics_iter_histogram", {"samples": 6001}),
        ("events.scalar_metrics_iter_histogram", {"key": "epoch"}),
        ("events.get_task_events", {"order": "up"}),
        ("events.get_task_events", {"event_type": "weird"}),
        ("events.scalar_metrics_iter_raw", {}),
    ],
)
def test_a_field_out_of_its_range_is_named(server: RunningServer, endpoint: str, body: dict[str, Any]) -> None:
    with pytest.raises(ApiFailure) as refused:
        server.call(endpoint, {"task": new_task(server), **body})
    assert (refused.value.code, refused.value.subcode) == (400, 12)
    assert next(iter(body), "metric") in refused.value.message


@pytest.mark.parametrize("endpoint", ["get_task_events", "scalar_metrics_iter_raw", "get_scalar_metric_data"])
def test_a_foreign_scroll_id_is_refused(server: RunningServer, endpoint: str) -> None:
    metric: Any = {"metric": "m"} if endpoint == "scalar_metrics_iter_raw" else "m"
    with pytest.raises(ApiFailure) as refused:
        server.call(f"events.{endpoint}", {"task": new_task(server), "metric": metric, "scroll_id": "nonsense:x"})
    assert (refused.value.code, refused.value.subcode) == (400, 1104)


def test_a_batch_exceeds_its_size_to_hold_the_whole_last_iteration(server: RunningServer) -> None:
    task = new_task(server)
    send(server, *(scalar(task, step, 1.0, ("m", str(v))) for step in (1, 2) for v in range(5)))
    page = server.call("events.get_task_events", {"task": task, "batch_size": 2, "order": "desc"})
    assert [event["iter"] for event in page["events"]] == [2] * 5
    rest = server.call(
        "events.get_task_events", {"task": task, "batch_size": 2, "order": "desc", "scroll_id": page["scroll_id"]}
    )
    assert [event["iter"] for event in rest["events"]] == [1] * 5


def test_single_values_are_told_apart_from_curves(server: RunningServer) -> None:
    one, other = new_task(server, "the one"), new_task(server, "the other")
    single = -(2**31)
    send(server, scalar(one, single, 0.5, ("Summary", "best")), scalar(one, 1, 9.0), scalar(other, 1, 1.0))
    send(server, scalar(one, single, 0.75, ("Summary", "best")), scalar(one, single, 3.0, ("Summary", "size")))
    answer = server.call("events.get_task_single_value_metrics", {"tasks": [one, other]})["tasks"]
    assert [(found["task"], found["task_name"]) for found in answer] == [(one, "the one")]
    values = {(v["metric"], v["variant"]): v["value"] for v in answer[0]["values"]}
    assert values == {("Summary", "best"): 0.75, ("Summary", "size"): 3.0}
    some = {"tasks": [one], "metrics": [{"metric": "Summary", "variants": ["size"]}]}
    found = server.call("events.get_task_single_value_metrics", some)["tasks"][0]["values"]
    assert [value["variant"] for value in found] == ["size"]
    assert server.call("events.scalar_metrics_iter_histogram", {"task": one}).keys() == {"loss"}


def test_the_latest_values_and_the_names(server: RunningServer) -> None:
    task = new_task(server)
    send(server, *(scalar(task, step, float(step)) for step in range(150)), scalar(task, 3, 1.0, ("loss", "test")))
    latest = server.call("events.get_task_latest_scalar_values", {"task": task})["metrics"]
    assert [metric["name"] for metric in latest] == ["loss"]
    by_name = {variant["name"]: variant for variant in latest[0]["variants"]}
    assert (by_name["train"]["last_value"], by_name["train"]["last_100_value"]) == (149.0, 99.5)
    assert by_name["test"]["last_value"] == 1.0
    names = server.call("events.get_scalar_metrics_and_variants", {"task": task})["metrics"]
    assert {metric: set(variants) for metric, variants in names.items()} == {"loss": {"train", "test"}}


def test_vectors_are_read_by_iteration(server: RunningServer) -> None:
    task = new_task(server)
    vector = {"type": "training_stats_vector", "task": task, "metric": "histogram", "variant": "weights"}
    send(server, {**vector, "iter": 2, "values": [3, 4.5]}, {**vector, "iter": 1, "values": [1, 2]})
    send(server, {**vector, "iter": 2, "values": [5.0]})
    body = {"task": task, "metric": "histogram", "variant": "weights"}
    assert server.call("events.vector_metrics_iter_histogram", body) == {
        "metric": "histogram", "variant": "weights", "iterations": [1, 2], "vectors": [[1.0, 2.0], [5.0]],
    }  # fmt: skip
    names = server.call("events.get_vector_metrics_and_variants", {"task": task})["metrics"]
    assert names == [{"metric": "histogram", "variants": ["weights"]}]
    read = server.call("events.get_task_events", {"task": task, "event_type": "training_stats_vector"})["events"]
    assert [event["values"] for event in read] == [[1.0, 2.0], [5.0]]


def test_at_most_two_thousand_series_show_in_the_task_and_all_can_be_read(server: RunningServer) -> None:
    task = new_task(server)
    send(server, *(scalar(task, 1, float(i), ("m", str(i)), x_axis_label="epochs") for i in range(2010)))
    shown = server.call("tasks.get_by_id", {"task": task})["task"]["last_metrics"][digest("m")]
    assert len(shown) == 2000
    assert shown[digest("0")]["x_axis_label"] == "epochs"
    assert len(server.call("events.scalar_metrics_iter_histogram", {"task": task})["m"]) == 2010


def test_what_is_no_number_is_null_and_leaves_the_means_of_the_others(server: RunningServer) -> None:
    task = new_task(server)
    send(server, *(scalar(task, step, math.nan if step % 2 else 4.0) for step in range(10)))
    assert server.call("events.scalar_metrics_iter_histogram", {"task": task})["loss"]["train"]["y"] == [4.0, None] * 5
    thin = server.call("events.scalar_metrics_iter_histogram", {"task": task, "samples": 5})["loss"]["train"]
    assert (thin["x"], thin["y"]) == ([0, 2, 4, 6, 8], [4.0] * 5)
    send(server, scalar(task, 10, 1e308, ("big", "x")), scalar(task, 11, -math.inf, ("big", "x")))
    big = documents_metric(server.call("tasks.get_by_id", {"task": task})["task"], ("big", "x"))
    assert (big["value"], big["max_value"]) == (None, 1e308)


def test_models_have_events_of_their_own(server: RunningServer) -> None:
    model = str(server.call("models.create", {"name": "net", "uri": "file:///x", "ready": False})["id"])
    send(server, scalar(model, 1, 2.0, model_event=True))
    with pytest.raises(ApiFailure) as unknown:
        server.call("events.scalar_metrics_iter_histogram", {"task": model})
    assert (unknown.value.code, unknown.value.subcode) == (400, 101)
    curves = server.call("events.scalar_metrics_iter_histogram", {"task": model, "model_events": True})
    assert curves["loss"]["train"]["y"] == [2.0]
    assert documents_metric(server.call("models.get_by_id", {"model": model})["model"], ("loss", "train"))["value"] == 2
    server.call("models.set_ready", {"model": model})
    with pytest.raises(ApiFailure) as locked:
        send(server, scalar(model, 2, 3.0, model_event=True))
    assert (locked.value.code, locked.value.subcode) == (400, 131)
    send(server, scalar(model, 2, 3.0, model_event=True, allow_locked=True))
    with pytest.raises(ApiFailure):
        server.call("events.delete_for_model", {"model": model})
    assert server.call("events.delete_for_model", {"model": model, "allow_locked": True}) == {"deleted": True}
    assert server.call("events.scalar_metrics_iter_histogram", {"task": model, "model_events": True}) == {}


def test_a_published_task_takes_only_what_says_so(server: RunningServer) -> None:
    task = new_task(server)
    server.call("tasks.started", {"task": task})
    server.call("tasks.completed", {"task": task})
    send(server, scalar(task, 1, 1.0))
    server.call("tasks.publish", {"task": task})
    with pytest.raises(ApiFailure) as locked:
        send(server, scalar(task, 2, 1.0))
    assert (locked.value.code, locked.value.subcode) == (400, 131)
    send(server, scalar(task, 2, 1.0, allow_locked=True))
    for endpoint in ("events.delete_for_task", "events.clear_task_log"):
        with pytest.raises(ApiFailure) as refused:
            server.call(endpoint, {"task": task})
        assert refused.value.subcode == 101
    assert server.call("events.scalar_metrics_iter_histogram", {"task": task})["loss"]["train"]["x"] == [1, 2]
