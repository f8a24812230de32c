"""Everything that a task reports, sent by the official logger and read back by the official getters and by calls."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import RunningServer

from .helpers import NOW_MS, Api, make_task, running_task, scalar, send_events, shown
from .session import OfficialSession
from .test_tasks import file_status


def report_everything(id: str) -> None:
    """Something of each kind, by the official logger."""
    import numpy
    from clearml import Task

    task = Task.get_task(task_id=id)
    log = task.get_logger()
    for n in range(20):
        log.report_scalar("loss", "train", value=1.0 / (n + 1), iteration=n)
        log.report_scalar("loss", "valid", value=2.0 / (n + 1), iteration=n)
    log.report_scalar("accuracy", "train", value=0.5, iteration=19)
    log.report_single_value("best", 0.875)
    log.report_single_value("params", 1_000_000)
    log.report_histogram("hist", "h", values=[1, 2, 3], iteration=1, xlabels=["a", "b", "c"])
    log.report_vector("vec", "v", values=[4.0, 5.0], iteration=2)
    log.report_confusion_matrix("cm", "m", matrix=numpy.eye(3), iteration=3)
    log.report_scatter2d("scatter", "s", scatter=[(0, 1), (1, 2)], iteration=4)
    log.report_scatter3d("scatter3", "s", scatter=[(0, 1, 2), (1, 2, 3)], iteration=4)
    log.report_surface("surface", "s", matrix=numpy.eye(4), iteration=5)
    log.report_table("table", "t", table_plot=[["x", "y"], [1, 2], [3, 4]], iteration=6)
    log.report_plotly("plotly", "p", figure={"data": [{"y": [1, 2]}], "layout": {"title": "t"}}, iteration=7)
    for n in range(3):
        image = numpy.full((8, 8, 3), 40 * n, dtype=numpy.uint8)
        log.report_image("images", "grey", iteration=n, image=image)
    with open("sound.txt", "w") as out:
        out.write("listen")
    log.report_media("media", "m", iteration=0, local_path="sound.txt")
    for n in range(25):
        log.report_text(f"line {n}", print_console=False)
    task.flush(wait_for_uploads=True)
    task.mark_completed()


@pytest.fixture(scope="module")
def reported(server: RunningServer, official_session: OfficialSession) -> str:
    """The id of a task that reported something of each kind through the official logger, and was completed."""
    project = server.call("projects.create", {"name": "reported by the official logger"})["id"]
    task = running_task(server.call, project, "the reporter")
    official_session.run(report_everything, task)
    return task


def test_scalars_by_iteration(official: OfficialSession, call: Api, reported: str) -> None:
    def read(id: str) -> dict[str, Any]:
        from clearml import Task

        return Task.get_task(task_id=id).get_reported_scalars()

    found = official.run(read, reported)
    assert found["loss"]["train"]["x"] == list(range(20))
    assert found["loss"]["train"]["y"] == pytest.approx([1.0 / (n + 1) for n in range(20)])
    assert found["accuracy"]["train"] == {"name": "train", "x": [19], "y": [0.5]}
    assert sorted(found) == ["accuracy", "loss"]
    ours = call("events.scalar_metrics_iter_histogram", {"task": reported})
    assert ours["loss"]["valid"]["y"] == found["loss"]["valid"]["y"]


@pytest.mark.parametrize("axis", ["timestamp", "iso_time"])
def test_scalars_by_time(official: OfficialSession, reported: str, axis: str) -> None:
    def read(id: str, axis: str) -> dict[str, Any]:
        from clearml import Task

        return Task.get_task(task_id=id).get_reported_scalars(x_axis=axis)["loss"]["train"]

    found = official.run(read, reported, axis)
    assert len(found["x"]) == len(found["y"]) > 0
    assert all(isinstance(x, str if axis == "iso_time" else (int, float)) for x in found["x"])
    assert found["x"] == sorted(found["x"])


def test_scalars_reduced_to_fewer_samples(official: OfficialSession, reported: str) -> None:
    def read(id: str) -> dict[str, Any]:
        from clearml import Task

        return Task.get_task(task_id=id).get_reported_scalars(max_samples=5)["loss"]["train"]

    found = official.run(read, reported)
    assert found["x"] == [0, 4, 8, 12, 16]
    assert found["y"][0] == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)


def test_all_scalars_unreduced(official: OfficialSession, reported: str) -> None:
    def read(id: str) -> dict[str, Any]:
        from clearml import Task

        return Task.get_task(task_id=id).get_all_reported_scalars()

    found = official.run(read, reported)
    assert found["loss"]["train"]["x"] == list(range(20))
    assert found["loss"]["valid"]["y"] == pytest.approx([2.0 / (n + 1) for n in range(20)])


def test_all_scalars_of_a_long_task_over_many_pages(official: OfficialSession, call: Api, project: str) -> None:
    task = running_task(call, project)
    for start in range(0, 12_000, 4_000):
        send_events(call, (scalar(task, n, n * 0.5) for n in range(start, start + 4_000)))

    def read(id: str) -> dict[str, Any]:
        from clearml import Task

        return Task.get_task(task_id=id).get_all_reported_scalars()["loss"]["train"]

    found = official.run(read, task)
    assert found["x"] == list(range(12_000))
    assert found["y"] == [n * 0.5 for n in range(12_000)]


def test_last_values_with_minimum_and_maximum(official: OfficialSession, call: Api, reported: str) -> None:
    def read(id: str) -> dict[str, Any]:
        from clearml import Task

        return Task.get_task(task_id=id).get_last_scalar_metrics()

    found = official.run(read, reported)
    assert found["loss"]["train"] == {"last": 0.05, "min": 0.05, "max": 1.0}
    assert found["accuracy"]["train"] == {"last": 0.5, "min": 0.5, "max": 0.5}
    kept = {
        (metric["metric"], metric["variant"]): metric
        for variants in shown(call, reported)["last_metrics"].values()
        for metric in variants.values()
    }
    train = kept["loss", "train"]
    assert (train["min_value_iteration"], train["max_value_iteration"], train["count"]) == (19, 0, 20)
    assert shown(call, reported)["last_iteration"] == 19


def test_single_values(official: OfficialSession, call: Api, reported: str) -> None:
    def read(id: str) -> list[Any]:
        from clearml import Task

        task = Task.get_task(task_id=id)
        return [task.get_reported_single_values(), task.get_reported_single_value("best")]

    assert official.run(read, reported) == [{"best": 0.875, "params": 1_000_000}, 0.875]
    (found,) = call("events.get_task_single_value_metrics", {"tasks": [reported]})["tasks"]
    assert {item["variant"]: item["value"] for item in found["values"]} == {"best": 0.875, "params": 1_000_000}


def test_plots_of_every_kind(official: OfficialSession, call: Api, reported: str) -> None:
    def read(id: str) -> list[dict[str, Any]]:
        from clearml import Task

        return Task.get_task(task_id=id).get_reported_plots()

    found = {(plot["metric"], plot["variant"]): plot for plot in official.run(read, reported)}
    assert {"hist", "vec", "cm", "scatter", "scatter3", "surface", "table", "plotly"} == {m for m, _ in found}
    assert found["plotly", "p"]["iter"] == 7
    figure = json.loads(found["plotly", "p"]["plot_str"])
    assert figure["data"][0]["y"] == [1, 2]
    ours = call("events.get_task_plots", {"task": reported})
    assert ours["total"] == len(found)


def test_plot_history_by_iterations(official: OfficialSession, call: Api, project: str) -> None:
    task = running_task(call, project)
    plot = json.dumps({"data": [{"y": [1]}], "layout": {}})
    send_events(
        call,
        ({"type": "plot", "task": task, "metric": "m", "variant": "v", "iter": n, "plot_str": plot} for n in range(5)),
    )

    def read(id: str, iterations: int) -> list[int]:
        from clearml import Task

        return sorted(plot["iter"] for plot in Task.get_task(task_id=id).get_reported_plots(max_iterations=iterations))

    assert official.run(read, task, 1) == [4]
    assert official.run(read, task, 3) == [2, 3, 4]


def test_console_output(official: OfficialSession, call: Api, reported: str) -> None:
    def read(id: str, reports: int) -> list[str]:
        from clearml import Task

        return Task.get_task(task_id=id).get_reported_console_output(number_of_reports=reports)

    text = "\n".join(official.run(read, reported, 1_000))
    assert [f"line {n}" for n in range(25)] == [line for line in text.splitlines() if line.startswith("line ")]
    last = "\n".join(official.run(read, reported, 1))
    assert "line 24" in last
    events = call("events.get_task_log", {"task": reported, "batch_size": 100, "order": "asc"})["events"]
    assert "line 0" in events[0]["msg"]


def test_images_are_uploaded_and_listed(
    official: OfficialSession, server: RunningServer, call: Api, reported: str
) -> None:
    def read(id: str) -> list[dict[str, Any]]:
        from clearml import Task

        return Task.get_task(task_id=id).get_debug_samples("images", "grey")

    found = official.run(read, reported)
    assert sorted(sample["iter"] for sample in found) == [0, 1, 2]
    assert {file_status(server, sample["url"]) for sample in found} == {200}
    (ours,) = call("events.debug_images", {"metrics": [{"task": reported, "metric": "images"}], "iters": 5})["metrics"]
    assert [item["iter"] for item in ours["iterations"]] == [2, 1, 0]


def test_media_is_uploaded(server: RunningServer, call: Api, reported: str) -> None:
    (found,) = call("events.debug_images", {"metrics": [{"task": reported, "metric": "media"}], "iters": 5})["metrics"]
    (event,) = found["iterations"][0]["events"]
    assert event["url"].endswith(".txt")
    assert file_status(server, event["url"]) == 200


def test_typed_event_calls_add_and_read(official: OfficialSession, api: Api, call: Api, project: str) -> None:
    task = running_task(call, project)

    def add(id: str, now: int) -> None:
        from clearml.backend_api.services.v2_23 import events

        client.events.add(events.MetricsScalarEvent(task=id, metric="loss", variant="train", iter=1, value=0.5))  # noqa: F821
        client.events.add(events.TaskLogEvent(task=id, level="info", msg="hello there", timestamp=now))  # noqa: F821

    official.run(add, task, NOW_MS)
    assert api("events.get_task_events", task=task)["total"] == 2
    found = api("events.get_task_events", task=task, event_type="training_stats_scalar", batch_size=10)
    assert [(item["metric"], item["value"]) for item in found["events"]] == [("loss", 0.5)]
    assert (found["returned"], found["total"]) == (1, 1)
    log = api("events.get_task_log", task=task, batch_size=10)
    assert [item["msg"] for item in log["events"]] == ["hello there"]
    listed = api("events.get_scalar_metrics_and_variants", task=task)
    assert listed["metrics"] == {"loss": ["train"]}


def test_event_scroll_visits_every_event_once(api: Api, call: Api, project: str) -> None:
    task = running_task(call, project)
    send_events(call, (scalar(task, n, float(n)) for n in range(250)))
    seen: list[int] = []
    scroll: dict[str, str] = {}
    while True:
        answer = api("events.get_task_events", task=task, event_type="training_stats_scalar", batch_size=100, **scroll)
        if not answer["events"]:
            break
        seen += [event["iter"] for event in answer["events"]]
        scroll = {"scroll_id": answer["scroll_id"]}
    assert sorted(seen) == list(range(250))
    assert answer["returned"] == 0


def test_raw_scalars_by_pages(api: Api, call: Api, project: str) -> None:
    task = running_task(call, project)
    send_events(call, (scalar(task, n, float(n), variant=name) for n in range(50) for name in ("a", "b")))
    answer = api("events.scalar_metrics_iter_raw", task=task, metric={"metric": "loss"}, count_total=True)
    assert answer["total"] == 100
    assert answer["variants"]["a"]["iter"] == answer["variants"]["b"]["iter"] == list(range(50))
    assert answer["variants"]["a"]["y"] == [float(n) for n in range(50)]
    assert answer["returned"] == 100


def test_same_point_again_replaces_the_first(api: Api, call: Api, project: str) -> None:
    task = running_task(call, project)
    send_events(call, [scalar(task, 1, 1.0)])
    send_events(call, [scalar(task, 1, 2.0)])
    found = api("events.get_task_events", task=task)
    assert [event["value"] for event in found["events"]] == [2.0]


def test_scalars_of_several_tasks_at_once(api: Api, call: Api, project: str) -> None:
    tasks = [running_task(call, project, f"task {n}") for n in range(2)]
    for number, task in enumerate(tasks):
        send_events(call, [scalar(task, n, float(number)) for n in range(3)])
    found = api("events.multi_task_scalar_metrics_iter_histogram", tasks=tasks)
    by_task = found["loss"]["train"] if "loss" in found else found["metrics"]["loss"]["train"]
    assert {task: by_task[task]["y"] for task in tasks} == {tasks[0]: [0.0] * 3, tasks[1]: [1.0] * 3}


def test_plots_of_several_tasks_at_once(api: Api, call: Api, project: str) -> None:
    tasks = [running_task(call, project, f"task {n}") for n in range(2)]
    plot = json.dumps({"data": [{"y": [1]}], "layout": {}})
    send_events(
        call,
        ({"type": "plot", "task": t, "metric": "m", "variant": "v", "iter": 0, "plot_str": plot} for t in tasks),
    )
    found = api("events.get_multi_task_plots", tasks=tasks, iters=1)
    assert set(found["plots"]["m"]["v"]) == set(tasks)
    assert found["returned"] == 2


def test_metrics_of_a_task_by_kind(api: Api, reported: str) -> None:
    (images,) = api("events.get_task_metrics", tasks=[reported], event_type="training_debug_image")["metrics"]
    assert sorted(images["metrics"]) == ["images", "media"]
    (plots,) = api("events.get_task_metrics", tasks=[reported], event_type="plot")["metrics"]
    assert "plotly" in plots["metrics"]


def test_samples_one_by_one(raw: Api, reported: str) -> None:
    first = raw("events.get_debug_image_sample", {"task": reported, "metric": "images", "variant": "grey"})
    assert (first["event"]["iter"], first["min_iteration"], first["max_iteration"]) == (2, 0, 2)
    going_back = {"task": reported, "scroll_id": first["scroll_id"], "navigate_earlier": True}
    earlier = raw("events.next_debug_image_sample", going_back)
    assert earlier["event"]["iter"] == 1


def test_log_is_cleared_and_downloaded(api: Api, raw: Api, call: Api, project: str) -> None:
    task = running_task(call, project)
    send_events(call, ({"type": "log", "task": task, "msg": f"m{n}", "timestamp": NOW_MS + n} for n in range(3)))
    earlier = api("events.get_task_log", task=task, batch_size=2, navigate_earlier=True)["events"]
    assert [event["msg"] for event in earlier] == ["m2", "m1"]
    before = api(
        "events.get_task_log", task=task, batch_size=2, navigate_earlier=True, from_timestamp=earlier[-1]["timestamp"]
    )
    assert [event["msg"] for event in before["events"]] == ["m0"]
    call("tasks.stopped", {"task": task})
    api("events.clear_task_log", task=task, allow_locked=True)
    assert call("events.get_task_log", {"task": task})["events"] == []


def test_events_of_a_deleted_task_are_gone(api: Api, call: Api, project: str) -> None:
    task = make_task(call, project)
    send_events(call, [scalar(task, 0, 1.0)])
    api("events.delete_for_task", task=task)
    assert call("events.get_task_events", {"task": task})["events"] == []


def test_batch_of_mixed_lines_says_what_it_stored(raw: Api, call: Api, project: str) -> None:
    task = running_task(call, project)
    lines = [scalar(task, 0, 1.0), scalar("0" * 32, 0, 1.0), {"type": "log", "task": task, "msg": "x"}]
    answer = send_events(call, lines)
    assert (answer["added"], answer["errors"]) == (2, 1)
    assert "Invalid task id" in str(answer["errors_info"])
