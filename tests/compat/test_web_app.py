"""The calls that the official web app makes, in its order and shapes: the boot, and each page's, on one origin.

The app itself is no part of these tests: what it sends, and which fields its pages cannot do without, is written down
here from what is known of it. It calls below `/api/v999.0/` on the origin that serves it, with a cookie.
"""

from __future__ import annotations

import base64
import http.cookies
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import ApiFailure, RunningServer, running_server

from .helpers import Api, make_task, names, running_task, scalar, send_events

COOKIE = "clearml_token_basic"
NO_ARCHIVE = ["__$all", "__$not", "archived"]


class Browser:
    """What a browser adds to the calls of a page: its origin and the cookie that the server gave it."""

    def __init__(self, origin: str) -> None:
        self.origin, self.cookie = origin, ""

    def post(self, endpoint: str, body: Any = None, *, basic: tuple[str, str] | None = None, **headers: str) -> Any:
        """A call of the page; its `data`, or ApiFailure."""
        sent = {
            "Content-Type": "application/json",
            "Origin": self.origin,
            "X-Allegro-Client": "Webapp-2.0.0",
            "X-Clearml-Client": "Webapp-2.0.0",
            **headers,
        }
        if self.cookie:
            sent["Cookie"] = f"{COOKIE}={self.cookie}"
        if basic:
            sent["Authorization"] = "Basic " + base64.b64encode(":".join(basic).encode()).decode()
        url = f"{self.origin}/api/v999.0/{endpoint}"
        request = urllib.request.Request(url, json.dumps(body or {}).encode(), sent, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                for line in answer.headers.get_all("Set-Cookie") or ():
                    morsel = http.cookies.SimpleCookie(line).get(COOKIE)
                    self.cookie = morsel.value if morsel is not None else self.cookie
                whole = json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                whole = json.loads(error.read())
            meta = whole["meta"]
            raise ApiFailure(meta["result_code"], meta["result_subcode"], meta["result_msg"], whole) from None
        assert whole["meta"]["endpoint"]["name"] == endpoint
        return whole["data"]

    def get(self, path: str) -> tuple[int, str, bytes]:
        """(status, content type, body) of a file of the page."""
        try:
            with urllib.request.urlopen(self.origin + path, timeout=30) as answer:
                return answer.status, answer.headers["Content-Type"], answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers["Content-Type"], error.read()


@pytest.fixture
def app(server: RunningServer) -> Browser:
    """A browser that has logged in."""
    return logged_in(server)


def logged_in(server: RunningServer) -> Browser:
    browser = Browser(server.web)
    browser.post("auth.login", basic=(server.access_key, server.secret_key))
    assert browser.cookie
    return browser


@pytest.fixture(scope="module")
def names_server() -> Iterator[RunningServer]:
    """A server where people pick their names, as the app's simple mode has it."""
    with running_server(env={"CLEARML_SERVER_LOGIN": "names"}) as started:
        yield started


# ---- boot


def test_boot_without_a_session_leads_to_the_login_page(server: RunningServer) -> None:
    browser = Browser(server.web)
    modes = browser.post("login.supported_modes")
    assert modes["authenticated"] is False
    assert modes["basic"]["enabled"] is True
    assert modes["sso"] == {}
    assert modes["sso_providers"] == []
    assert not any(modes["server_errors"].values())
    assert browser.get("/credentials.json")[0] == 404
    status, kind, _ = browser.get("/login?redirect=%2Fprojects")
    assert (status, kind.partition(";")[0]) == (200, "text/html")
    with pytest.raises(ApiFailure) as refused:
        browser.post("users.get_current_user")
    assert refused.value.code == 401


def test_login_page_of_the_simple_mode_picks_or_makes_a_name(names_server: RunningServer, unique: str) -> None:
    browser = Browser(names_server.web)
    assert browser.post("login.supported_modes")["basic"]["enabled"] is False
    status, _, body = browser.get("/credentials.json")
    assert status == 200
    door = json.loads(body)
    key = (door["userKey"], door["userSecret"])
    assert unique not in names(browser.post("users.get_all", basic=key)["users"])
    user = browser.post("auth.create_user", {"name": unique, "company": door["companyID"], "email": "x@y"}, basic=key)
    browser.post("auth.login", basic=key, **{"X-Clearml-Impersonate-As": user["id"]})
    assert browser.cookie
    assert unique in names(browser.post("users.get_all", basic=key)["users"])
    assert browser.post("users.get_current_user")["user"]["name"] == unique
    assert browser.post("login.supported_modes")["authenticated"] is True


def test_boot_with_a_session(app: Browser) -> None:
    assert app.post("login.supported_modes")["authenticated"] is True
    stats = app.post("server.report_stats_option")
    assert stats["supported"] in (True, False)
    answer = app.post("users.get_current_user", {"get_supported_features": True})
    user = answer["user"]
    assert user["id"]
    assert user["name"]
    assert user["role"] in ("admin", "superuser", "user")
    assert user["company"]["id"]
    assert user["company"]["name"]
    assert answer["getting_started"]
    assert answer["settings"]["max_download_items"] > 0
    preferences = app.post("users.get_preferences")["preferences"]
    assert isinstance(preferences, dict)
    app.post("users.set_preferences", {"preferences": {"rootProjects": {"tagsColors": {}, "graphVariant--DOT--x": 1}}})
    info = app.post("server.info")
    assert info["version"]
    assert info["build"]
    assert app.get("/onboarding.json")[0] in (200, 404)
    users = app.post("projects.get_user_names", {"projects": None})["users"]
    assert all(set(user) >= {"id", "name"} for user in users)


def test_logout_ends_the_session(app: Browser) -> None:
    app.post("login.logout")
    with pytest.raises(ApiFailure) as refused:
        app.post("users.get_current_user")
    assert refused.value.code == 401


def test_deep_links_serve_the_page(app: Browser) -> None:
    for path in (
        "/projects/*/tasks",
        "/projects/0/experiments/1/output/log",
        "/compare-tasks;ids=a,b/details",
        "/queues",
    ):
        status, kind, _ = app.get(path)
        assert (status, kind.partition(";")[0]) == (200, "text/html"), path


# ---- pages


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


CALLED = """\
auth.create_credentials auth.create_user auth.edit_credentials auth.get_credentials auth.login auth.revoke_credentials
login.supported_modes login.logout users.get_current_user users.get_all users.get_all_ex users.get_preferences
users.set_preferences users.update server.info server.report_stats_option organization.get_tags
organization.get_entities_count organization.prepare_download_for_get_all storage.get_settings storage.set_settings
pipelines.start_pipeline pipelines.delete_runs projects.create projects.delete projects.get_all_ex
projects.get_hyper_parameters projects.get_hyperparam_values projects.get_model_metadata_keys
projects.get_model_metadata_values projects.get_model_tags projects.get_project_tags projects.get_task_parents
projects.get_task_tags projects.get_unique_metric_variants projects.get_user_names projects.move projects.update
projects.validate_delete tasks.archive_many tasks.clone tasks.create tasks.delete_hyper_params tasks.delete_many
tasks.dequeue_many tasks.edit tasks.edit_configuration tasks.edit_hyper_params tasks.enqueue tasks.enqueue_many
tasks.get_all_ex tasks.get_by_id_ex tasks.get_configuration_names tasks.get_configurations tasks.get_types tasks.move
tasks.publish_many tasks.reset_many tasks.stop_many tasks.unarchive_many tasks.update tasks.update_tags
events.debug_images events.get_debug_image_sample events.get_multi_task_metrics events.get_multi_task_plots
events.get_plot_sample events.get_task_log events.get_task_metrics events.get_task_plots
events.get_task_single_value_metrics events.multi_task_scalar_metrics_iter_histogram events.next_debug_image_sample
events.next_plot_sample events.scalar_metrics_iter_histogram events.scalar_metrics_iter_raw models.archive_many
models.delete_many models.edit models.get_all_ex models.get_by_id_ex models.get_frameworks models.move
models.publish_many models.unarchive_many models.update models.update_tags queues.add_task queues.clear_queue
queues.create queues.delete queues.get_all_ex queues.get_queue_metrics queues.move_task_backward
queues.move_task_forward queues.move_task_to_back queues.move_task_to_front queues.remove_task queues.update
workers.get_all workers.get_activity_report workers.get_stats reports.archive reports.create reports.delete
reports.get_all_ex reports.get_tags reports.move reports.publish reports.unarchive reports.update
serving.get_endpoints serving.get_endpoint_details serving.get_endpoint_metrics_history
serving.get_loading_instances
"""
"""Every endpoint that the app calls, but for `tasks.get_operations_log`, which the open edition does not have."""


def test_every_endpoint_of_the_app_is_there(server: RunningServer) -> None:
    with urllib.request.urlopen(f"{server.api}/openapi.json", timeout=30) as answer:
        paths = json.load(answer)["paths"]
    missing = set(CALLED.split()) - {path.lstrip("/") for path in paths}
    assert not missing
