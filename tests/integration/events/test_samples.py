"""Plots and debug images over HTTP: pages of iterations, and one after the other."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import ApiFailure, RunningServer
from tests.integration.events.reports import image, new_task, plot, send


@pytest.fixture
def task(server: RunningServer) -> str:
    return new_task(server, "samples")


def shown(answer: dict[str, Any]) -> tuple[int, str, str] | None:
    event = answer["event"]
    return (event["iter"], event["metric"], event["variant"]) if event else None


def test_images_are_walked_through_one_at_a_time(server: RunningServer, task: str) -> None:
    for metric, variants, steps in (("a", "xy", (1, 2, 3)), ("b", "z", (2, 5))):
        send(server, *(image(task, step, metric, variant) for step in steps for variant in variants))
    first = server.call("events.get_debug_image_sample", {"task": task, "metric": "a", "variant": "y"})
    assert shown(first) == (3, "a", "y")
    assert (first["min_iteration"], first["max_iteration"]) == (1, 3)
    assert first["event"]["url"] == "http://files/a/y/3.png"

    def walk(scroll_id: str, **how: Any) -> list[tuple[int, str, str] | None]:
        places = []
        while not places or places[-1] is not None:
            answer = server.call("events.next_debug_image_sample", {"task": task, "scroll_id": scroll_id, **how})
            places.append(shown(answer))
            scroll_id = answer["scroll_id"]
        return places

    of_a = [(step, "a", variant) for step in (3, 2, 1) for variant in "yx"]
    assert walk(first["scroll_id"], navigate_earlier=True) == [*of_a[1:], None]
    assert walk(first["scroll_id"], navigate_earlier=False) == [None]
    assert walk(first["scroll_id"], next_iteration=True) == [(2, "a", "y"), (1, "a", "y"), None]
    body = {"task": task, "metric": "a", "variant": "x", "iteration": 2, "navigate_current_metric": False}
    anywhere = server.call("events.get_debug_image_sample", body)
    assert shown(anywhere) == (2, "a", "x")
    later = [(2, "a", "y"), (2, "b", "z"), (3, "a", "x"), (3, "a", "y"), (5, "b", "z"), None]
    assert walk(anywhere["scroll_id"], navigate_earlier=False) == later


def test_a_scroll_sees_new_iterations_when_it_is_refreshed(server: RunningServer, task: str) -> None:
    send(server, image(task, 1, "a", "x"))
    body = {"task": task, "metric": "a", "variant": "x"}
    first = server.call("events.get_debug_image_sample", body)
    send(server, image(task, 2, "a", "x"))
    again = server.call("events.get_debug_image_sample", {**body, "scroll_id": first["scroll_id"]})
    assert shown(again) == (1, "a", "x")
    fresh = server.call("events.get_debug_image_sample", {**body, "scroll_id": first["scroll_id"], "refresh": True})
    assert (shown(fresh), fresh["max_iteration"]) == ((2, "a", "x"), 2)


def test_an_image_that_is_not_there_is_null(server: RunningServer, task: str) -> None:
    send(server, image(task, 5, "a", "x"))
    for body in ({"metric": "a", "variant": "nothing"}, {"metric": "a", "variant": "x", "iteration": 4}):
        answer = server.call("events.get_debug_image_sample", {"task": task, **body})
        assert answer["event"] is None
        following = {"task": task, "scroll_id": answer["scroll_id"]}
        assert server.call("events.next_debug_image_sample", following)["event"] is None


@pytest.mark.parametrize("scroll_id", ["", "nonsense", '["another task","a","x",1,true,1]'])
def test_a_foreign_scroll_is_refused(server: RunningServer, task: str, scroll_id: str) -> None:
    with pytest.raises(ApiFailure) as refused:
        server.call("events.next_plot_sample", {"task": task, "scroll_id": scroll_id})
    assert (refused.value.code, refused.value.subcode) == (400, 1104)


def test_plots_of_a_metric_are_shown_together(server: RunningServer, task: str) -> None:
    send(
        server, *(plot(task, step, "roc", variant) for step in (1, 2) for variant in "ba"), plot(task, 2, "other", "c")
    )
    first = server.call("events.get_plot_sample", {"task": task, "metric": "roc"})
    assert [(event["iter"], event["variant"]) for event in first["events"]] == [(2, "a"), (2, "b")]
    assert (first["min_iteration"], first["max_iteration"]) == (1, 2)
    earlier = server.call("events.next_plot_sample", {"task": task, "scroll_id": first["scroll_id"]})
    assert [(event["iter"], event["metric"]) for event in earlier["events"]] == [(1, "roc")] * 2
    end = server.call("events.next_plot_sample", {"task": task, "scroll_id": earlier["scroll_id"]})
    assert end["events"] == []
    back = {"task": task, "scroll_id": end["scroll_id"], "navigate_earlier": False}
    assert [event["iter"] for event in server.call("events.next_plot_sample", back)["events"]] == [2, 2]


@pytest.mark.parametrize(("endpoint", "make"), [("events.debug_images", image), ("events.plots", plot)])
def test_pages_of_iterations_go_back_and_forth(server: RunningServer, task: str, endpoint: str, make: Any) -> None:
    send(server, *(make(task, step, "m", variant) for step in range(6) for variant in "xy"))
    body: dict[str, Any] = {"metrics": [{"task": task, "metric": "m", "variants": ["x"]}], "iters": 2}

    def page(**more: Any) -> tuple[list[int], str]:
        answer = server.call(endpoint, {**body, **more})
        assert [found["task"] for found in answer["metrics"]] == [task]
        iterations = answer["metrics"][0]["iterations"]
        assert all([event["variant"] for event in found["events"]] == ["x"] for found in iterations)
        return [found["iter"] for found in iterations], answer["scroll_id"]

    steps, scroll_id = page()
    assert steps == [5, 4]
    steps, scroll_id = page(scroll_id=scroll_id)
    assert steps == [3, 2]
    assert page(scroll_id=scroll_id, navigate_earlier=False)[0] == [5, 4]
    assert page(scroll_id=scroll_id, refresh=True)[0] == [5, 4]
    steps, scroll_id = page(scroll_id=scroll_id)
    assert steps == [1, 0]
    assert page(scroll_id=scroll_id)[0] == []


def test_the_newest_plots_of_each_series(server: RunningServer, task: str) -> None:
    send(server, *(plot(task, step, "a", "x") for step in (1, 2, 3)), plot(task, 1, "b", "y"))
    answer = server.call("events.get_task_plots", {"task": task, "iters": 2, "no_scroll": True})
    places = [(event["metric"], event["variant"], event["iter"]) for event in answer["plots"]]
    assert places == [("a", "x", 3), ("a", "x", 2), ("b", "y", 1)]
    assert (answer["returned"], answer["total"], answer["scroll_id"]) == (3, 3, None)
    assert answer["plots"][0]["plot_str"] == '{"data": [3]}'
    some = {"task": task, "metrics": [{"metric": "b"}]}
    paged = server.call("events.get_task_plots", some)
    assert [event["metric"] for event in paged["plots"]] == ["b"]
    end = server.call("events.get_task_plots", {**some, "scroll_id": paged["scroll_id"]})
    assert (end["plots"], end["returned"], end["total"], end["scroll_id"]) == ([], 0, 1, paged["scroll_id"])


def test_plots_of_several_tasks_lie_side_by_side(server: RunningServer) -> None:
    one, other = new_task(server, "one"), new_task(server, "other")
    send(server, plot(one, 1, "a", "x"), plot(one, 4, "b", "y"), plot(other, 2, "a", "x"))
    answer = server.call("events.get_multi_task_plots", {"tasks": [one, other]})
    assert (answer["returned"], answer["total"]) == (3, 3)
    assert answer["plots"].keys() == {"a", "b"}
    tasks = answer["plots"]["a"]["x"]
    assert {task: list(steps) for task, steps in tasks.items()} == {one: ["1"], other: ["2"]}
    assert tasks[other]["2"]["name"] == "other"
    assert [event["plot_str"] for event in tasks[other]["2"]["plots"]] == ['{"data": [2]}']
    of_task = server.call("events.get_multi_task_plots", {"tasks": [one], "last_iters_per_task_metric": False})
    assert of_task["plots"].keys() == {"b"}
    some = {"tasks": [one, other], "metrics": [{"metric": "b"}], "no_scroll": True}
    assert server.call("events.get_multi_task_plots", some)["plots"].keys() == {"b"}
    scrolled = server.call("events.get_multi_task_plots", {"tasks": [one], "scroll_id": answer["scroll_id"]})
    assert (scrolled["plots"], scrolled["returned"]) == ({}, 0)


def test_the_names_under_which_tasks_reported(server: RunningServer) -> None:
    one, other = new_task(server, "one"), new_task(server, "other")
    send(server, plot(one, 1, "roc", "x"), image(one, 1, "dogs", "1"), image(other, 1, "dogs", "2"))
    body = {"tasks": [one, other], "event_type": "training_debug_image"}
    assert server.call("events.get_multi_task_metrics", body)["metrics"] == [{"metric": "dogs", "variants": ["1", "2"]}]
    everything = server.call("events.get_multi_task_metrics", {"tasks": [one, other]})["metrics"]
    assert [found["metric"] for found in everything] == ["dogs", "roc"]
    by_task = server.call("events.get_task_metrics", {"tasks": [one, other], "event_type": "plot"})["metrics"]
    assert by_task == [{"task": one, "metrics": ["roc"]}, {"task": other, "metrics": []}]


def test_the_same_image_reported_again_replaces_the_older(server: RunningServer, task: str) -> None:
    send(server, image(task, 1, "a", "x"))
    send(server, image(task, 1, "a", "x", url="http://files/again.png"))
    events = server.call("events.get_task_events", {"task": task, "event_type": "training_debug_image"})["events"]
    assert [event["url"] for event in events] == ["http://files/again.png"]


def test_clearing_a_scroll_is_no_error(server: RunningServer) -> None:
    assert server.call("events.clear_scroll", {"scroll_id": "after:5"}) == {}


def test_an_image_whose_file_shows_a_later_one_is_history(server: RunningServer, task: str) -> None:
    # An SDK that keeps 4 files of a series, as long as it likes.
    send(server, *(image(task, step, "m", "v", url=f"http://files/{step % 4}.png") for step in range(10)))
    body = {"metrics": [{"task": task, "metric": "m"}], "iters": 50}
    (found,) = server.call("events.debug_images", body)["metrics"]
    assert [one["iter"] for one in found["iterations"]] == [9, 8, 7, 6]
    first = server.call("events.get_debug_image_sample", {"task": task, "metric": "m", "variant": "v"})
    assert (first["min_iteration"], first["max_iteration"]) == (6, 9)
    raw = {"task": task, "event_type": "training_debug_image", "batch_size": 100}
    assert server.call("events.get_task_events", raw)["total"] == 10
