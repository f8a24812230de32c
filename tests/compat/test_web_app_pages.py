"""The calls that each page of the official web app makes, in its order and shapes, on one origin."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from tests.conftest import RunningServer

from .helpers import Api, make_task, names, running_task, scalar, send_events
from .web_app import COOKIE, Browser, logged_in

NO_ARCHIVE = ["__$all", "__$not", "archived"]


def test_dashboard(app: Browser, call: Api, project: str) -> None:
    running_task(call, project, "the latest")
    recent = app.post(
        "projects.get_all_ex",
        {
            "stats_for_state": "active",
            "include_stats": True,
            "order_by": ["featured", "-last_update"],
            "page": 0,
            "page_size": 8,
            "only_fields": ["name", "company", "user", "created", "default_output_destination", "basename"],
            "search_hidden": False,
        },
    )["projects"]
    found = next(item for item in recent if item["id"] == project)
    assert found["basename"]
    assert found["company"]["id"]
    active = found["stats"]["active"]
    assert active["status_count"]["in_progress"] == 1
    assert set(active) >= {"total_runtime", "total_tasks", "completed_tasks_24h", "status_count"}
    tasks = app.post(
        "tasks.get_all_ex",
        {
            "page": 0,
            "page_size": 5,
            "order_by": ["-last_update"],
            "only_fields": ["type", "status", "created", "name", "last_update", "project.name", "user.name", "started"],
            "type": ["__$not", "annotation_manual", "__$not", "annotation", "__$not", "dataset_import"],
            "system_tags": ["-archived"],
            "allow_public": False,
        },
    )["tasks"]
    assert tasks[0]["name"] == "the latest"
    assert tasks[0]["project"]["id"] == project
    assert tasks[0]["project"]["name"]


def test_project_cards_of_one_level(app: Browser, call: Api, project: str, unique: str) -> None:
    child = call("projects.create", {"name": f"{unique}/child"})["id"]
    running_task(call, child, "in the child")
    body = {
        "basename": None, "parent": [project], "include_stats": True, "stats_for_state": "active",
        "stats_with_children": True, "check_own_contents": True, "scroll_id": None, "size": 12,
        "order_by": ["-last_update"], "allow_public": True, "search_hidden": False,
    }  # fmt: skip
    answer = app.post("projects.get_all_ex", body)
    (found,) = answer["projects"]
    assert (found["id"], found["basename"], found["own_tasks"]) == (child, "child", 1)
    assert found["stats"]["active"]["status_count"]["in_progress"] == 1
    assert isinstance(found["sub_projects"], list)
    assert found["system_tags"] == []
    after = app.post("projects.get_all_ex", {**body, "scroll_id": answer["scroll_id"]})
    assert after["projects"] == []


def test_project_pages_sidebar_calls(app: Browser, call: Api, project: str) -> None:
    make_task(call, project, "tagged", tags=["blue"])
    assert app.post("projects.get_project_tags", {"include_system": False})["tags"] == sorted(
        app.post("projects.get_project_tags", {"include_system": False})["tags"]
    )
    assert app.post("projects.get_task_tags", {"projects": [project]})["tags"] == ["blue"]
    assert "blue" in app.post("organization.get_tags", {"include_system": True})["tags"]
    assert app.post("tasks.get_types", {"projects": [project]})["types"] == ["training"]
    assert app.post("projects.get_unique_metric_variants", {"project": project})["metrics"] == []
    parameters = app.post("projects.get_hyper_parameters", {"project": project, "page_size": 5000})
    assert parameters["parameters"] == []
    assert app.post("projects.get_task_parents", {"projects": [project], "tasks_state": None})["parents"] == []
    assert [user["name"] for user in app.post("projects.get_user_names", {"projects": [project]})["users"]]
    counts = app.post("organization.get_entities_count", {"tasks": {"project": [project]}, "search_hidden": False})
    assert counts["tasks"] == 1


def table(project: str, **more: Any) -> dict[str, Any]:
    """The request of the task table."""
    return {
        "project": [project], "scroll_id": None, "size": 15, "order_by": ["-last_update"],
        "type": ["__$not", "annotation_manual", "__$not", "annotation", "__$not", "dataset_import"],
        "system_tags": ["__$all", "__$not", "archived", "__$not", "pipeline", "__$not", "dataset"],
        "include_subprojects": True, "search_hidden": False, "allow_public": True, "refresh_scroll": False,
        "only_fields": [
            "system_tags", "type", "name", "tags", "status", "project.name", "user.name", "started", "last_update",
            "last_iteration", "active_duration", "parent.name", "parent.project.id", "company", "comment",
        ],
        **more,
    }  # fmt: skip


def test_task_table_scrolls_to_its_end(app: Browser, call: Api, project: str) -> None:
    for number in range(20):
        make_task(call, project, f"row {number:02d}")
    first = app.post("tasks.get_all_ex", table(project))
    second = app.post("tasks.get_all_ex", table(project, scroll_id=first["scroll_id"]))
    third = app.post("tasks.get_all_ex", table(project, scroll_id=second["scroll_id"]))
    assert [len(page["tasks"]) for page in (first, second, third)] == [15, 5, 0]
    seen = [task["id"] for page in (first, second) for task in page["tasks"]]
    assert len(set(seen)) == 20
    again = app.post("tasks.get_all_ex", table(project, scroll_id=third["scroll_id"], refresh_scroll=True))
    assert {task["id"] for task in again["tasks"]} == set(seen)  # everything that the page shows, anew
    row = first["tasks"][0]
    assert row["tags"] == row["system_tags"] == []
    assert row["project"]["name"]
    assert row["user"]["name"]


def test_task_table_filters_of_the_column_headers(app: Browser, call: Api, project: str) -> None:
    parameters = {"Args": {"lr": {"section": "Args", "name": "lr", "value": "0.5"}}}
    wanted = running_task(call, project, "wanted", tags=["a"], hyperparams=parameters)
    make_task(call, project, "unwanted", tags=["b"])

    def found(**filters: Any) -> list[str]:
        return names(app.post("tasks.get_all_ex", table(project, **filters))["tasks"])

    assert found(status=["in_progress"]) == ["wanted"]
    assert found(filters={"tags": {"any": {"include": ["a"], "exclude": []}, "op": "and"}}) == ["wanted"]
    assert found(_any_={"fields": ["id", "name", "models.input.model"], "pattern": "UNW"}) == ["unwanted"]
    assert found(**{"hyperparams.Args.lr.value": ["0.5"]}) == ["wanted"]
    assert found(user=[call("users.get_current_user")["user"]["id"]]) == ["unwanted", "wanted"]
    assert found(started=[None, "2001-01-01T00:00:00Z"]) == ["unwanted"]
    values = app.post(
        "projects.get_hyperparam_values", {"projects": [project], "section": "Args", "name": "lr", "allow_public": True}
    )
    assert values["values"] == ["0.5"]
    assert app.post("tasks.get_all_ex", table(project, id=[wanted]))["tasks"][0]["name"] == "wanted"


def test_task_page(app: Browser, call: Api, project: str) -> None:
    task = running_task(call, project, "looked at")
    (found,) = app.post("tasks.get_by_id_ex", {"id": [task], "only_fields": [
        "id", "name", "type", "status", "script", "execution", "models.output.model.name", "models.input.model.name",
        "project.name", "user.name", "parent.name", "container", "hyperparams", "configuration", "tags",
        "system_tags", "runtime", "last_iteration", "output", "status_message", "company.id",
    ]})["tasks"]  # fmt: skip
    assert found["project"]["name"]
    assert found["execution"]["artifacts"] == []
    assert found["script"]["requirements"] == {}
    assert (found["container"], found["runtime"]) == ({}, {})
    assert (found["hyperparams"], found["configuration"]) == ({}, {})
    listed = app.post("tasks.get_configuration_names", {"tasks": [task]})["configurations"]
    assert listed == [{"task": task, "names": []}]


def test_console_page(app: Browser, call: Api, project: str) -> None:
    task = running_task(call, project, "talking")
    send_events(call, ({"type": "log", "task": task, "msg": f"m{n}", "timestamp": 1000 + n} for n in range(7)))
    body = {"task": task, "batch_size": 5, "navigate_earlier": True, "from_timestamp": None}
    last = app.post("events.get_task_log", body)
    assert [event["msg"] for event in last["events"]] == ["m6", "m5", "m4", "m3", "m2"]
    assert last["total"] == 7
    older = app.post("events.get_task_log", {**body, "from_timestamp": last["events"][-1]["timestamp"]})
    assert [event["msg"] for event in older["events"]] == ["m1", "m0"]


def test_scalars_page(app: Browser, call: Api, project: str) -> None:
    task = running_task(call, project, "with curves")
    assert app.post("events.scalar_metrics_iter_histogram", {"task": task, "key": "iter"}) == {}
    send_events(call, (scalar(task, n, float(n)) for n in range(10)))
    for key in ("iter", "timestamp", "iso_time"):
        found = app.post("events.scalar_metrics_iter_histogram", {"task": task, "key": key, "samples": 6000})
        assert found["loss"]["train"]["name"] == "train"
        assert len(found["loss"]["train"]["x"]) == 10
    full = app.post("events.scalar_metrics_iter_raw", {"task": task, "metric": {"metric": "loss"}, "key": "iter"})
    assert full["variants"]["train"]["y"] == [float(n) for n in range(10)]
    (single,) = app.post("events.get_task_single_value_metrics", {"tasks": [task]})["tasks"] or ({"values": []},)
    assert single["values"] == []


def test_plots_and_samples_pages_of_a_task_without_any(app: Browser, call: Api, project: str) -> None:
    task = running_task(call, project, "silent")
    plots = app.post("events.get_task_plots", {"task": task, "iters": 1, "scroll_id": None})
    assert plots["plots"] == []
    metrics = app.post("events.get_task_metrics", {"tasks": [task], "event_type": "training_debug_image"})["metrics"]
    assert metrics in ([], [{"task": task, "metrics": []}])
    images = app.post("events.debug_images", {"metrics": [{"task": task, "metric": None}], "iters": 3})
    assert all(item["iterations"] == [] for item in images["metrics"])


def test_compare_pages(app: Browser, call: Api, project: str) -> None:
    tasks = [running_task(call, project, f"compared {n}") for n in range(2)]
    plot = json.dumps({"data": [{"y": [1]}], "layout": {}})
    for task in tasks:
        send_events(call, [scalar(task, 0, 1.0), scalar(task, 1, 2.0)])
        send_events(call, [{"type": "plot", "task": task, "metric": "p", "variant": "v", "iter": 0, "plot_str": plot}])
    listed = app.post("events.get_multi_task_metrics", {"tasks": tasks, "event_type": "training_stats_scalar"})[
        "metrics"
    ]
    assert [item["metric"] for item in listed] == ["loss"]
    assert listed[0]["variants"] == ["train"]
    curves = app.post("events.multi_task_scalar_metrics_iter_histogram", {"tasks": tasks, "key": "iter"})
    by_metric = curves.get("metrics", curves)
    assert set(by_metric["loss"]["train"]) == set(tasks)
    plots = app.post("events.get_multi_task_plots", {"tasks": tasks, "iters": 1, "scroll_id": None})
    assert set(plots["plots"]["p"]["v"]) == set(tasks)
    details = app.post(
        "tasks.get_all_ex", {"id": tasks, "only_fields": ["name", "last_metrics", "hyperparams", "tags"]}
    )
    assert names(details["tasks"]) == ["compared 0", "compared 1"]


def test_models_pages(app: Browser, call: Api, project: str) -> None:
    body = {"uri": "file:///m", "name": "a model", "project": project, "labels": {}, "framework": "JAX"}
    model = call("models.create", body)["id"]
    answer = app.post("models.get_all_ex", {
        "project": [project], "scroll_id": None, "size": 15, "order_by": ["-last_update"], "include_subprojects": True,
        "system_tags": NO_ARCHIVE, "only_fields": ["name", "framework", "tags", "ready", "task.name", "project.name",
        "user.name", "last_update", "company", "system_tags", "metadata"], "allow_public": True,
    })  # fmt: skip
    (found,) = answer["models"]
    assert (found["id"], found["framework"], found["tags"], found["metadata"]) == (model, "JAX", [], {})
    assert (
        app.post("models.get_all_ex", {"project": [project], "size": 15, "scroll_id": answer["scroll_id"]})["models"]
        == []
    )
    (whole,) = app.post("models.get_by_id_ex", {"id": [model]})["models"]
    assert whole["project"]["id"] == project
    assert app.post("models.get_frameworks", {"projects": [project]})["frameworks"] == ["JAX"]
    assert app.post("projects.get_model_tags", {"projects": [project]})["tags"] == []
    assert app.post("projects.get_model_metadata_keys", {"project": project})["keys"] == []


def test_bulk_footer(app: Browser, call: Api, project: str, unique: str) -> None:
    tasks = sorted(make_task(call, project, f"row {n}") for n in range(3))
    queue = app.post("queues.create", {"name": unique})["id"]
    answer = app.post("tasks.enqueue_many", {"ids": tasks, "queue": queue, "verify_watched_queue": True})
    assert len(answer["succeeded"]) == 3
    assert answer["failed"] == []
    assert answer["queue_watched"] is False
    for endpoint in ("tasks.dequeue_many", "tasks.archive_many", "tasks.unarchive_many", "tasks.reset_many"):
        answer = app.post(endpoint, {"ids": tasks})
        assert sorted(item["id"] for item in answer["succeeded"]) == tasks, endpoint
    app.post("tasks.update_tags", {"ids": tasks, "add_tags": ["bulk"]})
    assert {tuple(t["tags"]) for t in call("tasks.get_all", {"id": tasks})["tasks"]} == {("bulk",)}
    app.post("tasks.move", {"ids": tasks, "project_name": f"{unique}/moved"})
    deleted = app.post("tasks.delete_many", {"ids": tasks, "force": True, "return_file_urls": True})
    assert len(deleted["succeeded"]) == 3
    assert all("urls" in item for item in deleted["succeeded"])


def test_workers_and_queues_pages(app: Browser, call: Api, project: str, unique: str) -> None:
    queue = app.post("queues.create", {"name": unique})["id"]
    task = make_task(call, project, "waiting")
    app.post("queues.add_task", {"queue": queue, "task": task})
    listed = app.post("queues.get_all_ex", {"order_by": ["name"], "max_task_entries": 1000})["queues"]
    found = next(item for item in listed if item["id"] == queue)
    assert [entry["task"]["name"] for entry in found["entries"]] == ["waiting"]
    assert found["workers"] == []
    assert found["tags"] == []
    app.post("queues.clear_queue", {"queue": queue})
    assert call("queues.get_by_id", {"queue": queue})["queue"]["entries"] == []
    call("workers.register", {"worker": unique, "queues": [queue]})
    worker = next(item for item in app.post("workers.get_all", {"last_seen": 600})["workers"] if item["id"] == unique)
    assert worker["user"]["id"]
    assert worker["company"]["id"]
    assert [item["name"] for item in worker["queues"]] == [unique]
    assert app.post("queues.get_all_ex", {"id": [queue]})["queues"][0]["workers"]
    call("workers.unregister", {"worker": unique})
    app.post("queues.delete", {"queue": queue})


def test_settings_page(app: Browser) -> None:
    assert isinstance(app.post("auth.get_credentials")["credentials"], list)
    made = app.post("auth.create_credentials", {"label": "page"})["credentials"]
    app.post("auth.edit_credentials", {"access_key": made["access_key"], "label": "the page"})
    app.post("auth.revoke_credentials", {"access_key": made["access_key"]})
    azure = {"containers": [{"account_name": "a", "account_key": "k", "container_name": "c"}]}
    app.post("storage.set_settings", {"azure": azure})
    settings = app.post("storage.get_settings")
    assert settings["azure"]["containers"][0]["container_name"] == "c"
    users = app.post("users.get_all_ex", {"only_fields": ["name", "company", "created"]})["users"]
    assert all(user["id"] and user["name"] for user in users)


def test_pipelines_datasets_and_reports_pages(app: Browser, call: Api, unique: str) -> None:
    for kind, tag in (("pipelines", "pipeline"), ("datasets", "dataset")):
        hidden = call("projects.create", {"name": f"{unique}/.{kind}/one", "system_tags": ["hidden", tag]})["id"]
        found = app.post("projects.get_all_ex", {
            "name": f"/\\.{kind}/", "search_hidden": True, "shallow_search": False, "system_tags": [tag],
            "include_stats": True, "stats_with_children": False, "scroll_id": None, "size": 500,
            "order_by": ["-last_update"], "only_fields": ["id", "company", "name", "basename", "tags", "last_update"],
        })["projects"]  # fmt: skip
        card = next(item for item in found if item["id"] == hidden)
        assert card["stats"]["active"]["status_count"]
        assert card["tags"] == []
    assert isinstance(app.post("reports.get_tags")["tags"], list)
    assert (
        app.post("reports.get_all_ex", {"scroll_id": None, "size": 20, "order_by": ["-last_update"]})["tasks"]
        is not None
    )


def test_search_page_counts_every_kind(app: Browser, call: Api, unique: str) -> None:
    project = call("projects.create", {"name": f"{unique} project"})["id"]
    make_task(call, project, f"{unique} task")
    pattern = {"fields": ["name", "id"], "pattern": unique}
    found = app.post("organization.get_entities_count", {
        "projects": {"_any_": pattern, "search_hidden": False, "shallow_search": False},
        "tasks": {"_any_": pattern, "type": ["__$not", "annotation"], "system_tags": ["-archived"]},
        "models": {"_any_": pattern, "system_tags": ["-archived"]},
        "datasets": {"_any_": pattern, "system_tags": ["dataset"], "search_hidden": True},
        "pipelines": {"_any_": pattern, "system_tags": ["pipeline"], "search_hidden": True},
        "reports": {"_any_": pattern, "type": ["report"]},
        "active_users": None,
    })  # fmt: skip
    assert found["projects"] == found["tasks"] == 1
    assert (found["models"], found["datasets"], found["pipelines"], found["reports"]) == (0, 0, 0, 0)


def test_table_download(app: Browser, call: Api, project: str) -> None:
    make_task(call, project, "downloaded")
    body = {
        "entity_type": "task", "project": [project], "only_fields": ["name", "status"], "allow_public": True,
        "field_mappings": [{"field": "name", "name": "NAME"}, {"field": "status", "name": "STATUS"}],
    }  # fmt: skip
    prepared = app.post("organization.prepare_download_for_get_all", body)["prepare_id"]
    url = f"{app.origin}/api/organization.download_for_get_all"
    headers = {"Cookie": f"{COOKIE}={app.cookie}", "Origin": app.origin, "Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps({"prepare_id": prepared}).encode(), headers, method="POST")
    with urllib.request.urlopen(request, timeout=30) as answer:
        rows = answer.read().decode("utf-8-sig").splitlines()
    assert rows[0].split(",")[:2] == ["NAME", "STATUS"]
    assert "downloaded" in rows[1]


def test_serving_page_without_any_model(own_server: RunningServer) -> None:
    app = logged_in(own_server)
    assert app.post("serving.get_endpoints")["endpoints"] == []
    assert app.post("serving.get_loading_instances")["instances"] == []
