"""Containers that serve models, and what the page is told of them; and the data of a report."""

from __future__ import annotations

import time

from tests.integration.services.conftest import Api


def container(api: Api, **more: object) -> dict[str, object]:
    return {
        "container_id": api.name("container"),
        "endpoint_name": "detect",
        "model_name": "yolo",
        "endpoint_url": f"http://{api.name('host')}/detect",
        **more,
    }


def mine(answer: dict[str, list[dict[str, object]]], key: str, url: object) -> list[dict[str, object]]:
    return [item for item in answer[key] if item["url"] == url]


def test_a_container_loads_serves_and_ends(api: Api) -> None:
    facts = container(api, model_version="3", input_type="image")
    api("serving.register_container", **facts, timeout=600)
    url = facts["endpoint_url"]
    loading = mine(api("serving.get_loading_instances"), "instances", url)
    assert [(item["id"], item["model"], item["model_version"]) for item in loading] == [
        (facts["container_id"], "yolo", "3")
    ]
    assert mine(api("serving.get_endpoints"), "endpoints", url) == []
    api("serving.container_status_report", **facts, requests_num=10, requests_min=2.5, latency_ms=40, uptime_sec=9)
    assert mine(api("serving.get_loading_instances"), "instances", url) == []
    other = {**facts, "container_id": api.name("container")}
    api("serving.container_status_report", **other, requests_num=5, requests_min=0.5, latency_ms=20, uptime_sec=3)
    (summary,) = mine(api("serving.get_endpoints"), "endpoints", url)
    shown = {name: summary[name] for name in ("endpoint", "model", "instances", "uptime_sec", "requests")}
    assert shown == {"endpoint": "detect", "model": "yolo", "instances": 2, "uptime_sec": 9, "requests": 15}
    assert (summary["requests_min"], summary["latency_ms"]) == (3.0, 30)
    details = api("serving.get_endpoint_details", endpoint_url=url)
    assert {item["id"] for item in details["instances"]} == {facts["container_id"], other["container_id"]}
    assert details["model_version"] == "3"
    for one in (facts, other, other):  # the second time it is unknown, which is no error
        api("serving.unregister_container", container_id=one["container_id"])
    assert api.code("serving.get_endpoint_details", endpoint_url=url) == (400, 12)


def test_measures_over_time(api: Api) -> None:
    facts = container(api)
    machine = {"cpu_usage": [10, 20], "memory_used": 1000, "memory_free": 3000}
    for number in (1, 3):
        api("serving.container_status_report", **facts, requests_num=number, machine_stats=machine)
    now = time.time()
    body = {"endpoint_url": facts["endpoint_url"], "from_date": now - 500, "to_date": now + 500, "interval": 1000}
    found = api("serving.get_endpoint_metrics_history", **body, metric_type="cpu_util")
    assert found["total"]["values"] == [15.0]
    assert list(found["instances"]) == [facts["container_id"]]
    total = api("serving.get_endpoint_metrics_history", **body, metric_type="requests", instance_charts=False)
    assert total["total"]["values"] == [2.0]
    assert "instances" not in total
    assert total["computed_interval"] == 1000
    assert api.code("serving.get_endpoint_metrics_history", **{**body, "to_date": now - 600}) == (400, 12)
    assert api.code("serving.get_endpoint_metrics_history", **body, metric_type="love") == (400, 12)
    api("serving.unregister_container", container_id=facts["container_id"])


def test_the_data_of_a_report_comes_in_one_call(api: Api) -> None:
    project = api.project()
    tasks = [api.task(project=project, name=f"run {number}") for number in range(2)]
    for number, task in enumerate(tasks):
        event = {"task": task, "metric": "m", "variant": "v", "timestamp": 1}
        api.events(
            *({**event, "type": "training_stats_scalar", "iter": step, "value": step + number} for step in range(3)),
            {**event, "type": "plot", "iter": 1, "plot_str": '{"data": []}'},
            {**event, "type": "training_debug_image", "iter": 1, "url": "http://i", "key": "i"},
            {**event, "type": "training_stats_scalar", "metric": "Summary", "iter": -(2**31), "value": 0.5},
        )
    found = api(
        "reports.get_task_data",
        project=[project],
        order_by=["name"],
        only_fields=["name"],
        scalar_metrics_iter_histogram={"metrics": [{"metric": "m"}]},
        plots={"iters": 1, "metrics": [{"metric": "m"}]},
        debug_images={"iters": 1, "metrics": [{"metric": "m"}]},
        single_value_metrics={},
    )
    assert found["tasks"] == [{"id": tasks[0], "name": "run 0"}, {"id": tasks[1], "name": "run 1"}]
    curves = found["scalar_metrics_iter_histogram"]["m"]["v"]
    assert {task: curve["y"] for task, curve in curves.items()} == {tasks[0]: [0, 1, 2], tasks[1]: [1, 2, 3]}
    assert set(found["plots"]["m"]["v"]) == set(tasks)
    assert {item["task"] for item in found["debug_images"]} == set(tasks)
    assert {item["task"]: item["values"][0]["value"] for item in found["single_value_metrics"]} == dict.fromkeys(
        tasks, 0.5
    )
    assert api("reports.get_task_data", id=["0" * 32], plots={}) == {"tasks": []}
    assert api.code("reports.get_task_data", id=tasks, plots={"iters": "many"}) == (400, 12)
    assert set(api("reports.get_task_data", id=tasks, only_fields=["name"])) == {"tasks"}
